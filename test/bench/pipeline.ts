import { execFileSync } from "node:child_process";
import { closeSync, fsyncSync, openSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { type Figure, type Measured, median } from "./figure.ts";

/** What the predecessor leaves out of a root. */
export const EXCLUDES = [
  "proc/*",
  "sys/*",
  "dev/*",
  "tmp/*",
  "var/tmp/*",
  "var/cache/*",
  "var/log/*",
  "root/*",
  "home/*",
];

export interface Pipeline {
  readonly whole: Figure;
  readonly again: Figure;
  readonly compare: Figure;
  readonly all: readonly Figure[];
}

/**
 * What Rootloom replaces: rsync with excludes to a staging directory, cp -R of the overlays over it, find, cpio, pigz -9.
 * From nothing, then again with the staging directory of the last time, as after a change of one file.
 */
export async function measurePipeline(
  work: string,
  root: string,
  overlay: string,
  runs: number,
  compareRuns: number,
): Promise<Pipeline> {
  const [staging, image] = [join(work, "staging"), join(work, "pipeline.cpio.gz")];
  const excludes = EXCLUDES.map((pattern) => `--exclude='/${pattern}'`).join(" ");
  const stage = `rsync -a --delete ${excludes} '${root}/' '${staging}/' && cp -R '${overlay}/.' '${staging}/'`;
  const pack = `cd '${staging}' && find . | cpio --quiet -o -H newc | pigz -9 -c > '${image}' && sync '${image}'`;
  const timed = (command: string): Measured => {
    const start = performance.now();
    execFileSync("sh", ["-c", command], { stdio: ["ignore", "ignore", "inherit"] });
    return { seconds: (performance.now() - start) / 1000, bytes: statSync(image).size };
  };
  const whole = await median("pipeline: rsync, cp -R, find, cpio, pigz -9, from nothing", runs, () => {
    execFileSync("rm", ["-rf", staging]);
    return timed(`${stage} && ${pack}`);
  });
  const again = await median("pipeline: the same again, one file changed", runs, () => timed(`${stage} && ${pack}`));
  const compare = await median("rsync -naHX, nothing changed", compareRuns, () => {
    const { seconds = 0 } = timed(`rsync -naHX ${excludes} '${root}/' '${staging}/'`);
    return { seconds };
  });
  return { whole, again, compare, all: [whole, again, compare] };
}

/** No packer can be faster than writing its output and waiting for the disk. */
export function measureFloor(work: string, size: number): Measured {
  const bytes = Buffer.alloc(1 << 20, 0x5a);
  const start = performance.now();
  const descriptor = openSync(join(work, "floor"), "w");
  for (let done = 0; done < size; done += bytes.length)
    writeSync(descriptor, bytes, 0, Math.min(bytes.length, size - done));
  fsyncSync(descriptor);
  closeSync(descriptor);
  return { seconds: (performance.now() - start) / 1000, bytes: size };
}
