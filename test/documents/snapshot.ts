import { createHash } from "node:crypto";
import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { join } from "node:path";
import { toTreePath } from "../../src/core/entry.ts";
import { isText } from "../../src/source/texts.ts";
import type { Snapshot, SourceFile } from "../../src/source/types.ts";

/** A file of a made-up tree: its text, or more where that matters. */
export type Written = string | { readonly text: string; readonly executable?: boolean } | { readonly link: string };

/** A snapshot as the source makes it of a commit with these files below `desired/`. */
export function snapshotOf(files: Readonly<Record<string, Written>>, more: Partial<Snapshot> = {}): Snapshot {
  const entries = Object.entries(files).map(([path, written]) => toFile(path, written));
  const texts = new Map(
    Object.entries(files).flatMap(([path, written]) => {
      const text = typeof written === "string" ? written : "text" in written ? written.text : undefined;
      return text !== undefined && /\.(ya?ml|kconfig)$/.test(path) ? [[toTreePath(path), text] as const] : [];
    }),
  );
  const bound = { revision: "0123abcd", treeHash: "4567", subject: "test", author: "Test", prefix: "desired" };
  const files_ = entries.sort((left, right) => (left.path < right.path ? -1 : 1));
  return { ...bound, files: files_, texts, problems: [], ...more };
}

/** The same from a folder on disk. */
export function snapshotOfDirectory(directory: string): Snapshot {
  const files: Record<string, Written> = {};
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (entry.isDirectory()) continue;
    const absolute = join(entry.parentPath, entry.name);
    const path = absolute.slice(directory.length + 1);
    if (entry.isSymbolicLink()) files[path] = { link: readlinkSync(absolute) };
    else {
      const executable = (statSync(absolute).mode & 0o100) !== 0;
      files[path] = { text: readFileSync(absolute, "utf8"), executable };
    }
  }
  return snapshotOf(files);
}

export const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

function toFile(path: string, written: Written): SourceFile {
  const base = { path: toTreePath(path), executable: false, oid: sha256(JSON.stringify(written)).slice(0, 40) };
  if (typeof written === "object" && "link" in written) {
    return { ...base, type: "symlink", size: written.link.length, sha256: "", target: written.link, content: "" };
  }
  const { text, executable = false } = typeof written === "string" ? { text: written } : written;
  // What is read as text is in no file of the cache.
  const content = isText(path) ? "" : `/cache/blobs/${path}`;
  return {
    ...base,
    type: "file",
    executable,
    size: Buffer.byteLength(text),
    sha256: sha256(text),
    target: "",
    content,
  };
}
