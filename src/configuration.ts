import { createHash } from "node:crypto";
import { resolve } from "node:path";
import { usableCache } from "./cache-place.ts";
import { RootloomError } from "./core/error.ts";
import type { Files } from "./host/ports.ts";
import type { Configuration } from "./pass/types.ts";
import { NO_LIMITS, parseLimits } from "./resources/limits.ts";
import type { Limits } from "./resources/types.ts";

export const ENVIRONMENT_FILE = "/etc/rootloom/rootloom.env";
export const LIMITS_FILE = "/etc/rootloom/limits.yaml";

/** Global flags as they were given; what was not given is absent. */
export interface Flags {
  readonly state?: string;
  readonly desired?: string;
  readonly cache?: string;
  readonly repository?: string;
  readonly ref?: string;
  readonly path?: string;
  readonly remote?: string;
  readonly branch?: string;
  readonly interval?: string;
  readonly mountNamespace?: string;
  readonly logLevel?: string;
  readonly worktree?: boolean;
  readonly offline?: boolean;
  readonly caFile?: string;
}

export interface ConfigurationInput {
  readonly files: Files;
  readonly flags: Flags;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Relative paths are below this. */
  readonly directory: string;
  /** Numeric id of the effective user; without it the cache is taken as it is configured. */
  readonly userId?: number;
  /** For tests: where the two files of /etc/rootloom are. */
  readonly environmentFile?: string;
  readonly limitsFile?: string;
}

const VARIABLES = {
  state: "ROOTLOOM_STATE",
  desired: "ROOTLOOM_DESIRED",
  cache: "ROOTLOOM_CACHE",
  repository: "ROOTLOOM_REPOSITORY",
  ref: "ROOTLOOM_REF",
  path: "ROOTLOOM_PATH",
  remote: "ROOTLOOM_REMOTE",
  branch: "ROOTLOOM_BRANCH",
  interval: "ROOTLOOM_INTERVAL",
  mountNamespace: "ROOTLOOM_MOUNT_NAMESPACE",
  logLevel: "ROOTLOOM_LOG_LEVEL",
  offline: "ROOTLOOM_OFFLINE",
  caFile: "ROOTLOOM_CA_FILE",
} as const;
/** Settings that are texts; `--offline` takes none. */
type Setting = Exclude<keyof typeof VARIABLES, "offline">;

const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"];

/**
 * Where everything is: flags, then the process's own variables, then `/etc/rootloom/rootloom.env`, then
 * defaults. All paths in the result are absolute.
 */
export function readConfiguration(input: ConfigurationInput): Configuration {
  const file = input.environmentFile ?? ENVIRONMENT_FILE;
  const variables = parseEnvironmentFile(input.files.readText(file) ?? "", file);
  const setting = (name: Setting): string | undefined => {
    const variable = VARIABLES[name];
    return nonEmpty(input.flags[name]) ?? nonEmpty(input.environment[variable]) ?? nonEmpty(variables.get(variable));
  };
  const path = (name: Setting): string | undefined => {
    const value = setting(name);
    return value === undefined ? undefined : resolve(input.directory, value);
  };
  const cache = cacheOf(input, path("cache") ?? resolve(input.directory, ".cache/rootloom"));
  const interval = setting("interval");
  return {
    state: path("state") ?? resolve(input.directory, "state"),
    cache,
    source: {
      desired: path("desired") ?? resolve(input.directory, "desired"),
      repository: path("repository"),
      ref: setting("ref") ?? "HEAD",
      path: setting("path")?.replace(/^\/+|\/+$/g, ""),
      remote: remoteOf(setting("remote"), setting("branch"), cache),
      worktree: input.flags.worktree ?? false,
      cache,
    },
    limits: readLimits(input.files, input.limitsFile ?? LIMITS_FILE),
    network: {
      offline: isOffline(input.flags, input.environment[VARIABLES.offline], variables.get(VARIABLES.offline)),
      caFile: trustedFile(path("caFile"), input),
    },
    mountNamespace: path("mountNamespace") ?? "/proc/1/ns/mnt",
    logLevel: logLevelOf(setting("logLevel")),
    interval_s: interval === undefined ? undefined : durationSeconds(interval, "the interval"),
  };
}

/** A cache that this user named is taken as it is; another may be somebody else's. */
function cacheOf({ files, flags, environment, userId }: ConfigurationInput, wanted: string): string {
  const isNamed = nonEmpty(flags.cache) ?? nonEmpty(environment[VARIABLES.cache]);
  return isNamed !== undefined || userId === undefined ? wanted : usableCache({ files, userId, wanted, environment });
}

