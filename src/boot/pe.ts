import { RootloomError } from "../core/error.ts";

/** What is appended to a stub: its name (at most 8 bytes) and how much it holds. */
export interface Section {
  readonly name: string;
  readonly size_bytes: number;
}

/** A stub with room for further sections behind it. */
export interface PlacedSections {
  /** The stub with a header that knows them, up to where the first of them begins. */
  readonly start: Uint8Array;
  /** Where each begins in the file; what lies between is zeros. */
  readonly offsets: readonly number[];
  readonly size_bytes: number;
}

/** Offsets in the PE header, from its signature: Microsoft's "PE Format", for both PE32 and PE32+. */
const MACHINE = 4;
const COUNT = 6;
const OPTIONAL_SIZE = 20;
const OPTIONAL = 24;
const INITIALIZED_DATA = OPTIONAL + 8;
const SECTION_ALIGNMENT = OPTIONAL + 32;
const FILE_ALIGNMENT = OPTIONAL + 36;
const IMAGE_SIZE = OPTIONAL + 56;
const HEADERS_SIZE = OPTIONAL + 60;
const CHECKSUM = OPTIONAL + 64;
const SECTION_BYTES = 40;
/** Initialized data that may be read. */
const CHARACTERISTICS = 0x4000_0040;
/** Firmware maps whole pages. */
const PAGE_BYTES = 4096;
const SIZE_MAX = 2 ** 32;

/**
 * Places sections behind those of a stub, in memory and in the file, each on a page of its own. The same input gives the
 * same bytes.
 * @throws RootloomError where the stub is no EFI program, its header has no room for them, or they come to 4 GiB.
 */
export function placeSections(stub: Uint8Array, sections: readonly Section[]): PlacedSections {
  const image = Uint8Array.from(stub);
  const view = new DataView(image.buffer);
  const pe = peHeader(view);
  const count = view.getUint16(pe + COUNT, true);
  const table = pe + OPTIONAL + view.getUint16(pe + OPTIONAL_SIZE, true);
  const room = view.getUint32(pe + HEADERS_SIZE, true) - (table + count * SECTION_BYTES);
  if (room < sections.length * SECTION_BYTES) throw unusable("its header has no room for more sections");
  const fileAlignment = view.getUint32(pe + FILE_ALIGNMENT, true);
  const pageAlignment = Math.max(PAGE_BYTES, view.getUint32(pe + SECTION_ALIGNMENT, true));
  let address = endInMemory(view, table, count);
  let offset = align(image.length, fileAlignment);
  const start_bytes = offset;
  const offsets = sections.map(({ name, size_bytes }, index) => {
    address = align(address, pageAlignment);
    const raw_bytes = align(size_bytes, fileAlignment);
    if (address + raw_bytes >= SIZE_MAX || offset + raw_bytes >= SIZE_MAX) throw tooLarge();
    const at = table + (count + index) * SECTION_BYTES;
    image.set(Buffer.from(name.padEnd(8, "\0").slice(0, 8), "latin1"), at);
    for (const [position, value] of [size_bytes, address, raw_bytes, offset].entries())
      view.setUint32(at + 8 + 4 * position, value, true);
    view.setUint32(at + 36, CHARACTERISTICS, true);
    const begin = offset;
    address += size_bytes;
    offset += raw_bytes;
    return begin;
  });
  const added_bytes = offset - start_bytes;
  view.setUint16(pe + COUNT, count + sections.length, true);
  view.setUint32(pe + INITIALIZED_DATA, view.getUint32(pe + INITIALIZED_DATA, true) + added_bytes, true);
  view.setUint32(pe + IMAGE_SIZE, align(address, pageAlignment), true);
  // Nobody asks for the sum of an EFI program, and one that does not fit is worse than none.
  view.setUint32(pe + CHECKSUM, 0, true);
  const start = new Uint8Array(start_bytes);
  start.set(image);
  return { start, offsets, size_bytes: offset };
}

/** The sections of a PE file: name -> where its content is. */
export function readSections(
  image: Uint8Array,
): ReadonlyMap<string, { readonly offset: number; readonly size_bytes: number }> {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  const pe = peHeader(view);
  const table = pe + OPTIONAL + view.getUint16(pe + OPTIONAL_SIZE, true);
  const found = new Map<string, { readonly offset: number; readonly size_bytes: number }>();
  for (let index = 0; index < view.getUint16(pe + COUNT, true); index++) {
    const at = table + index * SECTION_BYTES;
    const [name = ""] = Buffer.from(image.subarray(at, at + 8))
      .toString("latin1")
      .split("\0");
    found.set(name, { offset: view.getUint32(at + 20, true), size_bytes: view.getUint32(at + 8, true) });
  }
  return found;
}

/** What a PE file says of the machine that it is for. */
export function machineOf(image: Uint8Array): number {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  return view.getUint16(peHeader(view) + MACHINE, true);
}

/** Where the header begins; all of it, with its table of sections, is there. */
function peHeader(view: DataView): number {
  if (view.byteLength < 0x200 || view.getUint16(0, true) !== 0x5a4d) throw unusable("it is no EFI program");
  const pe = view.getUint32(0x3c, true);
  if (pe + OPTIONAL + 240 > view.byteLength || view.getUint32(pe, true) !== 0x4550)
    throw unusable("it is no EFI program");
  const table = pe + OPTIONAL + view.getUint16(pe + OPTIONAL_SIZE, true);
  const end = Math.max(
    view.getUint32(pe + HEADERS_SIZE, true),
    table + view.getUint16(pe + COUNT, true) * SECTION_BYTES,
  );
  if (end > view.byteLength) throw unusable("it is no EFI program");
  return pe;
}

function endInMemory(view: DataView, table: number, count: number): number {
  let end = 0;
  for (let index = 0; index < count; index++) {
    const at = table + index * SECTION_BYTES;
    end = Math.max(end, view.getUint32(at + 8, true) + view.getUint32(at + 12, true));
  }
  return end;
}

function align(value: number, to: number): number {
  return Math.ceil(value / to) * to;
}

function unusable(why: string): RootloomError {
  return new RootloomError(`cannot use the EFI stub: ${why}`, {
    hint: "name systemd's EFI stub: `boot.stub`; apt-get install systemd-boot-efi",
  });
}

function tooLarge(): RootloomError {
  return new RootloomError("cannot put kernel and initramfs into one EFI file: they come to more than 4 GiB", {
    hint: "leave more of the root out, compress it with zstd, or take `boot.form: entry`",
  });
}
