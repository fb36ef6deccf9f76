import { hash } from "node:crypto";
import type { TreePath } from "../core/entry.ts";
import type { OverlayEntry } from "../core/resource.ts";
import type { LayerDigest, LayerSource } from "../host/jobs.ts";
import { formatEntry } from "./manifest.ts";
import { addMissingParents, sortByPath } from "./paths.ts";
import type { PackEntry } from "./types.ts";

type OverlaySource = Extract<LayerSource, { readonly type: "overlay" }>;
type NumberedEntry = OverlayEntry & { readonly owner: number; readonly group: number };

/** What an overlay lays, before its paths are mapped through the symlinks of what lies below. */
export interface OverlayLayer {
  readonly name: string;
  readonly entries: readonly PackEntry[];
  /** Directories that are only the parent of something: an existing one keeps its attributes. */
  readonly implicit: ReadonlySet<TreePath>;
  readonly deletions: readonly TreePath[];
}

export interface OverlayInput {
  readonly name: string;
  readonly entries: readonly NumberedEntry[];
  readonly deletions: readonly TreePath[];
  readonly sourceDate_s: number;
}

/** Entries as they will be packed: all of them take the overlay's date. */
export function overlayLayer(overlay: OverlayInput, place: number): OverlayLayer {
  const implicit = new Set<TreePath>();
  const entries = overlay.entries.map((entry): PackEntry => {
    if (entry.type === "directory" && !entry.explicit) implicit.add(entry.path);
    return {
      path: entry.path,
      type: entry.type,
      mode: entry.mode,
      owner: entry.owner,
      group: entry.group,
      modified_s: overlay.sourceDate_s,
      size: entry.type === "file" ? entry.size : entry.type === "symlink" ? entry.target.length : 0,
      sha256: entry.type === "file" ? entry.sha256 : "",
      target: entry.type === "symlink" ? entry.target : "",
      major: entry.major,
      minor: entry.minor,
      linkSet: "",
      layer: overlay.name,
      place,
      source: entry.type === "file" ? { type: "file", path: entry.content } : undefined,
    };
  });
  const complete = addMissingParents(entries, (path) => {
    implicit.add(path);
    return plainDirectory(path, overlay.name, place, overlay.sourceDate_s);
  });
  return { name: overlay.name, entries: complete, implicit, deletions: overlay.deletions };
}

/** A directory that nothing describes: root's, 0755. */
export function plainDirectory(path: TreePath, layer: string, place: number, modified_s: number): PackEntry {
  const nothing = { size: 0, sha256: "", target: "", major: 0, minor: 0, linkSet: "", source: undefined };
  return { path, type: "directory", mode: 0o755, owner: 0, group: 0, modified_s, layer, place, ...nothing };
}

/** With a digest of all that an overlay does to an image: entries with their resolved owners, deletions, date. */
export function describeOverlay({ name, entries }: OverlaySource, layer: OverlayLayer): LayerDigest {
  const size_bytes = entries.reduce((sum, entry) => sum + (entry.type === "file" ? entry.size : 0), 0);
  return { name, digest: digestOverlay(layer), entries: entries.length, size_bytes };
}

function digestOverlay(layer: OverlayLayer): string {
  const lines = layer.entries.map((entry) => `${formatEntry(entry)}${layer.implicit.has(entry.path) ? " ~" : ""}`);
  const deletions = sortByPath(layer.deletions.map((path) => ({ path }))).map(({ path }) => path);
  return hash("sha256", JSON.stringify([lines, deletions]));
}
