import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readlinkSync, rmSync, statSync, watch, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { readConfiguration } from "../../src/configuration.ts";
import type { PackInput } from "../../src/host/jobs.ts";
import { createHost } from "../../src/host/real/host.ts";
import { loadDesired } from "../../src/pass/desired.ts";
import { runPass } from "../../src/pass/pass.ts";
import type { PassRequest, Session } from "../../src/pass/types.ts";
import { packInput } from "../../src/resources/artifact/inputs.ts";
import { sha256Of } from "../kit.ts";
import type { Measured } from "./figure.ts";
import { EXCLUDES } from "./pipeline.ts";

const program = new URL("../../src/rootloom", import.meta.url).pathname;

/** One root from a tarball, one overlay and one image, converged, with everything that is measured on them. */
export interface Bench {
  readonly root: string;
  readonly overlay: string;
  packCold(): Promise<Measured>;
  /** Runs the body beside a daemon; `change` commits a change of one overlay file and waits for the image that has it. */
  withDaemon<T>(body: (change: (run: number) => Promise<Measured>) => Promise<T>): Promise<T>;
  applyNothing(): Measured;
  passNothing(): Promise<Measured>;
}

export async function createBench(work: string, tarball: string): Promise<Bench> {
  const site = join(work, "site");
  const [state, cache, overlay] = [join(site, "state"), join(site, "cache"), join(site, "desired/overlays/common")];
  mkdirSync(cache, { recursive: true });
  writeDesired(site, tarball);
  const flags = { desired: join(site, "desired"), state, cache, mountNamespace: "/proc/self/ns/mnt" };
  const words = [
    "--desired",
    flags.desired,
    "--state",
    state,
    "--cache",
    cache,
    "--mount-namespace",
    flags.mountNamespace,
  ];
  const apply = () => execFileSync(program, [...words, "apply"], { stdio: ["ignore", "ignore", "inherit"] });
  apply();
  const host = createHost({ mountNamespace: flags.mountNamespace });
  const configuration = readConfiguration({ files: host.files, flags, environment: {}, directory: site });
  const session: Session = { host, configuration };
  const artifact = join(state, "artifacts/bench");
  return {
    root: join(state, "volumes/bench/root"),
    overlay,
    packCold: () => packCold(session, work),
    withDaemon: async (body) => {
      const daemon = spawn(program, [...words, "--log-level", "silent", "daemon"], { stdio: "ignore" });
      const ended = once(daemon, "exit");
      try {
        return await body((run) => changeOneFile(site, artifact, run));
      } finally {
        daemon.kill("SIGTERM");
        await ended;
      }
    },
    applyNothing: () => {
      apply();
      return {};
    },
    passNothing: async () => {
      const result = await runPass(session, PASS);
      if (result.plan.steps.some((step) => step.operation !== "keep")) throw new Error("there was something to do");
      return {};
    },
  };
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

/** The packer alone, with a cache that knows neither hashes nor segments. */
async function packCold(session: Session, work: string): Promise<Measured> {
  const { graph } = await loadDesired(session);
  const resource = graph.resources.find((each) => each.kind === "artifact");
  if (resource?.kind !== "artifact") throw new Error("no artifact is declared");
  const [cache, image, manifest] = ["cold", "cold.image", "cold.manifest"].map((name) => join(work, name));
  if (cache === undefined || image === undefined || manifest === undefined) throw new Error("no paths");
  rmSync(cache, { recursive: true, force: true });
  mkdirSync(cache);
  const input: PackInput = packInput(session.host.files, resource, cache);
  const start = performance.now();
  const { size_bytes } = await session.host.jobs.run("pack", { ...input, image, manifest });
  return { seconds: (performance.now() - start) / 1000, bytes: size_bytes };
}

async function changeOneFile(site: string, artifact: string, run: number): Promise<Measured> {
  const before = readlinkSync(join(artifact, "current"));
  const watching = new AbortController();
  const swapped = new Promise<void>((resolve) => {
    const look = () => readlinkSync(join(artifact, "current")) !== before && resolve();
    watch(artifact, { signal: watching.signal }, look);
  });
  writeFileSync(join(site, "desired/overlays/common/etc/bench.conf"), `run = ${run} ${Date.now()}\n`);
  const start = performance.now();
  commit(site);
  await swapped;
  const seconds = (performance.now() - start) / 1000;
  watching.abort();
  return { seconds, bytes: statSync(join(artifact, "current/initramfs.cpio.gz")).size };
}

function writeDesired(site: string, tarball: string): void {
  const write = (path: string, text: string, mode = 0o644) => {
    const full = join(site, "desired", path);
    mkdirSync(dirname(full), { recursive: true });
    writeFileSync(full, text, { mode });
  };
  const document = (kind: string, name: string, spec: object) =>
    JSON.stringify({ apiVersion: "rootloom/v1", kind, metadata: { name }, spec });
  const source = { tarball: { path: tarball, sha256: sha256Of(tarball) } };
  write("host.yaml", document("Host", "host", {}));
  write("volumes/bench.yaml", document("Volume", "bench", { backend: "directory" }));
  write("roots/bench.yaml", document("Root", "bench", { volume: "bench", source }));
  write("images/bench.yaml", document("Image", "bench", { root: "bench", exclude: EXCLUDES }));
  write("overlays/common/init", "#!/bin/sh\nexec /bin/sh\n", 0o755);
  write("overlays/common/etc/bench.conf", "run = none\n");
  execFileSync("git", ["init", "-q", "-b", "main", site]);
  commit(site);
}

function commit(site: string): void {
  const git = ["-c", "user.name=Bench", "-c", "user.email=bench@example.invalid", "-C", site];
  execFileSync("git", [...git, "add", "desired"]);
  execFileSync("git", [...git, "commit", "-q", "-m", "a change"]);
}
