/**
 * Measures the packer beside the pipeline it replaces, on one tree, in one run:
 *
 *     node test/bench/bench.ts [--root DIR] [--files N] [--runs N] [--json FILE]
 *
 * Every figure is the median of `--runs` (3) runs; those that take long run once. Nothing but a
 * temporary directory is written to.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Compression } from "../../src/core/resource.ts";
import type { LayerSource, PackInput } from "../../src/host/jobs.ts";
import type { JobContext } from "../../src/host/ports.ts";
import { createFiles } from "../../src/host/real/files.ts";
import { jobTable } from "../../src/pack/jobs.ts";
import { makeTree } from "./tree.ts";

interface Figure {
  readonly name: string;
  readonly seconds: number;
  readonly bytes?: number;
}

const EXCLUDES = [
  "proc/*",
  "sys/*",
  "dev/*",
  "tmp/*",
  "var/tmp/*",
  "var/cache/*",
  "var/log/*",
  "usr/src",
  "root/*",
  "home/*",
];
const { values: options } = parseArgs({
  options: {
    root: { type: "string" },
    files: { type: "string", default: "8000" },
    runs: { type: "string", default: "3" },
    json: { type: "string" },
  },
});
const work = mkdtempSync(join(tmpdir(), "rootloom-bench-"));
const context: JobContext = {
  files: createFiles({ mountNamespace: "/proc/self/ns/mnt" }),
  progress: () => {},
  cancelled: () => false,
  now_ms: () => Date.now() + 60_000,
};

try {
  await main();
} finally {
  rmSync(work, { recursive: true, force: true });
}

async function main(): Promise<void> {
  const root = options.root ?? join(work, "root");
  if (options.root === undefined) makeTree(root, Number(options.files));
  const store = join(work, "overlay");
  mkdirSync(join(store, "etc"), { recursive: true });
  // Reads everything once, so that both sides find the tree in memory.
  execFileSync("sh", ["-c", `tar -C '${root}' -cf - . | cat >/dev/null`]);
  const ours = [
    ...(await measureOurs(root, { codec: "gzip", level: 6 })),
    ...(await measureOurs(root, { codec: "zstd", level: 3 })),
  ];
  const theirs = measurePipeline(root);
  const floor = ours.filter(({ name }) => name.startsWith("cold")).map(measureFloor);
  const figures = [...ours, ...theirs, ...floor];
  for (const { name, seconds, bytes } of figures) {
    const size = bytes === undefined ? "" : `${(bytes / 1e6).toFixed(1)} MB`;
    console.log(`${name.padEnd(52)} ${seconds.toFixed(3).padStart(9)} s  ${size}`);
  }
  const ratios = compareAll(figures);
  for (const [name, ratio] of Object.entries(ratios)) console.log(`${name.padEnd(66)} ${ratio.toFixed(2)}`);
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify({ figures, ratios }, null, 2)}\n`);
}

async function measureOurs(root: string, compression: Compression): Promise<Figure[]> {
  const label = `${compression.codec} -${compression.level}`;
  const pack = async (cache: string, text: string) => {
    const files = { image: join(work, "image"), manifest: join(work, "manifest") };
    return (await jobTable.pack({ ...input(root, cache, text, compression), ...files }, context)).size_bytes;
  };
  let run = 0;
  const cold = await median(`cold pack, ${label}`, () => pack(join(work, `cache-${label}-${run++}`), "0"));
  const warm = join(work, `cache-${label}-0`);
  const repack = await median(`one overlay file changed, ${label}`, () => pack(warm, String(++run)));
  const noop = await median(`nothing changed (digests of all layers), ${label}`, async () => {
    await jobTable.layers(input(root, warm, "0", compression), context);
    return undefined;
  });
  return [cold, repack, noop];
}

function input(root: string, cache: string, text: string, compression: Compression): PackInput {
  const content = join(work, "overlay/etc/motd");
  writeFileSync(content, text);
  const motd = {
    path: "etc/motd",
    type: "file",
    mode: 0o644,
    owner: 0,
    group: 0,
    size: text.length,
    sha256: createHash("sha256").update(text).digest("hex"),
    target: "",
    major: 0,
    minor: 0,
    content,
    explicit: true,
  } as const;
  const layers: LayerSource[] = [
    { type: "tree", name: "root", path: root, identity: "bench", sourceDate_s: undefined },
    { type: "overlay", name: "common", entries: [motd], deletions: [], sourceDate_s: 0, digest: "" },
  ];
  const init = options.root === undefined ? "/init" : "/bin/sh";
  return { layers, excludes: EXCLUDES, nodes: [], init, compression, sourceDate_s: 0, cache };
}

/** What it replaces: copy to a staging directory, copy overlays over it, find, cpio, pigz. Each from nothing. */
function measurePipeline(root: string): Figure[] {
  const staging = join(work, "staging");
  const excludes = EXCLUDES.map((pattern) => `--exclude='/${pattern}'`).join(" ");
  const shell = (command: string) => execFileSync("sh", ["-c", command], { stdio: ["ignore", "ignore", "inherit"] });
  const time = (name: string, command: string, output?: string): Figure => {
    const start = performance.now();
    shell(command);
    const seconds = (performance.now() - start) / 1000;
    return output === undefined ? { name, seconds } : { name, seconds, bytes: statSync(output).size };
  };
  const archive = `cd '${staging}' && find . | cpio --quiet -o -H newc`;
  const stage = time(
    "pipeline: rsync -a and cp -R to a staging directory",
    `rsync -a ${excludes} '${root}/' '${staging}/' && cp -R '${work}/overlay/.' '${staging}/'`,
  );
  const compressors = ["pigz -9", "pigz -6", "zstd -3 -T2"].map((tool, index) => {
    const output = join(work, `pipeline-${index}`);
    return time(`pipeline: find, cpio, ${tool}`, `${archive} | ${tool} -c > '${output}' && sync '${output}'`, output);
  });
  const again = time("pipeline: rsync -naHX, nothing changed", `rsync -naHX ${excludes} '${root}/' '${staging}/'`);
  return [stage, ...compressors, again];
}

