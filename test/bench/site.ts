import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { lstatSync, mkdirSync, readFileSync, readlinkSync, rmSync, statSync, watch, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { readConfiguration } from "../../src/configuration.ts";
import type { Compression } from "../../src/core/resource.ts";
import { createHost } from "../../src/host/real/host.ts";
import { loadDesired } from "../../src/pass/desired.ts";
import { runPass } from "../../src/pass/pass.ts";
import type { PassRequest, Session } from "../../src/pass/types.ts";
import { packInput } from "../../src/resources/artifact/inputs.ts";
import { type Measured, timed } from "./figure.ts";

const program = new URL("../../src/rootloom", import.meta.url).pathname;
/** What the launcher tells Node where images are packed. */
export const NODE_WORDS = readFileSync(program, "utf8").match(/--disable-warning=\w+|--no-\w+-marking/g) ?? [];
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
  /** Writes another 10 MB into the root, then runs the pass that packs it: until the image that has them is current. */
  changeRoot(run: number): Promise<Measured>;
  /** A pass in a process that ran others before. */
  passNothing(): Promise<Measured>;
  /** A command as a process of its own. */
  command(...words: readonly string[]): Promise<Measured>;
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
    changeRoot: (run) => changeRoot(session, root, artifact, run),
    passNothing: () => timed(() => passNothing(session)),
    command,
  };
}

/** The session of a site that stands, as a process has it that works on it. */
export function openSession(directory: string): Session {
  const [state, cache] = [join(directory, "state"), join(directory, "cache")];
  const flags = { desired: join(directory, "desired"), state, cache, mountNamespace: "/proc/self/ns/mnt" };
  const host = createHost({ mountNamespace: flags.mountNamespace });
  return { host, configuration: readConfiguration({ files: host.files, flags, environment: {}, directory }) };
}

/** The packer alone, with a cache that knows neither hashes nor segments. */
export async function packCold(session: Session, work: string, compression: Compression): Promise<Measured> {
  const { graph } = await loadDesired(session);
  const resource = graph.resources.find((each) => each.kind === "artifact");
  if (resource?.kind !== "artifact") throw new Error("no artifact is declared");
  const [cache, image, manifest] = [join(work, "cold"), join(work, "cold.image"), join(work, "cold.manifest")];
  rmSync(cache, { recursive: true, force: true });
  mkdirSync(cache);
  const input = packInput(session.host.files, { ...resource, compression }, cache);
  const start = performance.now();
  const { size_bytes } = await session.host.jobs.run("pack", { ...input, image, manifest });
  return { seconds: (performance.now() - start) / 1000, bytes: size_bytes };
}

export async function passNothing(session: Session): Promise<void> {
  const result = await runPass(session, PASS);
  const busy = result.plan.steps.filter((step) => step.operation !== "keep");
  if (busy.length > 0 || result.documentProblems.length > 0)
    throw new Error(
      `there was something to do: ${JSON.stringify(busy.map(({ id, reason, blocked }) => [id, reason, blocked]))}`,
    );
}

const PASS: PassRequest = {
  trigger: "command",
  mode: "apply",
  approveAll: false,
  planDigest: undefined,
  retryStalled: false,
  signal: new AbortController().signal,
  superseded: () => false,
  onEvent: () => undefined,
};

async function changeRoot(session: Session, root: string, artifact: string, run: number): Promise<Measured> {
  writeFileSync(join(root, CHANGED_FILE), programBytes(root, run));
  const current = join(artifact, "current");
  const before = readlinkSync(current);
  const start_ms = Date.now();
  await runPass(session, PASS);
  if (readlinkSync(current) === before) throw new Error("nothing was packed");
  return { seconds: (lstatSync(current).ctimeMs - start_ms) / 1000 }; // it is renamed into its place
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
