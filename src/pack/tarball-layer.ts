import { createHash } from "node:crypto";
import { showPath, type TreePath } from "../core/entry.ts";
import { RootloomError } from "../core/error.ts";
import type { LayerSource } from "../host/jobs.ts";
import type { JobContext, Reader } from "../host/ports.ts";
import { fill } from "./content.ts";
import { EntryList } from "./entry-list.ts";
import type { Excludes } from "./excludes.ts";
import { hashFile } from "./file-hash.ts";
import { openHashCache } from "./hash-cache.ts";
import { describeLosses, type Loss } from "./notes.ts";
import { plainDirectory } from "./overlay-layer.ts";
import { addMissingParents } from "./paths.ts";
import { plainTarball } from "./plain-tarball.ts";
import { cancelled } from "./scan-layer.ts";
import { readTar, type TarEntry } from "./tar.ts";
import type { Layer, PackEntry } from "./types.ts";

type TarballSource = Extract<LayerSource, { readonly type: "tarball" }>;

const WINDOW_BYTES = 1 << 18;

/**
 * A tarball as a layer; nothing is extracted. It is checked by its hash before anything of it is used,
 * and decompressed once into the cache (`tarballs/SHA256.tar`; for xz and bzip2 by the pass, with their tools);
 * a plain tarball is read where it is.
 * @throws RootloomError when it is missing, has another hash, is damaged or in a form that is not read.
 */
export async function tarballLayer(
  context: JobContext,
  source: TarballSource,
  cache: string,
  excludes: Excludes,
): Promise<Layer> {
  const hashed = hashFile(context, { path: source.path, cache, trustCache: true });
  if (!hashed) throw new RootloomError(`cannot read the tarball ${source.path}: it does not exist`);
  if (hashed.sha256 !== source.sha256) {
    throw new RootloomError(`cannot use the tarball ${source.path}: its sha256 is ${hashed.sha256}`, {
      hint: `${source.sha256} is declared; fetch it again, or correct the declaration if the new one can be trusted`,
    });
  }
  const path = await plainTarball(context, source, cache);
  const reader = context.files.openReader(path);
  if (!reader) throw new RootloomError(`cannot read ${path}: it went away`, { retry: "transient" });
  try {
    return new TarballReader(context, source, path, reader, cache).read(excludes);
  } finally {
    reader.close();
  }
}

class TarballReader {
  readonly #context: JobContext;
  readonly #source: TarballSource;
  readonly #path: string;
  readonly #reader: Reader;
  readonly #hashes;
  readonly #stat;
  readonly #members = new Map<TreePath, PackEntry>();
  readonly #losses: Loss[] = [];
  #linkSets = 0;

  constructor(context: JobContext, source: TarballSource, path: string, reader: Reader, cache: string) {
    this.#context = context;
    this.#source = source;
    this.#path = path;
    this.#reader = reader;
    this.#stat = reader.stat();
    this.#hashes = openHashCache(context.files, cache, `tarball ${source.sha256}`);
  }

