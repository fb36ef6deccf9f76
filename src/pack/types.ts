import type { Entry } from "../core/entry.ts";
import type { EntryList } from "./entry-list.ts";

/** Part of every key: raise it when the bytes that the packer writes for the same entries change. */
export const PACKER_VERSION = 7;

/** To be raised when other digests are made of the same entries of a layer: they are compared with those of earlier runs. */
export const LAYER_DIGEST_VERSION = 3;

/** Where the content of a regular file is read from. */
export type ContentSource =
  | { readonly type: "tree"; readonly path: string }
  | { readonly type: "file"; readonly path: string }
  | { readonly type: "archive"; readonly path: string; readonly offset: number };

/** An entry of a manifest file: with the layer that gave it its attributes. */
export interface ManifestEntry extends Entry {
  readonly layer: string;
  /** Extended attributes, `name=DIGEST` with spaces between; undefined where nobody looked. */
  readonly attributes?: string | undefined;
}

/** An entry on its way into an image. */
export interface PackEntry extends ManifestEntry {
  /** Empty as long as nobody has read the content. */
  sha256: string;
  /** Number of the layer whose segments hold it: a directory keeps the place of its lowest layer. */
  readonly place: number;
  /** Undefined for all but regular files. */
  readonly source: ContentSource | undefined;
  /** Of content that nobody has read when this was made: where its table waits for the hash. */
  readonly slot?: number | undefined;
}

/** One layer, ready to be merged: times and owners as they will be packed. */
export interface Layer {
  readonly name: string;
  readonly entries: EntryList;
  readonly notes: readonly string[];
}

/** What stood in a tree before it was changed on purpose, and where its content is kept. */
export interface KeptOriginal
  extends Pick<Entry, "path" | "type" | "mode" | "owner" | "group" | "modified_s" | "target" | "major" | "minor"> {
  /** Path of a file's content, or of a directory that was taken out whole; empty where the attributes say it all. */
  readonly file: string;
}
