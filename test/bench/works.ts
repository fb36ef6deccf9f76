import type { Bench, SiteName } from "./common.ts";
import { type Measured, megabytes, type Row, row, sideBySide } from "./figure.ts";
import { measureChild } from "./growth.ts";
import type { Site } from "./site.ts";

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
  const site = await bench.site("ext4");
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
  const site = await bench.site("ext4");
  const pipeline = await bench.pipeline();
  pipeline.stage();
  const [ours = NOTHING, theirs = NOTHING] = await sideBySide(bench.runs, [
    () => site.packCold(zstd),
    () => pipeline.archive("zstd -3 -T2 -q"),
  ]);
  const note = `${megabytes(ours.bytes)}, theirs ${megabytes(theirs.bytes)}`;
  return [row("cold pack, zstd -3, read back", ours, "staged already: cpio, zstd -3 -T2", theirs, ">= 0.87", note)];
}

async function overlayFile(bench: Bench, type: Exclude<SiteName, "live">): Promise<Row> {
  const site = await bench.site(type);
  const [ours = NOTHING] = await site.withDaemon(async (change) => {
    await change(-1);
    return sideBySide(bench.shortRuns, [change]);
  });
  const whole = await bench.wholePipeline();
  return row(
    `one overlay file, commit to current, ${type}`,
    ours,
    PIPELINE,
    whole,
    type === "ext4" ? ">= 100" : ">= 200",
    besideFloor(bench, ours, site),
  );
}

async function changedInRoot(bench: Bench): Promise<readonly Row[]> {
  const site = await bench.site("live");
  const [ours = NOTHING] = await site.withPasses(async ({ changeRoot }) => {
    for (const warmUp of [-2, -1]) await changeRoot(warmUp);
    return sideBySide(bench.shortRuns, [changeRoot]);
  });
  const whole = await bench.wholePipeline();
  const note = besideFloor(bench, ours, site);
  return [row("10 MB changed in the root, look to current", ours, PIPELINE, whole, ">= 60", note)];
}

/** The size of an image, and how long as many bytes take to be written and synced where it lies. */
function besideFloor(bench: Bench, { bytes }: Measured, { directory }: Site): string {
  return `${megabytes(bytes)}; floor ${bench.floor(bytes, directory).seconds.toFixed(3)} s`;
}

async function nothingChanged(bench: Bench): Promise<readonly Row[]> {
  const pipeline = await bench.pipeline();
  const rows: Row[] = [];
  for (const [type, what] of [
    ["ext4", "a pass in the daemon"],
    ["btrfs", "on btrfs, which says so"],
  ] as const) {
    const site = await bench.site(type);
    const [ours = NOTHING, theirs = NOTHING] = await site.withPasses(async ({ nothing }) => {
      for (let pass = 0; pass < 3; pass++) await nothing(); // on btrfs, the third knows what the second saw
      return sideBySide(bench.shortRuns, [nothing, () => pipeline.compare()]);
    });
    rows.push(row(`nothing changed, ${what}`, ours, "rsync -naHX", theirs, ">= 1.67"));
  }
  return rows;
}

async function driftFromCold(bench: Bench): Promise<readonly Row[]> {
  const site = await bench.site("ext4");
  const pipeline = await bench.pipeline();
  await site.command("drift");
  const [ours = NOTHING, theirs = NOTHING] = await sideBySide(bench.shortRuns, [
    () => site.command("drift"),
    () => pipeline.compare(),
  ]);
  return [row("rootloom drift, a process of its own", ours, "rsync -naHX", theirs, "<= 0.4 s")];
}

async function peakMemory(bench: Bench): Promise<readonly Row[]> {
  const site = await bench.site("ext4");
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