  read(excludes: Excludes): Layer {
    for (const member of readTar(windowed(this.#reader), this.#source.path)) {
      if (this.#context.cancelled()) throw cancelled();
      for (const what of member.extendedAttributes) this.#losses.push({ path: member.path, what });
      // A later member of one name replaces the earlier, as it does when a tarball is unpacked.
      this.#members.set(member.path, member.type === "hardlink" ? this.#link(member) : this.#entry(member));
    }
    this.#hashes.save();
    const { name, sourceDate_s } = this.#source;
    const entries = addMissingParents([...this.#members.values()], (path) =>
      plainDirectory(path, name, 0, sourceDate_s),
    );
    if (!this.#members.has("")) entries.unshift(...missingTop(entries, plainDirectory("", name, 0, sourceDate_s)));
    this.#checkParents(entries);
    const kept = entries.filter((entry) => !excludes.covers(entry.path)).map((entry) => this.#hide(entry, excludes));
    const losses = this.#losses.filter((loss) => !excludes.covers(loss.path));
    return { name, entries: EntryList.of(kept), notes: describeLosses(losses) };
  }

  #hide(entry: PackEntry, excludes: Excludes): PackEntry {
    return excludes.coversContents(entry.path) ? { ...entry, modified_s: this.#source.sourceDate_s } : entry;
  }

  #entry(member: TarEntry): PackEntry {
    const file = member.type === "file";
    return {
      path: member.path,
      type: member.type === "hardlink" ? "file" : member.type,
      mode: member.mode,
      owner: member.owner,
      group: member.group,
      modified_s: Math.min(member.modified_s, this.#source.sourceDate_s),
      size: member.type === "symlink" ? member.target.length : member.size,
      sha256: file ? this.#hash(member) : "",
      target: member.target,
      major: member.major,
      minor: member.minor,
      linkSet: "",
      layer: this.#source.name,
      place: 0,
      source: file ? { type: "archive", path: this.#path, offset: member.offset } : undefined,
    };
  }

  #link(member: TarEntry): PackEntry {
    const first = this.#members.get(member.target);
    if (!first || first.type === "directory") {
      throw this.#refuse(member.path, `is a hard link to /${showPath(member.target)}, which is no file before it`);
    }
    // By its place in the archive: the path may come again later, with another content.
    const linkSet = first.linkSet || `${first.path}\0${++this.#linkSets}`;
    this.#members.set(first.path, { ...first, linkSet });
    return { ...first, path: member.path, linkSet };
  }

  /** Content hashes are kept by offset: the tarball's own hash is in the cache's name. */
  #hash(member: TarEntry): string {
    const key = `${member.offset} ${member.size}`;
    const known = this.#hashes.get(key);
    if (known !== undefined) return known;
    const digest = createHash("sha256");
    const buffer = Buffer.allocUnsafe(Math.min(WINDOW_BYTES, Math.max(1, member.size)));
    for (let done = 0; done < member.size; ) {
      const bytes = fill(
        this.#reader,
        buffer.subarray(0, Math.min(buffer.length, member.size - done)),
        member.offset + done,
      );
      if (bytes === 0) throw this.#refuse(member.path, "is cut short");
      digest.update(buffer.subarray(0, bytes));
      done += bytes;
    }
    const sha256 = digest.digest("hex");
    this.#hashes.set(key, sha256, this.#stat, Number.POSITIVE_INFINITY);
    return sha256;
  }

  /** A member below a symlink or a file would be written elsewhere, or nowhere, when unpacked. */
  #checkParents(entries: readonly PackEntry[]): void {
    let below: TreePath | undefined;
    for (const entry of entries) {
      if (below !== undefined && entry.path.startsWith(`${below}/`)) {
        throw this.#refuse(entry.path, `stands below /${showPath(below)}, which is no directory`);
      }
      below = entry.type === "directory" ? undefined : entry.path;
    }
  }

  #refuse(path: TreePath, why: string): RootloomError {
    return new RootloomError(`cannot read the tarball ${this.#source.path}: /${showPath(path)} ${why}`);
  }
}

function missingTop(entries: readonly PackEntry[], top: PackEntry): PackEntry[] {
  return entries[0]?.path === "" ? [] : [top];
}

/** Headers lie close together where files are small: reads go through a window. */
function windowed(reader: Reader): (into: Uint8Array, position: number) => number {
  const window = Buffer.allocUnsafe(WINDOW_BYTES);
  let start = 0;
  let length = 0;
  return (into, position) => {
    if (into.length > WINDOW_BYTES) return fill(reader, into, position);
    if (position < start || position + into.length > start + length) {
      start = position;
      length = fill(reader, window, position);
    }
    const part = window.subarray(position - start, Math.min(position - start + into.length, length));
    into.set(part);
    return part.length;
  };
}
