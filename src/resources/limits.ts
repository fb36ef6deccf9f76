import { createRequire } from "node:module";
import { posix } from "node:path";
import { RootloomError } from "../core/error.ts";
import type { Files } from "../host/ports.ts";
import type { Limits } from "./types.ts";

/** What holds on a host without a limits file: only the state directory is allowed. */
export const NO_LIMITS: Limits = {
  paths: [],
  pools: [],
  volumeGroups: [],
  devices: [],
  publishHosts: [],
  maxDeletions: undefined,
  hostCommands: false,
  emulation: false,
  file: "",
};

/** Refused with all below them, whatever the limits file says. */
const SYSTEM_TREES = [
  "/bin",
  "/boot",
  "/dev",
  "/etc",
  "/lib",
  "/lib32",
  "/lib64",
  "/libx32",
  "/proc",
  "/run",
  "/sbin",
  "/sys",
  "/usr",
  "/var/lib/dpkg",
  "/var/lib/systemd",
  "/var/log",
  "/var/run",
];

/** Refused themselves; what lies below them may be allowed. */
const SYSTEM_DIRECTORIES = ["/", "/home", "/opt", "/root", "/tmp", "/var", "/var/cache", "/var/lib", "/var/tmp"];

/** What Rootloom itself keeps at the top of the state directory; a store's journal has the store's name too. */
const OWN_NOTES = /^(control\.sock|instance|leases|lock|logs|reports|rootloom\.db[^/]*)(\/|$)/;

const FLAGS = ["hostCommands", "emulation"] as const;
const LISTS = ["paths", "pools", "volumeGroups", "devices", "publishHosts"] as const;

const PLACES = {
  pool: ["pools", "pool"],
  volumeGroup: ["volumeGroups", "volume group"],
  device: ["devices", "device"],
  publishHost: ["publishHosts", "machine"],
} as const;

/**
 * The limits file's text (YAML): allowed `paths`, `pools`, `volumeGroups`, `devices`, `publishHosts`, the cap
 * `maxDeletions`, `hostCommands` and `emulation`. An unknown key is an error: a misspelt limit would be none.
 */
export function parseLimits(text: string, file: string): Limits {
  const values = readYaml(text, file);
  const problems = [
    ...Object.keys(values).flatMap((key) => (isKnown(key) ? [] : [`${key}: no such limit`])),
    ...LISTS.flatMap((key) => listProblems(key, values[key])),
    ...scalarProblems(values),
  ];
  if (problems.length > 0)
    throw new RootloomError(`cannot use the limits in ${file}: ${problems.join("; ")}`, {
      hint: "the keys are paths, pools, volumeGroups, devices, publishHosts (lists), maxDeletions (a number), hostCommands and emulation (true or false)",
    });
  const list = (key: (typeof LISTS)[number]) => (values[key] ?? []) as readonly string[];
  return {
    paths: list("paths").map((path) => posix.join(path, "/").replace(/(?<=.)\/$/, "")),
    pools: list("pools"),
    volumeGroups: list("volumeGroups"),
    devices: list("devices"),
    publishHosts: list("publishHosts"),
    maxDeletions: (values.maxDeletions ?? undefined) as number | undefined,
    hostCommands: values.hostCommands === true,
    emulation: values.emulation === true,
    file,
  };
}

/**
 * Whether a path may be made, changed or removed on this host (DESIGN, rule 18). Looks at the text of the
 * path only: see `checkHostPath` for where it really leads.
 */
export function checkPath(path: string, limits: Limits, state: string): RootloomError | undefined {
  if (!posix.isAbsolute(path) || posix.normalize(path) !== path || (path.length > 1 && path.endsWith("/")))
    return refusal(
      path,
      "it is not an absolute path in its shortest form",
      "write it without `..`, `//` or a slash at the end",
    );
  const system = SYSTEM_DIRECTORIES.includes(path) ? path : SYSTEM_TREES.find((tree) => isWithin(path, tree));
  if (system !== undefined)
    return refusal(path, `${system} belongs to the system`, "choose a place of its own, such as /srv/rootloom");
  if (path === state) return refusal(path, "it is the state directory itself", "choose a folder below it");
  if (isWithin(state, path)) return refusal(path, "the state directory lies in it", "choose a folder of its own");
  if (isWithin(path, state) && OWN_NOTES.test(path.slice(state.length + 1)))
    return refusal(path, "Rootloom keeps its own notes there", "choose another name below the state directory");
  if ([state, ...limits.paths].some((allowed) => isWithin(path, allowed))) return undefined;
  const file = limits.file === "" ? "/etc/rootloom/limits.yaml" : limits.file;
  return refusal(path, "this host's limits do not allow it", `add it or a parent to \`paths\` in ${file}`);
}

