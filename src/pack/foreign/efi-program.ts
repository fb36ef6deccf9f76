import { readSections } from "../../boot/pe.ts";
import { asRootloomError } from "../../core/error.ts";
import type { Reader } from "../../host/ports.ts";

/** The header of a stub, with its table of sections. */
const START_BYTES = 64 << 10;

/** What of a file is an initramfs: of a unified kernel image its section, of any other all of it. */
export function initramfsIn(reader: Reader): { readonly reader: Reader; readonly begin_bytes: number } {
  const section = sectionOf(reader);
  if (section === undefined) return { reader, begin_bytes: 0 };
  const { offset, size_bytes } = section;
  const sliced: Reader = {
    ...reader,
    stat: () => ({ ...reader.stat(), size: size_bytes }),
    read: (into, position) => {
      const left = Math.max(0, size_bytes - position);
      return left === 0 ? 0 : reader.read(into.subarray(0, Math.min(into.length, left)), offset + position);
    },
  };
  return { reader: sliced, begin_bytes: offset };
}

function sectionOf(reader: Reader): { readonly offset: number; readonly size_bytes: number } | undefined {
  const start = new Uint8Array(START_BYTES);
  const length = reader.read(start, 0);
  if (start[0] !== 0x4d || start[1] !== 0x5a) return undefined;
  try {
    return readSections(start.subarray(0, length)).get(".initrd");
  } catch (thrown) {
    // A kernel, or something else that begins like one: what it is is said by whoever reads on.
    asRootloomError(thrown);
    return undefined;
  }
}
