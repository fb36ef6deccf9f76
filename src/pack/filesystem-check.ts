import { type Entry, showPath } from "../core/entry.ts";
import type { ManifestEntry } from "./types.ts";

const PROBLEMS_MAX = 100;

/** An entry as a filesystem image was found to have it. Contents come later, by path. */
export type FoundEntry = Pick<Entry, "path" | "type" | "mode" | "owner" | "group" | "modified_s" | "target"> &
  Pick<Entry, "major" | "minor" | "size"> & {
    /** The same for all names of one inode. */
    readonly inode: string;
  };

/** Compares what a filesystem image holds with its manifest. Tells at most 100 problems. */
export class FilesystemCheck {
  readonly #expected = new Map<string, ManifestEntry>();
  readonly #found = new Set<string>();
  readonly #contents = new Set<string>();
  readonly #inodes = new Map<string, ManifestEntry>();
  readonly #linkSets = new Map<string, string>();
  readonly #problems: string[] = [];
  readonly #topTime: boolean;

  /** @param topTime false where the image cannot have the top's own time. */
  constructor(manifest: Iterable<ManifestEntry>, topTime: boolean) {
    this.#topTime = topTime;
    for (const entry of manifest) this.#expected.set(entry.path, entry);
  }

  report(problem: string): void {
    if (this.#problems.length < PROBLEMS_MAX) this.#problems.push(problem);
  }

  /** What the manifest says of a path. */
  expected(path: string): ManifestEntry | undefined {
    return this.#expected.get(path);
  }

  entry(found: FoundEntry): void {
    const entry = this.#expected.get(found.path);
    if (entry === undefined || this.#found.has(found.path)) {
      this.report(`/${showPath(found.path)} is not in the manifest, or comes twice`);
      return;
    }
    this.#found.add(found.path);
    const pairs = [
      ["type", found.type, entry.type],
      ["mode", found.mode.toString(8), entry.mode.toString(8)],
      ["owner", found.owner, entry.owner],
      ["group", found.group, entry.group],
      ["time", found.path === "" && !this.#topTime ? entry.modified_s : found.modified_s, entry.modified_s],
      ["size", found.type === "file" ? found.size : 0, entry.type === "file" ? entry.size : 0],
      ["target", showPath(found.target), showPath(entry.target)],
      ["device", `${found.major},${found.minor}`, `${entry.major},${entry.minor}`],
    ] as const;
    for (const [what, is, stated] of pairs) {
      if (is !== stated) this.report(`/${showPath(entry.path)}: ${what} is ${is}, ${stated} in the manifest`);
    }
    if (found.type === "file") this.#link(entry, found.inode);
  }

  /** Content of a regular file; of a hard link set once. */
  content(path: string, sha256: string): void {
    const entry = this.#expected.get(path);
    if (entry === undefined) return;
    this.#contents.add(entry.linkSet === "" ? path : `set ${entry.linkSet}`);
    if (entry.sha256 !== sha256) this.report(`/${showPath(path)}: its content differs`);
  }

  finish(): readonly string[] {
    for (const entry of this.#expected.values()) {
      if (!this.#found.has(entry.path)) this.report(`/${showPath(entry.path)} is missing`);
      else if (
        entry.type === "file" &&
        !this.#contents.has(entry.linkSet === "" ? entry.path : `set ${entry.linkSet}`)
      ) {
        this.report(`/${showPath(entry.path)}: its content was not read`);
      }
    }
    return this.#problems;
  }

  /** Names of one set share an inode, and no others do. */
  #link(entry: ManifestEntry, inode: string): void {
    const other = this.#inodes.get(inode);
    if (other === undefined) this.#inodes.set(inode, entry);
    else if (other.linkSet === "" || other.linkSet !== entry.linkSet) {
      this.report(`/${showPath(entry.path)} is linked to /${showPath(other.path)}, which is another file`);
    }
    if (entry.linkSet === "") return;
    const first = this.#linkSets.get(entry.linkSet);
    if (first === undefined) this.#linkSets.set(entry.linkSet, inode);
    else if (first !== inode) this.report(`/${showPath(entry.path)}: it is no hard link any more`);
  }
}
