import { RootloomError } from "../core/error.ts";

/** A file with updates of processors, as linux-firmware or Intel have it, or an early archive that holds such. */
export interface MicrocodeFile {
  /** For messages. */
  readonly place: string;
  readonly bytes: Uint8Array;
}

const FOLDER = "kernel/x86/microcode";
/** The kernel searches what stands in front of its initramfs in steps of four; images begin on a sector of their own. */
const BLOCK_BYTES = 512;
const HEADER_BYTES = 110;

/**
 * The archive that stands in front of an initramfs, uncompressed, with what the kernel looks for in it (its
 * Documentation/arch/x86/microcode.rst): all updates of a vendor in one file, in their order.
 * @throws RootloomError for a file that is no microcode.
 */
export function microcodeArchive(files: readonly MicrocodeFile[]): Uint8Array {
  const whole = files.filter(({ bytes }) => isArchive(bytes)).map(({ bytes }) => padded(bytes, BLOCK_BYTES));
  const loose = Map.groupBy(
    files.filter(({ bytes }) => !isArchive(bytes)),
    vendorOf,
  );
  if (loose.size === 0) return Buffer.concat(whole);
  const folders = FOLDER.split("/").map((_, index, all) => entry(all.slice(0, index + 1).join("/"), 0o040755));
  const updates = [...loose].sort(([one], [other]) => (one < other ? -1 : 1));
  const made = updates.map(([vendor, parts]) =>
    entry(`${FOLDER}/${vendor}.bin`, 0o100644, Buffer.concat(parts.map(({ bytes }) => bytes))),
  );
  const archive = Buffer.concat([...folders, ...made, entry("TRAILER!!!", 0)]);
  return Buffer.concat([...whole, padded(archive, BLOCK_BYTES)]);
}

function isArchive(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.subarray(0, 6)).toString("latin1") === "070701";
}

/** By the first word: AMD's magic number, or Intel's only version of its header. */
function vendorOf({ place, bytes }: MicrocodeFile): "AuthenticAMD" | "GenuineIntel" {
  const first = bytes.length < 4 ? 0 : new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
  if (first === 0x00414d44) return "AuthenticAMD";
  if (first === 1 && bytes.length % 1024 === 0) return "GenuineIntel";
  throw new RootloomError(`cannot use ${place} as microcode: it is neither AMD's nor Intel's, nor an early archive`, {
    hint: "name files of amd-ucode or intel-ucode, such as /lib/firmware/amd-ucode",
  });
}

/** An entry of a cpio archive. The same bytes always: no times, no owners but root. */
function entry(name: string, mode: number, content: Uint8Array = new Uint8Array()): Uint8Array {
  const links = mode >> 12 === 4 ? 2 : 1;
  const words = [0, mode, 0, 0, links, 0, content.length, 0, 0, 0, 0, name.length + 1, 0];
  const header = `070701${words.map((word) => word.toString(16).padStart(8, "0")).join("")}${name}\0`;
  const start = Buffer.alloc(Math.ceil((HEADER_BYTES + name.length + 1) / 4) * 4);
  start.write(header, "latin1");
  return Buffer.concat([start, padded(content, 4)]);
}

function padded(bytes: Uint8Array, to: number): Uint8Array {
  const whole = new Uint8Array(Math.ceil(bytes.length / to) * to);
  whole.set(bytes);
  return whole;
}
