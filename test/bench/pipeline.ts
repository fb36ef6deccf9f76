import { execFileSync } from "node:child_process";
import { closeSync, fsyncSync, mkdirSync, openSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { DEFAULT_EXCLUDES } from "../../src/compile/images.ts";
import type { Measured } from "./figure.ts";

/**
 * What Rootloom replaces: rsync with excludes to a directory in memory, cp -R of the overlays over it, find, cpio, and a
 * compressor; the result synced. Everything from nothing each time, as it was run for each change.
 */
export class Pipeline {
  readonly #work: string;
  readonly #root: string;
  readonly #overlay: string;
  readonly #staging: string;
  readonly #copy: string;

  /** `work` is on a disk; the staging directory is mounted in memory by the caller. */
  constructor(work: string, staging: string, root: string, overlay: string) {
    this.#work = work;
    this.#root = root;
    this.#overlay = overlay;
    this.#staging = staging;
    this.#copy = join(work, "copy");
  }

  run(compressor: string): Measured {
    execFileSync("sh", ["-c", `rm -rf '${this.#staging}'/* '${this.#staging}'/.[!.]*`]);
    return this.#timed(`${this.#stage()} && ${this.#archive(compressor)}`);
  }

  /** The archive alone, of what `stage` laid out before. */
  archive(compressor: string): Measured {
    return this.#timed(this.#archive(compressor));
  }

  stage(): void {
    execFileSync("sh", ["-c", this.#stage()]);
  }

  /** `rsync -naHX` of the whole root against a copy of it: what tells that nothing changed. */
  compare(): Measured {
    const { seconds } = this.#timed(`rsync -naHX '${this.#root}/' '${this.#copy}/'`);
    return { seconds };
  }

  copyRoot(): void {
    mkdirSync(this.#copy, { recursive: true });
    execFileSync("rsync", ["-aHX", "--delete", `${this.#root}/`, `${this.#copy}/`]);
  }

  #stage(): string {
    const excludes = DEFAULT_EXCLUDES.map((pattern) => `--exclude='/${pattern}'`).join(" ");
    return `rsync -a --delete ${excludes} '${this.#root}/' '${this.#staging}/' && cp -R '${this.#overlay}/.' '${this.#staging}/'`;
  }

  #archive(compressor: string): string {
    const image = join(this.#work, "pipeline.image");
    return `cd '${this.#staging}' && find . | cpio --quiet -o -H newc | ${compressor} > '${image}' && sync '${image}'`;
  }

  #timed(command: string): Measured {
    const start = performance.now();
    execFileSync("sh", ["-c", command], { stdio: ["ignore", "ignore", "inherit"] });
    const seconds = (performance.now() - start) / 1000;
    const size = statSync(join(this.#work, "pipeline.image"), { throwIfNoEntry: false })?.size;
    return size === undefined ? { seconds } : { seconds, bytes: size };
  }
}

/** No packer can be faster than writing its output and waiting for the disk. */
export function measureFloor(directory: string, size: number): Measured {
  const bytes = Buffer.alloc(1 << 20, 0x5a);
  const start = performance.now();
  const descriptor = openSync(join(directory, "floor"), "w");
  for (let done = 0; done < size; done += bytes.length)
    writeSync(descriptor, bytes, 0, Math.min(bytes.length, size - done));
  fsyncSync(descriptor);
  closeSync(descriptor);
  return { seconds: (performance.now() - start) / 1000, bytes: size };
}
