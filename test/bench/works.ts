import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Measured, megabytes, type Row, row, sideBySide } from "./figure.ts";
import { measureChild, measureGrowth } from "./growth.ts";
import { measureFloor, Pipeline } from "./pipeline.ts";
import { createSite, type Site } from "./site.ts";

/** What all works share. Sites and the pipeline's own time are made when a work first asks for them. */
export class Bench {
  readonly #work: string;
  readonly #cache: string;
  readonly #tarball: string;
  readonly runs: number;
  readonly #sites = new Map<string, Promise<Site>>();
  #pipeline: Pipeline | undefined;
  #whole: Measured | undefined;

  /** `work`: an empty directory on a disk, in a mount namespace of our own. */
  constructor(work: string, cache: string, tarball: string, runs: number) {
    this.#work = work;
    this.#cache = cache;
    this.#tarball = tarball;
    this.runs = runs;
  }

  site(name: string, content: "managed" | "live", directory = this.#work): Promise<Site> {
    const known = this.#sites.get(name);
    if (known) return known;
    const made = createSite({ directory: join(directory, name), tarball: this.#tarball, content });
    this.#sites.set(name, made);
    return made;
  }

  /** A filesystem of its own in a file. It ends with our mount namespace. */
  filesystem(type: "xfs" | "btrfs"): string {
    const [file, directory] = [join(this.#work, `${type}.disk`), join(this.#work, type)];
    execFileSync("truncate", ["--size=6G", file]);
    execFileSync(`mkfs.${type}`, ["-q", file]);
    mkdirSync(directory);
    execFileSync("mount", ["-o", "loop", file, directory]);
    return directory;
  }

  async pipeline(): Promise<Pipeline> {
    const { root, overlay } = await this.site("site", "managed");
    if (this.#pipeline) return this.#pipeline;
    const staging = join(this.#work, "staging");
    mkdirSync(staging);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=4G", "staging", staging]);
    this.#pipeline = new Pipeline(this.#work, staging, root, overlay);
    this.#pipeline.copyRoot();
    return this.#pipeline;
  }

  /** The whole pipeline with pigz -9, as the work that needs it most measured it, else run here. */
  async wholePipeline(): Promise<Measured> {
    if (this.#whole) return this.#whole;
    const pipeline = await this.pipeline();
    const [whole] = await sideBySide(Math.min(this.runs, 3), [() => pipeline.run("pigz -9")]);
    this.#whole = whole ?? { seconds: Number.NaN };
    return this.#whole;
  }

  noteWhole(measured: Measured): void {
    this.#whole = measured;
  }

  floor(bytes: number | undefined, directory = this.#work): Measured {
    return measureFloor(directory, bytes ?? 0);
  }

  growth(files: number): ReturnType<typeof measureGrowth> {
    return measureGrowth(this.#cache, this.#work, files, this.runs);
  }
}

const NOTHING: Measured = { seconds: Number.NaN };
const PIPELINE = "pipeline, pigz -9";
const gzip = { codec: "gzip", level: 5 } as const;
const zstd = { codec: "zstd", level: 3 } as const;

/** Every work of the table by the word that `--only` knows. */
export const works: Readonly<Record<string, (bench: Bench) => Promise<readonly Row[]>>> = {
  gzip: coldGzip,
  zstd: coldZstd,
  overlay: async (bench) => [await overlayFile(bench, "ext4")],
  reflink: async (bench) => [await overlayFile(bench, "xfs"), await overlayFile(bench, "btrfs")],
  changed: changedInRoot,
  nothing: nothingChanged,
  drift: driftFromCold,
  memory: peakMemory,
  growth,
};

async function coldGzip(bench: Bench): Promise<readonly Row[]> {
  const site = await bench.site("site", "managed");
  const pipeline = await bench.pipeline();
  const [ours = NOTHING, slow = NOTHING, fast = NOTHING] = await sideBySide(bench.runs, [
    () => site.packCold(gzip),
    () => pipeline.run("pigz -9"),
    () => pipeline.run("pigz -6"),
  ]);
  bench.noteWhole(slow);
  const size = (ours.bytes ?? 0) / (slow.bytes ?? 1);
  const note = `${megabytes(ours.bytes)}, ${size.toFixed(3)} x its size; floor ${bench.floor(ours.bytes).seconds.toFixed(2)} s`;
  return [
    row("cold pack, gzip, read back", ours, PIPELINE, slow, ">= 4, size <= 1.035", note),
    row("cold pack, gzip, read back", ours, "pipeline, pigz -6", fast, ">= 1.6", megabytes(fast.bytes)),
  ];
}

async function coldZstd(bench: Bench): Promise<readonly Row[]> {
  const site = await bench.site("site", "managed");
  const pipeline = await bench.pipeline();
  pipeline.stage();
  const [ours = NOTHING, theirs = NOTHING] = await sideBySide(bench.runs, [
    () => site.packCold(zstd),
    () => pipeline.archive("zstd -3 -T2 -q"),
  ]);
  const note = `${megabytes(ours.bytes)}, theirs ${megabytes(theirs.bytes)}`;
  return [row("cold pack, zstd -3, read back", ours, "staged already: cpio, zstd -3 -T2", theirs, ">= 0.87", note)];
}

async function overlayFile(bench: Bench, type: "ext4" | "xfs" | "btrfs"): Promise<Row> {
  const directory = type === "ext4" ? undefined : bench.filesystem(type);
  const site = await (directory ? bench.site(type, "managed", directory) : bench.site("site", "managed"));
  const [ours = NOTHING] = await site.withDaemon(async (change) => {
    await change(-1);
    return sideBySide(bench.runs, [change]);
  });
  const whole = await bench.wholePipeline();
  const floor = bench.floor(ours.bytes, directory);
  const note = `${megabytes(ours.bytes)}; floor ${floor.seconds.toFixed(3)} s`;
  return row(
    `one overlay file, commit to current, ${type}`,
    ours,
    PIPELINE,
    whole,
    type === "ext4" ? ">= 100" : ">= 200",
    note,
  );
}

async function changedInRoot(bench: Bench): Promise<readonly Row[]> {
  const site = await bench.site("live", "live");
  await site.changeRoot(-2).catch(() => undefined);
  await site.changeRoot(-1);
  const [ours = NOTHING] = await sideBySide(bench.runs, [(run) => site.changeRoot(run)]);
  return [row("10 MB changed in the root, warm pass", ours, PIPELINE, await bench.wholePipeline(), ">= 60")];
}

async function nothingChanged(bench: Bench): Promise<readonly Row[]> {
  const site = await bench.site("site", "managed");
  const pipeline = await bench.pipeline();
  await site.passNothing();
  const [ours = NOTHING, theirs = NOTHING] = await sideBySide(Math.max(bench.runs, 9), [
    () => site.passNothing(),
    () => pipeline.compare(),
  ]);
  return [row("nothing changed, a pass in the daemon", ours, "rsync -naHX", theirs, ">= 1.67")];
}

async function driftFromCold(bench: Bench): Promise<readonly Row[]> {
  const site = await bench.site("site", "managed");
  const pipeline = await bench.pipeline();
  await site.command("drift");
  const [ours = NOTHING, theirs = NOTHING] = await sideBySide(Math.max(bench.runs, 9), [
    () => site.command("drift"),
    () => pipeline.compare(),
  ]);
  return [row("rootloom drift, a process of its own", ours, "rsync -naHX", theirs, "<= 0.4 s")];
}

async function peakMemory(bench: Bench): Promise<readonly Row[]> {
  const site = await bench.site("site", "managed");
  const [cold, nothing] = [measureChild(site, "cold"), measureChild(site, "nothing")];
  const theirs = (await bench.pipeline()).compare();
  return [
    row("peak memory of a cold pack", cold, "-", NOTHING, "<= 250 MB", megabytes(cold.peak_bytes)),
    row(
      "peak memory of a pass, nothing changed",
      nothing,
      "rsync -naHX",
      theirs,
      "<= 180 MB",
      megabytes(nothing.peak_bytes),
    ),
  ];
}

async function growth(bench: Bench): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const files of [10_000, 100_000, 500_000]) {
    const { cold, nothing, rsync } = await bench.growth(files);
    const slope = (seconds: number) => `${((seconds / files) * 1e6).toFixed(1)} us a file`;
    rows.push(
      row(
        `cold pack, ${files} small files`,
        cold,
        "-",
        NOTHING,
        "linear; <= 250 MB",
        `${slope(cold.seconds)}, ${megabytes(cold.peak_bytes)}`,
      ),
      row(
        `nothing changed, ${files} files`,
        nothing,
        "rsync -naHX",
        rsync,
        ">= 1; <= 180 MB",
        `${slope(nothing.seconds)}, ${megabytes(nothing.peak_bytes)}`,
      ),
    );
  }
  return rows;
}
