import { hash } from "node:crypto";
import type { TreePath } from "../core/entry.ts";
import { RootloomError } from "../core/error.ts";
import type { LayerSource } from "../host/jobs.ts";
import type { FileStat, JobContext, ScannedEntry } from "../host/ports.ts";
import { hashContent } from "./content.ts";
import { EntryList } from "./entry-list.ts";
import { type EntryTable, EntryTableBuilder } from "./entry-table.ts";
import type { Excludes } from "./excludes.ts";
import { contentKey, openHashCache } from "./hash-cache.ts";
import { type Joint, joinEntries, joinLosses, type KeptParts } from "./kept-parts.ts";
import { entering, requireTree } from "./look.ts";
import { describeLosses, type Loss } from "./notes.ts";
import { asInTree, readPath, readSince_ms } from "./tree-snapshot.ts";
import type { ContentSource, Layer, PackEntry } from "./types.ts";
import { UnreadContents } from "./unread.ts";

type TreeSource = Extract<LayerSource, { readonly type: "tree" }>;

const EMPTY_SHA256 = hash("sha256", "");

export interface ScanLayerOptions {
  readonly cache: string;
  readonly excludes: Excludes;
  /** Looks for extended attributes, to say which are lost; with `values`, to record them. */
  readonly attributes: boolean | "values";
  /** True to keep sockets, and directories' own times where their contents are left out (a record, not an image). */
  readonly asItIs: boolean;
  /** Leaves contents that no cache knows to whoever packs them; `ScannedLayer.unread` has them. */
  readonly later?: boolean;
  /** What needs no scan. */
  readonly kept?: KeptParts | undefined;
}

/** What one scan of a tree found. */
export interface ScannedLayer extends Layer {
  readonly losses: readonly Loss[];
  readonly unread: UnreadContents;
}

/** Walks a tree; content hashes come from the hash cache where the file's stamp is known. Nothing below a mount is read. */
export function scanLayer(context: JobContext, layer: TreeSource, options: ScanLayerOptions): ScannedLayer {
  const scan = new TreeScan(context, layer, options);
  const table = new EntryTableBuilder();
  const joints: Joint[] = [];
  let unread = 0;
  for (const scanned of walk(context, layer, options)) {
    const entry = scan.entryOf(scanned);
    if (entry === undefined) continue;
    const isUnread = entry.type === "file" && entry.sha256 === "";
    if (isUnread) unread++;
    table.add(entry, isUnread ? contentKey(scanned.stamp) : undefined);
    if (options.kept?.parts.has(entry.path)) joints.push({ at: table.length, directory: entry.path });
  }
  return scan.finish(table.finish(), joints, unread);
}

/** As `scanLayer`, one entry after another; `mountPoints`, below which nothing is looked at, are those that were come by. */
export function scanEntries(
  context: JobContext,
  layer: TreeSource,
  options: Omit<ScanLayerOptions, "later">,
): { readonly entries: Iterable<PackEntry>; readonly mountPoints: ReadonlySet<TreePath> } {
  const scan = new TreeScan(context, layer, options);
  const entries = function* () {
    for (const scanned of walk(context, layer, options)) {
      const entry = scan.entryOf(scanned);
      if (entry !== undefined) yield entry;
    }
    scan.save();
  };
  return { entries: entries(), mountPoints: scan.mountPoints };
}

/** The top first, then all that is not excluded. */
function* walk(context: JobContext, layer: TreeSource, options: ScanLayerOptions): Generator<ScannedEntry> {
  const place = { ...layer, path: readPath(layer) };
  const top = requireTree(context, place);
  yield { ...top, path: "", target: "", mountPoint: false, extendedAttributes: [] };
  const { covers } = options.excludes;
  const mounted = new Set(layer.snapshot?.mounted);
  const isEntered = entering(options.excludes);
  const enter = (path: TreePath) => isEntered(path) && !mounted.has(path) && options.kept?.parts.has(path) !== true;
  const inTree = asInTree(layer);
  for (const entry of context.files.scan(place.path, { enter, attributes: options.attributes })) {
    if (context.cancelled()) throw cancelled();
    if (entry.path !== "" && !covers(entry.path)) yield inTree(entry);
  }
}

export function cancelled(): RootloomError {
  return new RootloomError("cannot go on: the work was cancelled", { retry: "transient" });
}

/** What the kernel or the host's own policy sets: no part of what a tree holds. */
const OF_THE_HOST = /^(security\.(selinux|ima|evm|SMACK64)|trusted\.overlay\.|btrfs\.)/;

