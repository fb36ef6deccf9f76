import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { OverlayEntry } from "../../src/core/resource.ts";
import type { LayerSource, PackInput } from "../../src/host/jobs.ts";
import type { JobContext } from "../../src/host/ports.ts";
import { createFiles } from "../../src/host/real/files.ts";
import type { PackEntry } from "../../src/pack/types.ts";

/** Far enough ahead that every file made by a test counts as settled. */
export const context: JobContext = {
  files: createFiles({ mountNamespace: "/proc/self/ns/mnt" }),
  progress: () => {},
  cancelled: () => false,
  now_ms: () => Date.now() + 60_000,
};

/** Writes files below a directory; a value is the content. */
export function writeTree(directory: string, files: Readonly<Record<string, string>>): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), content);
  }
}

/** Text that repeats over the limits of parts, with something new in each line. */
export function repeatingText(size_bytes: number): Buffer {
  const bytes = Buffer.alloc(size_bytes);
  for (let at = 0, line = 0; at < size_bytes; line++) {
    at += bytes.write(`${sha256(String(line % 300))} ${line}\n`, at);
  }
  return bytes;
}

export function sha256(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}

export function fileSha256(path: string): string {
  return sha256(readFileSync(path));
}

type NumberedEntry = OverlayEntry & { readonly owner: number; readonly group: number };

export function overlayEntry(path: string, fields: Partial<NumberedEntry> = {}): NumberedEntry {
  return {
    path,
    type: "file",
    mode: fields.type === "directory" ? 0o755 : 0o644,
    size: 0,
    sha256: sha256(""),
    target: "",
    major: 0,
    minor: 0,
    content: "",
    explicit: true,
    owner: 0,
    group: 0,
    ...fields,
  };
}

/** An overlay file with content, kept below `store`. */
export function overlayFile(store: string, path: string, content: string, mode = 0o644): NumberedEntry {
  const digest = sha256(content);
  writeTree(store, { [digest]: content });
  return overlayEntry(path, { mode, size: Buffer.byteLength(content), sha256: digest, content: join(store, digest) });
}

export function overlay(
  name: string,
  entries: readonly NumberedEntry[],
  deletions: readonly string[] = [],
): LayerSource {
  return { type: "overlay", name, entries, deletions, sourceDate_s: 1_000, digest: name };
}

export function treeLayer(path: string, sourceDate_s: number | undefined = 5_000): LayerSource {
  return { type: "tree", name: "root", path, identity: `test:${path}`, sourceDate_s };
}

export function packInput(cache: string, layers: readonly LayerSource[], fields: Partial<PackInput> = {}): PackInput {
  return {
    layers,
    excludes: [],
    nodes: [],
    init: "/init",
    compression: { codec: "gzip", level: 1 },
    sourceDate_s: 0,
    cache,
    ...fields,
  };
}

export function packEntry(path: string, fields: Partial<PackEntry> = {}): PackEntry {
  return {
    path,
    type: "file",
    mode: fields.type === "directory" ? 0o755 : 0o644,
    owner: 0,
    group: 0,
    modified_s: 0,
    size: 0,
    sha256: "",
    target: "",
    major: 0,
    minor: 0,
    linkSet: "",
    layer: "root",
    place: 0,
    source: undefined,
    ...fields,
  };
}
