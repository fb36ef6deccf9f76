import { createHash, type Hash } from "node:crypto";
import { showPath, type TreePath } from "../core/entry.ts";
import type { JobMap } from "../host/jobs.ts";
import type { JobContext } from "../host/ports.ts";
import { decompressStream } from "./compress.ts";
import { readManifest } from "./manifest.ts";
import { archiveName, contentBytes, TYPE_BITS } from "./newc.ts";
import { type ArchivedEntry, NewcReader } from "./newc-reader.ts";
import { parentOf } from "./paths.ts";
import { readChunks } from "./segment-cache.ts";
import type { ManifestEntry } from "./types.ts";

const PROBLEMS_MAX = 100;

/**
 * Reads an image back through all its members and compares every entry and every byte of content with
 * its manifest. Problems are told, not thrown; at most 100 of them.
 */
export async function verifyImage(
  context: JobContext,
  input: JobMap["verify"]["input"],
): Promise<JobMap["verify"]["output"]> {
  const check = new ImageCheck(readManifest(context.files, input.manifest));
  const size_bytes = context.files.stat(input.image)?.size;
  if (size_bytes === undefined) return { entries: 0, problems: [`${input.image} does not exist`] };
  const chunks = withProgress(readChunks(context.files, input.image, 0, size_bytes), context, size_bytes);
  try {
    for await (const chunk of decompressStream(chunks, input.codec)) check.push(chunk);
  } catch (thrown) {
    check.report(`its compressed stream is damaged: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
  }
  return check.finish();
}

function* withProgress(chunks: Iterable<Uint8Array>, context: JobContext, total_bytes: number): Generator<Uint8Array> {
  let done_bytes = 0;
  for (const chunk of chunks) {
    if (context.cancelled()) return;
    done_bytes += chunk.length;
    context.progress(done_bytes, total_bytes);
    yield chunk;
  }
}

/** Names of one hard link set, as they come. */
interface LinkGroup {
  readonly entries: ManifestEntry[];
  readonly links: number;
}

class ImageCheck {
  readonly #expected = new Map<string, ManifestEntry>();
  readonly #directories = new Set<TreePath>([""]);
  readonly #groups = new Map<string, LinkGroup>();
  readonly #problems: string[] = [];
  readonly #reader: NewcReader;
  #current: ManifestEntry | undefined;
  #digest: Hash | undefined;
  #target = "";
  #entries = 0;

  constructor(manifest: Iterable<ManifestEntry>) {
    for (const entry of manifest) this.#expected.set(archiveName(entry.path), entry);
    this.#reader = new NewcReader({ entry: (entry) => this.#start(entry), content: (bytes) => this.#content(bytes) });
  }

  push(chunk: Uint8Array): void {
    this.#reader.push(chunk);
  }

  report(problem: string): void {
    if (this.#problems.length < PROBLEMS_MAX) this.#problems.push(problem);
  }

  finish(): { readonly entries: number; readonly problems: readonly string[] } {
    this.#end();
    const damage = this.#reader.finish();
    if (damage !== undefined) this.report(damage);
    for (const { entries, links } of this.#groups.values()) {
      if (entries.length !== links)
        this.report(`${show(entries[0])}: ${links} links are stated, ${entries.length} found`);
    }
    for (const entry of this.#expected.values()) this.report(`${show(entry)} is missing`);
    return { entries: this.#entries, problems: this.#problems };
  }

  #start(archived: ArchivedEntry): void {
    this.#end();
    this.#entries++;
    const entry = this.#expected.get(archived.name);
    this.#current = entry;
    if (!entry) {
      this.report(`/${showPath(archived.name)} is not in the manifest, or comes twice`);
      return;
    }
    this.#expected.delete(archived.name);
    if (!this.#directories.has(parentOf(entry.path))) this.report(`${show(entry)} comes before its directory`);
    if (entry.type === "directory") this.#directories.add(entry.path);
    const carries = entry.linkSet === "" || entry.linkSet === entry.path;
    const size = carries ? contentBytes(entry) : 0;
    for (const [what, found, stated] of attributePairs(archived, entry, size)) {
      if (found !== stated) this.report(`${show(entry)}: ${what} is ${found}, ${stated} in the manifest`);
    }
    this.#group(archived, entry);
    this.#digest = entry.type === "file" && carries ? createHash("sha256") : undefined;
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
    group.entries.push(entry);
  }

  #content(bytes: Uint8Array): void {
    if (this.#current?.type === "symlink") this.#target += Buffer.from(bytes).toString("latin1");
    else this.#digest?.update(bytes);
  }

  #end(): void {
    const entry = this.#current;
    if (entry?.type === "symlink" && this.#target !== entry.target) this.report(`${show(entry)}: its target differs`);
    if (entry && this.#digest && this.#digest.digest("hex") !== entry.sha256) {
      this.report(`${show(entry)}: its content differs`);
    }
    this.#current = undefined;
    this.#digest = undefined;
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
    ["major", archived.major, entry.type === "character" || entry.type === "block" ? entry.major : 0],
    ["minor", archived.minor, entry.type === "character" || entry.type === "block" ? entry.minor : 0],
  ];
}

function show(entry: ManifestEntry | undefined): string {
  return `/${showPath(entry?.path ?? "")}`;
}