/**
 * The attributes that a correction can put back: those of a file that is its own only name. Of directories, links and
 * hard link sets nothing is recorded.
 */
function recordable({ type, links, extendedAttributes }: ScannedEntry): string {
  if (type !== "file" || links > 1) return "";
  return extendedAttributes.filter((attribute) => !OF_THE_HOST.test(attribute)).join(" ");
}

class TreeScan {
  readonly #context: JobContext;
  readonly #layer: TreeSource;
  readonly #options: ScanLayerOptions;
  readonly #source: ContentSource;
  readonly #hashes;
  readonly #losses: Loss[] = [];
  readonly mountPoints = new Set<TreePath>();

  constructor(context: JobContext, layer: TreeSource, options: ScanLayerOptions) {
    this.#context = context;
    this.#layer = layer;
    this.#options = options;
    this.#source = { type: "tree", path: readPath(layer) };
    this.#hashes = openHashCache(context.files, options.cache, layer.identity);
  }

  /** Undefined of what no layer has. */
  entryOf(scanned: ScannedEntry): PackEntry | undefined {
    const { path, type } = scanned;
    if (scanned.mountPoint) this.mountPoints.add(path);
    const { attributes } = this.#options;
    if (attributes === true) for (const name of scanned.extendedAttributes) this.#losses.push({ path, what: name });
    if (type === "socket" && !this.#options.asItIs) {
      this.#losses.push({ path, what: "socket" });
      return undefined;
    }
    const content = type === "file" ? this.#contentOf(scanned) : undefined;
    const stat = content?.stat ?? scanned;
    return {
      path,
      type,
      attributes: attributes === "values" ? recordable(scanned) : undefined,
      mode: stat.mode,
      owner: stat.owner,
      group: stat.group,
      modified_s: this.#timeOf(scanned, stat),
      size: type === "file" ? (content?.size ?? stat.size) : type === "symlink" ? scanned.target.length : 0,
      sha256: content?.sha256 ?? "",
      target: scanned.target,
      major: stat.major,
      minor: stat.minor,
      linkSet: stat.links > 1 && type !== "directory" ? `${stat.device}:${stat.inode}` : "",
      layer: this.#layer.name,
      place: 0,
      source: type === "file" ? this.#source : undefined,
    };
  }

  finish(scanned: EntryTable, joints: readonly Joint[], unread: number): ScannedLayer {
    this.save();
    const { files } = this.#context;
    const { kept } = this.#options;
    const reading = { files, now_ms: () => readSince_ms(this.#layer, this.#context) };
    const losses = joinLosses(this.#losses, kept);
    return {
      name: this.#layer.name,
      entries: joinEntries(EntryList.of(scanned), joints, kept),
      notes: describeLosses(losses),
      losses,
      unread: new UnreadContents(reading, readPath(this.#layer), this.#hashes, scanned, unread),
    };
  }

  save(): void {
    this.#hashes.save();
  }

  /** A file that is a mount point packs empty: what is mounted there is not the tree's. */
  #contentOf(scanned: ScannedEntry): { sha256: string; stat: FileStat; size: number } {
    if (scanned.mountPoint || scanned.size === 0) return { sha256: EMPTY_SHA256, stat: scanned, size: 0 };
    const known = this.#hashes.get(scanned.stamp);
    if (known !== undefined) return { sha256: known, stat: scanned, size: scanned.size };
    // The names of a hard link set are entries of their own: they are given one hash here.
    if (this.#options.later === true && scanned.links === 1) return { sha256: "", stat: scanned, size: scanned.size };
    const { files } = this.#context;
    const start_ms = readSince_ms(this.#layer, this.#context);
    const hashed = hashContent(() => files.openTreeReader(readPath(this.#layer), scanned.path), scanned.path);
    this.#hashes.set(hashed.stat.stamp, hashed.sha256, hashed.stat, start_ms);
    return { ...hashed, size: hashed.stat.size };
  }

  /**
   * The time of a directory whose contents are left out, or hidden by a mount, tells of those contents:
   * it takes the layer's date, so that what nobody packs makes no image out of date.
   */
  #timeOf(scanned: ScannedEntry, stat: FileStat): number {
    const date_s = this.#layer.sourceDate_s;
    const hidden = scanned.mountPoint || this.#options.excludes.coversContents(scanned.path);
    if (hidden && !this.#options.asItIs) return date_s ?? 0;
    return date_s === undefined ? stat.modified_s : Math.min(stat.modified_s, date_s);
  }
}
