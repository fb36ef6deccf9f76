import { createHash, type Hash, hash } from "node:crypto";
import { showPath, type TreePath } from "../core/entry.ts";
import { archiveName, contentBytes, TYPE_BITS } from "./newc.ts";
import { type ArchivedEntry, NewcReader } from "./newc-reader.ts";
import { parentOf } from "./paths.ts";
import type { ManifestEntry } from "./types.ts";

const PROBLEMS_MAX = 100;
const EMPTY_SHA256 = hash("sha256", "");

/** Names of one hard link set, as they come. */
interface LinkGroup {
  readonly entries: ManifestEntry[];
  readonly links: number;
}

/**
 * Compares an archive, pushed in pieces, with the entries it should hold: every attribute and every
 * byte of content. Tells at most 100 problems.
 */
export class ImageCheck {
  readonly #expected: Expected;
  readonly #directories = new Set<TreePath>([""]);
  readonly #groups = new Map<string, LinkGroup>();
  readonly #problems: string[] = [];
  readonly #reader: NewcReader;
  readonly #part: boolean;
  readonly #hashed: ReadonlyMap<number, string>;
  #current: ManifestEntry | undefined;
  #digest: Hash | undefined;
  #sha256 = "";
  #hashing = false;
  #target = "";
  #entries = 0;

  /**
   * @param part true for a segment: its entries come in the order of the list, and their directories may stand in an earlier one.
   * @param hashed of a segment that is pushed in one piece: hashes of contents by their offset in its memory, where
   * they were taken from just these bytes.
   */
  constructor(manifest: Iterable<ManifestEntry>, part = false, hashed: ReadonlyMap<number, string> = new Map()) {
    this.#part = part;
    this.#hashed = hashed;
    this.#expected = part ? new InOrder(manifest) : new InAnyOrder(manifest);
    this.#reader = new NewcReader({ entry: (entry) => this.#start(entry), content: (bytes) => this.#content(bytes) });
  }

  push(chunk: Uint8Array): void {
    this.#reader.push(chunk);
  }

