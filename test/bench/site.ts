import { type ChildProcess, execFileSync, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { lstatSync, mkdirSync, readFileSync, readlinkSync, statSync, watch, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Compression } from "../../src/core/resource.ts";
import { type Measured, timed } from "./figure.ts";
import { openSession, packCold } from "./session.ts";

const program = new URL("../../src/rootloom", import.meta.url).pathname;
/** What the launcher tells Node where images are packed. */
export const NODE_WORDS = readFileSync(program, "utf8").match(/--disable-warning=\w+|--no-\w+-marking/g) ?? [];
/** The program of a site's own process. */
export const CHILD = new URL("./child.ts", import.meta.url).pathname;
/** The file of 10 MB that is changed inside the root. */
const CHANGED_FILE = "usr/lib/bench.bin";
const CHANGED_BYTES = 10_000_000;

/** One root, one overlay and one image, converged, with everything that is measured on them. */
export interface Site {
  readonly root: string;
  readonly overlay: string;
  readonly directory: string;
  packCold(compression: Compression): Promise<Measured>;
  /** Runs the body beside a daemon; `change` commits a change of one overlay file and waits for the image that has it. */
  withDaemon<T>(body: (change: (run: number) => Promise<Measured>) => Promise<T>): Promise<T>;
  /** Runs the body beside a process in which pass after pass is run, as in a daemon that is asked for them. */
  withPasses<T>(body: (passes: Passes) => Promise<T>): Promise<T>;
  /** A command as a process of its own. */
  command(...words: readonly string[]): Promise<Measured>;
}

export interface Passes {
  /** A pass that has nothing to do. */
  nothing(): Promise<Measured>;
  /** Writes another 10 MB into the root, then runs the pass that packs it: until the image that has them is current. */
  changeRoot(run: number): Promise<Measured>;
}

export interface SiteOptions {
  readonly directory: string;
  /** What the root is filled from. */
  readonly tarball: string;
  readonly content: "managed" | "live";
  /** Of the root's volume. */
  readonly backend: "directory" | "btrfs";
}

export async function createSite(options: SiteOptions): Promise<Site> {
  const { directory } = options;
  const [state, cache] = [join(directory, "state"), join(directory, "cache")];
  mkdirSync(cache, { recursive: true });
  writeDesired(options);
  const flags = { desired: join(directory, "desired"), state, cache, mountNamespace: "/proc/self/ns/mnt" };
  const { desired, mountNamespace } = flags;
  const words = ["--desired", desired, "--state", state, "--cache", cache, "--mount-namespace", mountNamespace];
  const command = (...more: readonly string[]) =>
    timed(() => execFileSync(program, [...words, ...more], { stdio: ["ignore", "ignore", "inherit"] }));
  const session = openSession(directory);
  const root = join(state, "volumes/bench/root");
  const artifact = join(state, "artifacts/bench");
  await command("apply");
  execFileSync("sync"); // what filled it is not written while something is measured
  return {
    root,
    directory,
    overlay: join(directory, "desired/overlays/common"),
    packCold: (compression) => packCold(session, directory, compression),
    withDaemon: async (body) => {
      const daemon = spawn(program, [...words, "--log-level", "silent", "daemon"], { stdio: "ignore" });
      const ended = once(daemon, "exit");
      try {
        return await body((run) => changeOneFile(directory, artifact, run));
      } finally {
        daemon.kill("SIGTERM");
        await ended;
        await command("apply"); // it may have been stopped between the link and its record
      }
    },
    withPasses: async (body) => {
      const child = startChild(directory);
      const ended = once(child, "exit");
      try {
        const pass = (what: "any" | "nothing") => answerOf(child, what);
        return await body({
          nothing: () => pass("nothing"),
          changeRoot: (run) => changeRoot(() => pass("any"), root, artifact, run),
        });
      } finally {
        if (child.connected) child.disconnect();
        await ended;
      }
    },
    command,
  };
}

/** What the launcher does for every command is done for it, too. */
export function childEnvironment(directory: string): NodeJS.ProcessEnv {
  return { ...process.env, NODE_COMPILE_CACHE: join(directory, "cache/node") };
}

function startChild(directory: string): ChildProcess {
  return fork(CHILD, ["passes", directory], { execArgv: NODE_WORDS, env: childEnvironment(directory) });
}

async function answerOf(child: ChildProcess, pass: "any" | "nothing"): Promise<Measured> {
  const listening = new AbortController();
  const { signal } = listening;
  const ended = once(child, "exit", { signal }).then(() => {
    throw new Error("the process that runs the passes has ended");
  });
  child.send(pass);
  try {
    const [measured] = await Promise.race([once(child, "message", { signal }), ended]);
    return measured as Measured;
  } finally {
    listening.abort();
    ended.catch(() => undefined);
  }
}

async function changeRoot(
  pass: () => Promise<unknown>,
  root: string,
  artifact: string,
  run: number,
): Promise<Measured> {
  writeFileSync(join(root, CHANGED_FILE), programBytes(root, run));
  const current = join(artifact, "current");
  const before = readlinkSync(current);
  const start_ms = Date.now();
  await pass();
  if (readlinkSync(current) === before) throw new Error("nothing was packed");
  const { size } = statSync(join(current, "initramfs.cpio.gz"));
  return { seconds: (lstatSync(current).ctimeMs - start_ms) / 1000, bytes: size }; // it is renamed into its place
}

/** Content that compresses as programs do, another in each run. */
function programBytes(root: string, run: number): Buffer {
  const bytes = Buffer.alloc(CHANGED_BYTES);
  const like = readFileSync(join(root, "usr/bin/bash"));
  for (let at = 0; at < bytes.length; at += like.length) {
    for (let index = at; index < at + like.length; index += 4099) like[index % like.length] = (run + index) & 255;
    like.copy(bytes, at);
  }
  bytes.write(`run ${run} ${Date.now()}`);
  return bytes;
}

/** The image that has the change: `current` leads to it. */
async function changeOneFile(site: string, artifact: string, run: number): Promise<Measured> {
  const before = readlinkSync(join(artifact, "current"));
  const watching = new AbortController();
  const swapped = new Promise<void>((resolve) => {
    const look = () => readlinkSync(join(artifact, "current")) !== before && resolve();
    watch(artifact, { signal: watching.signal }, look);
  });
  writeFileSync(join(site, "desired/overlays/common/etc/bench.conf"), `run = ${run} ${Date.now()}\n`);
  git(site, "add", "desired");
  git(site, "commit", "-q", "-m", "a change");
  await swapped;
  // The commit is there when its ref is: git itself ends somewhat later, the daemon has begun by then.
  const seconds = (Date.now() - statSync(join(site, ".git/refs/heads/main")).mtimeMs) / 1000;
  watching.abort();
  return { seconds, bytes: statSync(join(artifact, "current/initramfs.cpio.gz")).size };
}

function writeDesired({ directory: site, tarball, content, backend }: SiteOptions): void {
  const write = (path: string, text: string, mode = 0o644) => {
    const full = join(site, "desired", path);
    mkdirSync(dirname(full), { recursive: true });
    writeFileSync(full, text, { mode });
  };
  const document = (kind: string, name: string, spec: object) =>
    JSON.stringify({ apiVersion: "rootloom/v1", kind, metadata: { name }, spec });
  // By another process: what this one holds in memory, the kernel copies the tables of whenever a command is started.
  const sha256 = execFileSync("sha256sum", [tarball], { encoding: "utf8" }).slice(0, 64);
  const source = { tarball: { path: tarball, sha256 } };
  write("host.yaml", document("Host", "host", {}));
  write("volumes/bench.yaml", document("Volume", "bench", { backend }));
  write("roots/bench.yaml", document("Root", "bench", { volume: "bench", source, content }));
  write("images/bench.yaml", document("Image", "bench", { root: "bench" }));
  write("overlays/common/init", "#!/bin/sh\nexec /bin/sh\n", 0o755);
  write("overlays/common/etc/bench.conf", "run = none\n");
  execFileSync("git", ["init", "-q", "-b", "main", site]);
  git(site, "add", "desired");
  git(site, "commit", "-q", "-m", "the first");
}

function git(site: string, ...words: readonly string[]): void {
  const who = ["-c", "user.name=Bench", "-c", "user.email=bench@example.invalid", "-c", "gc.auto=0"];
  execFileSync("git", [...who, "-C", site, ...words]);
}
