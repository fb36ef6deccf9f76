import { createHash } from "node:crypto";
import { zstdCompressSync } from "node:zlib";
import type { Step } from "../../src/core/step.ts";
import type { Change } from "../../src/host/fake/git-objects.ts";
import { createFakeHost, type FakeHost } from "../../src/host/fake/host.ts";
import type { CommandEmulation } from "../../src/host/fake/processes.ts";
import { createRandom, type Random } from "../../src/host/fake/random.ts";
import { makeTarball, type TarMember } from "../../src/host/fake/tarball.ts";
import type { JobTable } from "../../src/host/jobs.ts";
import type { Host } from "../../src/host/ports.ts";
import { jobTable } from "../../src/pack/jobs.ts";
import type { Session } from "../../src/pass/types.ts";
import { type Aim, aimOf } from "./aim.ts";
import type { DeliberateFault } from "./deliberate.ts";
import { randomSite, TARBALLS } from "./generate.ts";
import { CACHE, EXISTING, OTHERS, renderSite, SHARED, type Site, STATE, type Tarballs, volumePath } from "./site.ts";
import { smallTree } from "./tree.ts";
import { createWatch, type Watch } from "./watch.ts";
import { createWeather, type Weather } from "./weather.ts";

/** One simulated machine with its people, and what is known of how it should be. */
export interface World {
  readonly random: Random;
  readonly tarballs: Tarballs;
  /** A process of ours that only looks: it meets no weather and never dies. */
  readonly observer: FakeHost;
  readonly watch: Watch;
  readonly fault: DeliberateFault | undefined;
  readonly aim: Aim;
  /** Every deed and event, in words. */
  readonly trace: string[];
  /** What it counts for the summary: faults by kind, crash points. */
  readonly counts: Map<string, number>;
  /** The process that works now. */
  host: FakeHost;
  /** The last site that was committed and is valid; `committed` says whether HEAD holds it. */
  site: Site;
  committed: "site" | "empty" | "broken";
  readonly history: Site[];
  /** Resources that a person said may be destroyed, replaced or adopted. */
  readonly approved: Set<string>;
  /** Those of them that may be gone afterwards; what is replaced must be kept. */
  readonly mayGo: Set<string>;
  /** What others put in the way, with how they take it away again. */
  readonly obstacles: { readonly what: string; readonly remove: () => void | Promise<void> }[];
  /** Paths that others changed or removed: what stands there is not the program's doing alone. */
  readonly touched: Set<string>;
  /** Targets of mounts that others made. */
  readonly foreignMounts: Set<string>;
}

const BOOTSTRAP: CommandEmulation = {
  name: "mmdebstrap",
  run: ({ arguments: values, kernel, command, point }) => {
    const [suite = "", target = ""] = values.filter((word) => !word.startsWith("--"));
    const include = values.find((word) => word.startsWith("--include="))?.slice("--include=".length) ?? "";
    const modified_s = Number(command.environment?.SOURCE_DATE_EPOCH ?? 0);
    const inode = kernel.open(target, 0o644, true);
    point("begun", target);
    const bytes = makeTarball(smallTree(`${suite} ${include}`).map((member: TarMember) => ({ ...member, modified_s })));
    inode.fileSystem.setContent(inode, { kind: "bytes", bytes });
    return {};
  },
};

/** A machine whose first commit is a random site, with other people's things on it. */
export function createWorld(seed: number, fault: DeliberateFault | undefined): World {
  const random = createRandom(seed);
  const first = createFakeHost({
    seed,
    journal: random.chance(0.5) ? "subset" : "ordered",
    reflink: random.chance(0.3),
    commands: [BOOTSTRAP],
    loadJobs: async () => jobTable,
  });
  const { outside } = first;
  outside.files.makeDirectories(STATE, 0o700);
  outside.files.makeDirectories(CACHE, 0o700);
  const tarballs = Array.from({ length: TARBALLS }, (_, number) => {
    const bytes = makeTarball(smallTree(`tarball ${number}`));
    const path = `${OTHERS}/base-${number}.tar${number === 1 ? ".zst" : ""}`;
    const content = number === 1 ? zstdCompressSync(bytes) : bytes;
    outside.writeFile(path, content);
    return { path, sha256: createHash("sha256").update(content).digest("hex") };
  });
  for (const { path, content } of smallTree("old").map(oldFile)) if (content !== "") outside.writeFile(path, content);
  outside.writeFile(`${SHARED}/theirs`, "of others\n");
  outside.writeFile(`${SHARED}/in/deep`, "of others, too\n");
  outside.files.syncFilesystem("/srv");
  const observer = first.beside({ faults: {} });
  const world: World = {
    random,
    tarballs,
    observer,
    watch: createWatch(observer),
    fault,
    aim: aimOf(seed),
    trace: [],
    counts: new Map(),
    host: first,
    site: randomSite(random),
    committed: "site",
    history: [],
    approved: new Set(),
    mayGo: new Set(),
    obstacles: [],
    touched: new Set(),
    foreignMounts: new Set(),
  };
  restart(world, createWeather(random, "calm"));
  world.watch.addCanary(`${SHARED}/theirs`);
  world.watch.addCanary(`${SHARED}/in/deep`);
  commitSite(world, world.site, "the first");
  return world;
}