  report(problem: string): void {
    if (this.#problems.length < PROBLEMS_MAX) this.#problems.push(problem);
  }

  /** For an archive that is whole. */
  finish(): { readonly entries: number; readonly problems: readonly string[] } {
    const damage = this.#reader.finish();
    return this.#finish(damage);
  }

  /** For one segment of an archive: no trailer. Where directories stand outside of it is not looked at. */
  finishSegment(): { readonly entries: number; readonly problems: readonly string[] } {
    return this.#finish(this.#reader.finishSegment());
  }

  #finish(damage: string | undefined): { readonly entries: number; readonly problems: readonly string[] } {
    this.#end();
    if (damage !== undefined) this.report(damage);
    for (const { entries, links } of this.#groups.values()) {
      if (entries.length !== links)
        this.report(`${show(entries[0])}: ${links} links are stated, ${entries.length} found`);
    }
    for (const entry of this.#expected.rest()) this.report(`${show(entry)} is missing`);
    return { entries: this.#entries, problems: this.#problems };
  }

  #start(archived: ArchivedEntry): void {
    this.#end();
    this.#entries++;
    const entry = this.#expected.take(archived.name);
    this.#current = entry;
    if (!entry) {
      this.report(`/${showPath(archived.name)} is not in the manifest, or comes twice`);
      return;
    }
    if (!this.#part && !this.#directories.has(parentOf(entry.path)))
      this.report(`${show(entry)} comes before its directory`);
    if (entry.type === "directory") this.#directories.add(entry.path);
    const carries = entry.linkSet === "" || entry.linkSet === entry.path;
    const size = carries ? contentBytes(entry) : 0;
    for (const [what, found, stated] of attributePairs(archived, entry, size)) {
      if (found !== stated) this.report(`${show(entry)}: ${what} is ${found}, ${stated} in the manifest`);
    }
    this.#group(archived, entry);
    this.#hashing = entry.type === "file" && carries;
    this.#target = "";
  }

  #group(archived: ArchivedEntry, entry: ManifestEntry): void {
    if (archived.links < 2 && entry.linkSet === "") return;
    const key = `${archived.deviceMajor},${archived.deviceMinor},${archived.inode}`;
    const group = this.#groups.get(key) ?? { entries: [], links: archived.links };
    this.#groups.set(key, group);
    if (group.entries[0] && group.entries[0].linkSet !== entry.linkSet) {
      this.report(`${show(entry)} is linked to ${show(group.entries[0])}, which is another file`);
    }
    if (group.links !== archived.links)
      this.report(`${show(entry)}: its links are not those of ${show(group.entries[0])}`);
    group.entries.push(entry);
  }

  #content(bytes: Uint8Array): void {
    if (this.#current?.type === "symlink") this.#addTarget(this.#current, bytes);
    else if (this.#hashing && bytes.length === this.#current?.size)
      this.#sha256 = this.#hashed.get(bytes.byteOffset) ?? hash("sha256", bytes);
    else if (this.#hashing) {
      this.#digest ??= createHash("sha256");
      this.#digest.update(bytes);
    }
  }

  /** A damaged header may state gigabytes: what goes beyond the target's length differs already. */
  #addTarget(entry: ManifestEntry, bytes: Uint8Array): void {
    const room = entry.target.length + 1 - this.#target.length;
    this.#target += Buffer.from(bytes.subarray(0, Math.max(0, room))).toString("latin1");
  }

  #end(): void {
    const entry = this.#current;
    if (entry?.type === "symlink" && this.#target !== entry.target) this.report(`${show(entry)}: its target differs`);
    if (entry && this.#hashing) {
      const sha256 = this.#digest?.digest("hex") ?? (this.#sha256 || EMPTY_SHA256);
      if (sha256 !== entry.sha256) this.report(`${show(entry)}: its content differs`);
    }
    this.#current = undefined;
    this.#hashing = false;
    this.#digest = undefined;
    this.#sha256 = "";
  }
}

/** Entries that an archive should still have. */
interface Expected {
  /** The one of that name in the archive, which is not expected any more. */
  take(name: string): ManifestEntry | undefined;
  rest(): Iterable<ManifestEntry>;
}

class InAnyOrder implements Expected {
  readonly #entries = new Map<string, ManifestEntry>();

  constructor(entries: Iterable<ManifestEntry>) {
    for (const entry of entries) this.#entries.set(archiveName(entry.path), entry);
  }

  take(name: string): ManifestEntry | undefined {
    const entry = this.#entries.get(name);
    this.#entries.delete(name);
    return entry;
  }

  rest(): Iterable<ManifestEntry> {
    return this.#entries.values();
  }
}

/** Each entry is made when its turn comes. */
class InOrder implements Expected {
  readonly #entries: Iterator<ManifestEntry>;
  #next: IteratorResult<ManifestEntry>;

  constructor(entries: Iterable<ManifestEntry>) {
    this.#entries = entries[Symbol.iterator]();
    this.#next = this.#entries.next();
  }

  take(name: string): ManifestEntry | undefined {
    if (this.#next.done === true || archiveName(this.#next.value.path) !== name) return undefined;
    const entry = this.#next.value;
    this.#next = this.#entries.next();
    return entry;
  }

  *rest(): Iterable<ManifestEntry> {
    for (; this.#next.done !== true; this.#next = this.#entries.next()) yield this.#next.value;
  }
}

function attributePairs(
  archived: ArchivedEntry,
  entry: ManifestEntry,
  size: number,
): readonly (readonly [string, number, number])[] {
  return [
    ["mode", archived.mode, TYPE_BITS[entry.type] | entry.mode],
    ["owner", archived.owner, entry.owner],
    ["group", archived.group, entry.group],
    ["time", archived.modified_s, entry.modified_s],
    ["size", archived.size, size],
    ["links", archived.links, entry.linkSet === "" ? 1 : Math.max(2, archived.links)],
    ["check", archived.check, 0],
    ["major", archived.major, entry.type === "character" || entry.type === "block" ? entry.major : 0],
    ["minor", archived.minor, entry.type === "character" || entry.type === "block" ? entry.minor : 0],
  ];
}

function show(entry: ManifestEntry | undefined): string {
  return `/${showPath(entry?.path ?? "")}`;
}
