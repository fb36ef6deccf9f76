import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** Everything a test of the whole program needs: a real repository, and the program as a user starts it. */
export const project = new URL("..", import.meta.url).pathname.replace(/\/$/, "");
export const fixtures = join(project, ".cache/test");

/** Content of a file; `executable` and links where they matter. */
export type FileSpec = string | { readonly text: string; readonly executable?: boolean } | { readonly link: string };
export type FileTree = Readonly<Record<string, FileSpec | undefined>>;

export interface Ran {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Site {
  readonly directory: string;
  readonly state: string;
  readonly cache: string;
  /** Writes files (undefined removes one) without committing. */
  write(files: FileTree): void;
  /** Writes and commits; returns the commit id. */
  commit(files: FileTree, message?: string): string;
  /** Runs the command line to its end. */
  run(...arguments_: readonly string[]): Ran;
  /** Starts it and leaves it running; the site ends it when it is removed. */
  start(...arguments_: readonly string[]): ChildProcess;
  /** The answer of a `--json` command. */
  json<T>(...arguments_: readonly string[]): T;
  remove(): Promise<void>;
}

/** A fresh repository with `desired/`, and a state of its own, below one temporary directory. */
export function makeSite(files: FileTree): Site {
  const directory = mkdtempSync(join(tmpdir(), "rootloom-site-"));
  const state = join(directory, "state");
  const cache = join(directory, "cache");
  const children: ChildProcess[] = [];
  const git = (...arguments_: readonly string[]): string =>
    execFileSync("git", ["-c", "user.name=Test", "-c", "user.email=test@example.invalid", ...arguments_], {
      cwd: directory,
      encoding: "utf8",
    }).trim();
  git("init", "-q", "-b", "main");
  const environment = { ...process.env, ROOTLOOM_STATE: state, ROOTLOOM_CACHE: cache, NO_COLOR: "1" };
  const flags = ["--desired", join(directory, "desired"), "--mount-namespace", "/proc/self/ns/mnt"];
  const program = join(project, "src/rootloom");

  const site: Site = {
    directory,
    state,
    cache,
    write: (changed) => writeFiles(directory, changed),
    commit: (changed, message = "a change") => {
      writeFiles(directory, changed);
      git("add", "-A", "desired");
      git("commit", "-q", "--allow-empty", "-m", message);
      return git("rev-parse", "HEAD");
    },
    run: (...arguments_) => {
      const ran = spawnSync(program, [...flags, ...arguments_], {
        env: environment,
        encoding: "utf8",
        maxBuffer: 1 << 28,
      });
      return { exitCode: ran.status ?? -1, stdout: ran.stdout, stderr: ran.stderr };
    },
    start: (...arguments_) => {
      const child = spawn(program, [...flags, ...arguments_], { env: environment, stdio: ["ignore", "pipe", "pipe"] });
      children.push(child);
      return child;
    },
    json: (...arguments_) => JSON.parse(site.run(...arguments_, "--json").stdout),
    remove: async () => {
      for (const child of children) await end(child);
      if (!mountsBelow(directory)) rmSync(directory, { recursive: true, force: true });
      else throw new Error(`something is still mounted below ${directory}`);
    },
  };
  site.commit(files, "first");
  return site;
}

/** Every path below a directory with type, mode, owner, size, content digest and times: equal texts mean nothing was written. */
export function fingerprint(directory: string): string {
  const lines: string[] = [];
  const visit = (path: string): void => {
    const stat = lstatSync(path, { bigint: true });
    const content = stat.isFile() ? sha256Of(path) : stat.isSymbolicLink() ? readlinkSync(path) : "";
    lines.push([path, stat.mode, stat.uid, stat.gid, stat.size, stat.mtimeNs, stat.ctimeNs, content].join(" "));
    if (stat.isDirectory()) for (const name of readdirSync(path).sort()) visit(join(path, name));
  };
  visit(directory);
  return lines.join("\n");
}

export function sha256Of(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}

/** Polls until the body returns something; the last error explains a timeout. */
export async function eventually<T>(what: string, timeout_ms: number, body: () => T | undefined): Promise<T> {
  const deadline = Date.now() + timeout_ms;
  let last: unknown;
  while (Date.now() < deadline) {
    try {
      const found = body();
      if (found !== undefined) return found;
    } catch (thrown) {
      last = thrown;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${what} did not happen within ${timeout_ms} ms${last === undefined ? "" : `: ${String(last)}`}`);
}

/** True when mounts of ours do not reach the machine: tests that mount refuse to run elsewhere. */
export function inPrivateNamespace(): boolean {
  return process.getuid?.() === 0 && readlinkSync("/proc/self/ns/mnt") !== readlinkSync("/proc/1/ns/mnt");
}

function mountsBelow(directory: string): boolean {
  return readFileSync("/proc/self/mountinfo", "utf8").includes(` ${directory}/`);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), 20_000);
  await gone;
  clearTimeout(timer);
}

function writeFiles(directory: string, files: FileTree): void {
  for (const [name, spec] of Object.entries(files)) {
    const path = join(directory, name);
    if (spec === undefined) {
      rmSync(path);
      continue;
    }
    mkdirSync(dirname(path), { recursive: true });
    if (typeof spec === "object" && "link" in spec) {
      rmSync(path, { force: true });
      symlinkSync(spec.link, path);
      continue;
    }
    writeFileSync(path, typeof spec === "string" ? spec : spec.text);
    chmodSync(path, typeof spec === "object" && spec.executable === true ? 0o755 : 0o644);
  }
}
