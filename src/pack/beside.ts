import { randomBytes } from "node:crypto";
import type { Files, Writer } from "../host/ports.ts";

/** Whether a name is on the disk too when its file gets it; `unsynced`: whoever asks syncs the directory, once for all its files. */
export type Name = "synced" | "unsynced";

/** A file in the making. It gets its name when it is whole and synced, or leaves nothing behind. */
export interface FileBeside {
  readonly writer: Writer;
  /** Where it stands until then. */
  readonly path: string;
  readonly commit: (name?: Name) => void;
  /** For what is never believed without its digest: it may be lost, or be worthless, after a loss of power. */
  readonly commitUnsynced: () => void;
  /** Never fails: it is called because something else did. */
  readonly discard: () => void;
}

export function openBeside(files: Files, path: string, mode: number): FileBeside {
  const partial = `${path}.${randomBytes(6).toString("hex")}.partial`;
  const writer = files.openWriter(partial, mode);
  return {
    writer,
    path: partial,
    commit(name = "synced") {
      writer.sync();
      writer.close();
      files.rename(partial, path, name);
    },
    commitUnsynced() {
      writer.close();
      files.rename(partial, path, "unsynced");
    },
    discard() {
      writer.close();
      try {
        files.removeFile(partial);
      } catch {
        // The next start's sweep removes what ends in .partial.
      }
    },
  };
}

/** Writes a whole file: it gets its name when its content is synced, or leaves nothing behind. */
export function writeBeside<T>(files: Files, path: string, name: Name, write: (writer: Writer) => T): T {
  const output = openBeside(files, path, 0o644);
  try {
    const made = write(output.writer);
    output.commit(name);
    return made;
  } catch (thrown) {
    output.discard();
    throw thrown;
  }
}