function oldFile({ path, type, content }: TarMember): { readonly path: string; readonly content: string } {
  return { path: `${EXISTING}/${path}`, content: type === "file" ? Buffer.from(content ?? []).toString() : "" };
}

/** A new process of ours, under a weather. The old one is killed, should it live. */
export function restart(world: World, weather: Weather): FakeHost {
  const jobs = world.fault?.jobs;
  const loadJobs = async (): Promise<JobTable> => (jobs === undefined ? jobTable : jobs(jobTable));
  const options = {
    durations_ms: weather.durations_ms,
    outlives: weather.outlives,
    onCommand: weather.onCommand,
    loadJobs,
  };
  world.host.crash("kill");
  world.host = world.observer.beside({
    ...options,
    faults: world.watch.around(weather, () => world.host.processes.pid),
  });
  weather.attach(world);
  world.watch.started(world.host.processes.pid);
  return world.host;
}

/** The session as the program has it: through the ports that a deliberate fault has bent. */
export function sessionOf(world: World, host: FakeHost): Session {
  const bent: Host = world.fault?.host?.(host) ?? host;
  const limits = { paths: [OTHERS], pools: [], volumeGroups: [], devices: [], publishHosts: [] };
  return {
    host: bent,
    configuration: {
      state: STATE,
      cache: CACHE,
      source: {
        desired: "/srv/config/desired",
        repository: undefined,
        ref: "HEAD",
        path: undefined,
        remote: undefined,
        worktree: false,
        cache: CACHE,
      },
      limits: {
        ...limits,
        maxDeletions: undefined,
        hostCommands: false,
        emulation: false,
        file: "/etc/rootloom/limits.yaml",
      },
      logLevel: "error",
      mountNamespace: "/proc/1/ns/mnt",
    },
  };
}

export function note(world: World, text: string): void {
  world.trace.push(`${String(world.host.calls.length).padStart(6)}  ${text}`);
}

export function count(world: World, name: string): void {
  world.counts.set(name, (world.counts.get(name) ?? 0) + 1);
}

/** Commits a site whole: what it does not name is removed. */
export function commitSite(world: World, site: Site, why: string): void {
  const files = renderSite(site, world.tarballs);
  if (!commitFiles(world, new Map(files), why)) return;
  world.site = site;
  world.history.push(site);
  world.committed = "site";
}

/** Commits these files as the whole of `desired/`; false where nothing would change. */
export function commitFiles(world: World, files: ReadonlyMap<string, string>, why: string): boolean {
  const { repository } = world.host;
  const changes: Record<string, Change> = {};
  const present = repository.objects.flatten(repository.resolve("HEAD"));
  for (const path of present.keys()) if (!files.has(path)) changes[path] = null;
  for (const [path, content] of files) {
    const executable = path.endsWith("/init") || path.endsWith("/tool");
    changes[path] = executable ? { content, executable } : content;
  }
  repository.commit(changes, { message: why });
  note(world, `commit: ${why}`);
  return true;
}

/** A person said yes to a step. */
export function allow(world: World, step: Pick<Step, "id"> & Partial<Pick<Step, "replaces" | "destroys">>): void {
  world.approved.add(step.id);
  if (step.replaces !== true) world.mayGo.add(step.id);
  if (step.destroys === undefined || !step.id.startsWith("volume/")) return;
  // What somebody had in a volume before it was adopted goes with it, as the person was told.
  const path = volumePath(step.id.slice("volume/".length));
  if (world.observer.outside.files.stat(`${path}/.rootloom/volume.json`) !== undefined) world.watch.dropCanary(path);
}
