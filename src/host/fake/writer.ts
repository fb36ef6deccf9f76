import type { Writer } from "../ports.ts";
import { contentSize, startOf } from "./content.ts";
import { attempt, ErrnoError } from "./errno.ts";
import type { FileContext } from "./file-context.ts";
import { encode } from "./kernel.ts";

/** Bytes are gathered and become the content at each sync and at the close. */
export function openFakeWriter(context: FileContext, path: string, mode: number): Writer {
  if (context.kernel.look(encode(path))?.inode.type === "symlink") throw new ErrnoError("ELOOP", path);
  const inode = context.kernel.open(encode(path), mode, true);
  inode.mode = mode;
  const { fileSystem } = inode;
  let written = new Uint8Array(4096);
  let size = 0;
  let flushed = 0;
  const flush = (): void => {
    if (flushed === size) return;
    fileSystem.setContent(inode, { kind: "bytes", bytes: written.slice(0, size) });
    flushed = size;
  };
  const write = (bytes: Uint8Array): void => {
    const growth = size + bytes.length - contentSize(inode.content);
    if (fileSystem.used_bytes + growth > fileSystem.capacity_bytes) {
      flush();
      throw new ErrnoError("ENOSPC", path);
    }
    if (size + bytes.length > written.length) {
      const larger = new Uint8Array(Math.max(written.length * 2, size + bytes.length));
      larger.set(written.subarray(0, size));
      written = larger;
    }
    written.set(bytes, size);
    size += bytes.length;
  };
  return {
    write: (bytes) => attempt("write", path, () => write(bytes)),
    writeLater: async (bytes) => attempt("write", path, () => write(bytes)),
    syncLater: async () => flush(),
    startWith: (other, length_bytes) =>
      attempt("write", path, () => {
        write(startOf(context.kernel.get(encode(other), true).inode.content, length_bytes));
        return "copy";
      }),
    sync: () =>
      attempt("sync", path, () => {
        context.point("synced", path);
        flush();
        fileSystem.sync(inode);
      }),
    close: () => attempt("write", path, flush),
    get bytes() {
      return size;
    },
  };
}