/** No packer can be faster than writing its output and waiting for the disk. */
function measureFloor(figure: Figure): Figure {
  const bytes = Buffer.alloc(1 << 20, 0x5a);
  const size = figure.bytes ?? 0;
  const start = performance.now();
  const descriptor = openSync(join(work, "floor"), "w");
  for (let done = 0; done < size; done += bytes.length)
    writeSync(descriptor, bytes, 0, Math.min(bytes.length, size - done));
  fsyncSync(descriptor);
  closeSync(descriptor);
  return {
    name: `floor: write and fsync as many bytes as ${figure.name}`,
    seconds: (performance.now() - start) / 1000,
    bytes: size,
  };
}

async function median(name: string, body: () => Promise<number | undefined>): Promise<Figure> {
  const seconds: number[] = [];
  let bytes: number | undefined;
  for (let run = 0; run < Number(options.runs); run++) {
    const start = performance.now();
    bytes = await body();
    seconds.push((performance.now() - start) / 1000);
  }
  seconds.sort((a, b) => a - b);
  const middle = seconds[seconds.length >> 1] ?? 0;
  return bytes === undefined ? { name, seconds: middle } : { name, seconds: middle, bytes };
}

/** How many times as long the pipeline takes. */
function compareAll(figures: readonly Figure[]): Record<string, number> {
  const of = (name: string) => figures.find((figure) => figure.name.startsWith(name))?.seconds ?? Number.NaN;
  const staging = of("pipeline: rsync -a and");
  return {
    "pipeline with pigz -9 / cold pack, gzip -6":
      (staging + of("pipeline: find, cpio, pigz -9")) / of("cold pack, gzip"),
    "pipeline with pigz -6 / cold pack, gzip -6":
      (staging + of("pipeline: find, cpio, pigz -6")) / of("cold pack, gzip"),
    "pipeline with zstd -3 -T2 / cold pack, zstd -3":
      (staging + of("pipeline: find, cpio, zstd")) / of("cold pack, zstd"),
    "cpio | zstd -3 -T2 alone / cold pack, zstd -3": of("pipeline: find, cpio, zstd") / of("cold pack, zstd"),
    "pipeline with pigz -9 / one overlay file changed, gzip -6":
      (staging + of("pipeline: find, cpio, pigz -9")) / of("one overlay file changed, gzip"),
    "rsync -naHX / nothing changed": of("pipeline: rsync -naHX") / of("nothing changed"),
  };
}
