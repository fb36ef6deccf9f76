/**
 * Entries: what a layer, a manifest and an overlay are made of.
 *
 * A `TreePath` is relative to the top of its tree, has no leading or trailing slash, and holds one
 * BYTE of the name in each character (latin1), so that names that are not UTF-8 survive and `<` on
 * strings is the order of bytes. The top itself is the empty string. Use `showPath` for people.
 */
export type TreePath = string;

export type EntryType = "file" | "directory" | "symlink" | "character" | "block" | "fifo" | "socket";

export interface Entry {
  readonly path: TreePath;
  readonly type: EntryType;
  /** Permission bits, 0 to 0o7777. */
  readonly mode: number;
  readonly owner: number;
  readonly group: number;
  /** Whole seconds since the epoch. */
  readonly modified_s: number;
  /** Bytes of content; for a symlink the length of its target, else 0. */
  readonly size: number;
  /** Lower-case hex sha256 of a regular file's content; empty for all else. */
  readonly sha256: string;
  /** Target bytes (latin1) of a symlink; empty for all else. */
  readonly target: string;
  readonly major: number;
  readonly minor: number;
  /** Names the hard link set within its layer (all members share it); empty when the link count is 1. */
  readonly linkSet: string;
}

/** The path as a person reads it: UTF-8 where it is, control characters and bad bytes as \xNN. */
export function showPath(path: TreePath): string {
  const bytes = Uint8Array.from(path, (character) => character.charCodeAt(0) & 0xff);
  const text = new TextDecoder().decode(bytes);
  const source = text.includes("�") ? path : text;
  return source.replace(/[\u0000-\u001f\u007f-\u009f\\]/g, (character) =>
    character === "\\" ? "\\\\" : `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}

/** A JavaScript (UTF-16) string to the byte-per-character form of its UTF-8. */
export function toTreePath(text: string): TreePath {
  // One byte a character is what plain ASCII is already.
  if (!/[^ -~]/.test(text)) return text;
  let path = "";
  for (const byte of new TextEncoder().encode(text)) path += String.fromCharCode(byte);
  return path;
}