/** `NAME=value` lines, as systemd's EnvironmentFile reads them: `#` and `;` begin a comment, quotes around a value go. */
export function parseEnvironmentFile(text: string, file: string): ReadonlyMap<string, string> {
  const known = new Set<string>([...Object.values(VARIABLES), "ROOTLOOM_NODE"]);
  const variables = new Map<string, string>();
  for (const [index, line] of text.split("\n").entries()) {
    const trimmed = line.trim();
    if (trimmed === "" || trimmed.startsWith("#") || trimmed.startsWith(";")) continue;
    const [, name, value] = /^([A-Z_][A-Z0-9_]*)=(.*)$/.exec(trimmed) ?? [];
    if (name === undefined || value === undefined) {
      throw new RootloomError(`cannot read ${file}:${index + 1}: it is not NAME=value`, {
        hint: "comments begin with #",
      });
    }
    // The unit shares this file: variables that are not ours are somebody else's business.
    if (known.has(name) || !name.startsWith("ROOTLOOM_")) variables.set(name, value.replace(/^(["'])(.*)\1$/, "$2"));
    else throw unknownVariable(name, `${file}:${index + 1}`, [...known]);
  }
  return variables;
}

/** "90", "30s", "5m", "2h", "1d" in seconds. */
export function durationSeconds(text: string, what: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(s|m|h|d)?$/.exec(text.trim()) ?? [];
  if (number === undefined) {
    throw new RootloomError(`cannot read ${what}: ${JSON.stringify(text)} is no duration`, {
      hint: "write 30s, 5m, 2h or 1d",
    });
  }
  const seconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };
  return Number(number) * (seconds[unit ?? "s"] ?? 1);
}

/** The host's own limits; a file that others could have written is refused, since it decides what may be destroyed. */
export function readLimits(files: Files, file: string): Limits {
  const stat = files.stat(file);
  if (stat === undefined) return NO_LIMITS;
  const hint = `chown root:root ${file} && chmod 0644 ${file}`;
  const refuse = (why: string) => new RootloomError(`cannot use the limits in ${file}: ${why}`, { hint });
  if (stat.type !== "file") throw refuse(`it is a ${stat.type}, not a file`);
  if (stat.owner !== 0) throw refuse(`it belongs to user ${stat.owner}, not to root`);
  if ((stat.mode & 0o022) !== 0) throw refuse("others than root can write to it");
  return parseLimits(files.readText(file) ?? "", file);
}

/** A flag or a variable can switch it on; of the two variables the process's own is asked first. */
function isOffline(flags: Flags, ...variables: readonly (string | undefined)[]): boolean {
  const text = variables.find((value) => nonEmpty(value) !== undefined);
  if (flags.offline === true) return true;
  if (text === undefined || /^(0|no|false)$/i.test(text)) return false;
  if (/^(1|yes|true)$/i.test(text)) return true;
  throw new RootloomError(`cannot read ${VARIABLES.offline}: ${JSON.stringify(text)} is neither yes nor no`, {
    hint: "write 1 or 0",
  });
}

/** Who may vouch for servers is the host's word, never the commit's: nobody else may be able to change the file. */
function trustedFile(path: string | undefined, { files, userId = 0 }: ConfigurationInput): string | undefined {
  if (path === undefined) return undefined;
  const real = files.realPath(path);
  const stat = real === undefined ? undefined : files.stat(real);
  const refuse = (why: string, hint: string) =>
    new RootloomError(`cannot use the certificates in ${path}: ${why}`, { hint });
  if (real === undefined || stat?.type !== "file") throw refuse("it is no file", "name a file of PEM certificates");
  if (stat.owner !== 0 && stat.owner !== userId) throw refuse(`it belongs to user ${stat.owner}`, `chown root ${path}`);
  if ((stat.mode & 0o022) !== 0) throw refuse("others can write to it", `chmod 0644 ${path}`);
  if ((stat.mode & 0o004) === 0) throw refuse("curl, which runs as nobody, cannot read it", `chmod 0644 ${path}`);
  return real;
}

function remoteOf(
  url: string | undefined,
  branch: string | undefined,
  cache: string,
): Configuration["source"]["remote"] {
  if (url === undefined) return undefined;
  // One mirror a URL: another remote never continues the history of this one.
  const name = createHash("sha256").update(url).digest("hex").slice(0, 16);
  return { url, branch: branch ?? "main", mirror: `${cache}/mirrors/${name}.git` };
}

function logLevelOf(level: string | undefined): string {
  if (level === undefined) return "info";
  if (LOG_LEVELS.includes(level)) return level;
  throw new RootloomError(`cannot log at level ${level}: there is no such level`, {
    hint: `one of ${LOG_LEVELS.join(", ")}`,
  });
}

function unknownVariable(name: string, place: string, known: readonly string[]): RootloomError {
  return new RootloomError(`cannot read ${place}: there is no variable ${name}`, {
    hint: `known: ${known.join(", ")}`,
  });
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === undefined || text === "" ? undefined : text;
}
