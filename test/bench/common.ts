import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Measured, sideBySide } from "./figure.ts";
import { measureGrowth } from "./growth.ts";
import { measureFloor, Pipeline } from "./pipeline.ts";
import { createSite, type Site } from "./site.ts";

/** By the filesystem of a managed root, the working directory's own (`ext4`) or one made for it; `live`: a root that is not managed. */
export type SiteName = "ext4" | "xfs" | "btrfs" | "live";

/** Runs of what takes less than a second, at least. */
const SHORT_RUNS = 9;

/** What all works share. Sites and the pipeline's own time are made when a work first asks for them. */
export class Bench {
  readonly #work: string;
  readonly #cache: string;
  readonly #tarball: string;
  readonly runs: number;
  readonly #sites = new Map<SiteName, Promise<Site>>();
  #pipeline: Pipeline | undefined;
  #whole: Measured | undefined;

  /** `work`: an empty directory on a disk, in a mount namespace of our own. */
  constructor(work: string, cache: string, tarball: string, runs: number) {
    this.#work = work;
    this.#cache = cache;
    this.#tarball = tarball;
    this.runs = runs;
  }

  get shortRuns(): number {
    return Math.max(this.runs, SHORT_RUNS);
  }

  site(name: SiteName): Promise<Site> {
    const known = this.#sites.get(name);
    if (known) return known;
    const made = createSite({
      directory: join(name === "xfs" || name === "btrfs" ? this.#filesystem(name) : this.#work, name),
      tarball: this.#tarball,
      content: name === "live" ? name : "managed",
      backend: name === "btrfs" ? name : "directory",
    });
    this.#sites.set(name, made);
    return made;
  }

  /** A filesystem of its own in a file. It ends with our mount namespace. */
  #filesystem(type: "xfs" | "btrfs"): string {
    const [file, directory] = [join(this.#work, `${type}.disk`), join(this.#work, type)];
    execFileSync("truncate", ["--size=6G", file]);
    execFileSync(`mkfs.${type}`, ["-q", file]);
    mkdirSync(directory);
    execFileSync("mount", ["-o", "loop", file, directory]);
    return directory;
  }

  async pipeline(): Promise<Pipeline> {
    const { root, overlay } = await this.site("ext4");
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
