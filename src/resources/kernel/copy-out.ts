import { RootloomError } from "../../core/error.ts";
import type { Files } from "../../host/ports.ts";

const PART_BYTES = 1 << 20;

/** Copies a file that make left, resolved as in a cage: nothing outside of the tree is read through a link in it. */
export function copyOut(tree: string, from: string, to: string, files: Files): number {
  const reader = files.openTreeReader(tree, from);
  if (reader === undefined)
    throw new RootloomError(`cannot take the kernel: make left no ${from}`, { hint: "look at the build's log" });
  const writer = files.openWriter(to, 0o644);
  try {
    const part = new Uint8Array(PART_BYTES);
    for (let at = 0, count = reader.read(part, 0); count > 0; at += count, count = reader.read(part, at))
      writer.write(part.subarray(0, count));
    writer.sync();
    return writer.bytes;
  } finally {
    writer.close();
    reader.close();
  }
}