/** `checkPath`, also of the real place that the path's existing parents lead to. */
export function checkHostPath(files: Files, path: string, limits: Limits, state: string): RootloomError | undefined {
  const refused = checkPath(path, limits, state);
  if (refused !== undefined) return refused;
  const real = realPlace(files, path);
  if (real === path) return undefined;
  const really = (allowed: string) => files.realPath(allowed) ?? realPlace(files, allowed);
  const why = checkPath(real, { ...limits, paths: limits.paths.map(really) }, really(state));
  return why === undefined
    ? undefined
    : refusal(path, `a link in it leads to ${real}, which is not allowed`, why.hint ?? "remove the link");
}

/** Whether a pool (or a dataset in it), a volume group, a device or another machine may be used on this host: only what the limits list. */
export function checkPlace(
  type: "pool" | "volumeGroup" | "device" | "publishHost",
  value: string,
  limits: Limits,
): RootloomError | undefined {
  const [list, what] = PLACES[type];
  if (limits[list].some((allowed) => (type === "pool" ? isWithin(value, allowed) : value === allowed)))
    return undefined;
  const file = limits.file === "" ? "/etc/rootloom/limits.yaml" : limits.file;
  return refusal(`${what} ${value}`, "this host's limits do not allow it", `add it to \`${list}\` in ${file}`);
}

/** True when the path is the prefix itself or lies below it, compared name by name. */
export function isWithin(path: string, prefix: string): boolean {
  return path === prefix || path.startsWith(prefix.endsWith("/") ? prefix : `${prefix}/`);
}

/** The path with the symlinks of its deepest existing parent followed; its own last name is kept as it is. */
function realPlace(files: Files, path: string): string {
  if (path === "/") return path;
  const parent = posix.dirname(path);
  const real = files.realPath(parent) ?? realPlace(files, parent);
  return posix.join(real, posix.basename(path));
}

function refusal(path: string, why: string, hint: string): RootloomError {
  return new RootloomError(`cannot use ${path}: ${why}`, { hint, condition: "Refused" });
}

function readYaml(text: string, file: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    // Its own warnings would go to standard error as they are, with whatever bytes the file holds.
    // Loaded where there is a file: a host without one need not wait for it.
    const { parse } = createRequire(import.meta.url)("yaml") as typeof import("yaml");
    value = parse(text, { logLevel: "error" }) ?? {};
  } catch (cause) {
    const why = cause instanceof Error ? (cause.message.split("\n")[0] ?? "") : String(cause);
    throw new RootloomError(`cannot use the limits in ${file}: ${why}`, { hint: "it must be valid YAML", cause });
  }
  // A set or a date has no keys that could be checked: it would read as a file without limits.
  if (Object.prototype.toString.call(value) !== "[object Object]")
    throw new RootloomError(`cannot use the limits in ${file}: it is not a list of keys and values`, {
      hint: "start with `paths: [/srv/rootloom]`",
    });
  return value as Readonly<Record<string, unknown>>;
}

function isKnown(key: string): boolean {
  return [...LISTS, "maxDeletions", ...FLAGS].includes(key);
}

function listProblems(key: string, value: unknown): readonly string[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value) || value.some((item) => typeof item !== "string" || item === ""))
    return [`${key}: not a list of names`];
  const crooked = (value as readonly string[]).filter((item) => item.includes("..") || !item.startsWith("/"));
  return key === "paths" && crooked.length > 0 ? [`paths: ${crooked[0]} is not an absolute path`] : [];
}

function scalarProblems(values: Readonly<Record<string, unknown>>): readonly string[] {
  const { maxDeletions } = values;
  const count = maxDeletions === undefined || maxDeletions === null || isCount(maxDeletions);
  const crooked = FLAGS.filter((key) => typeof (values[key] ?? false) !== "boolean");
  return [
    ...(count ? [] : ["maxDeletions: not a whole number, 0 or more"]),
    ...crooked.map((key) => `${key}: neither true nor false`),
  ];
}

function isCount(value: unknown): boolean {
  return typeof value === "number" && Number.isInteger(value) && value >= 0;
}
