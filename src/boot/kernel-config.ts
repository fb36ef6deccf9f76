import { posix } from "node:path";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import type { TreePath } from "../core/entry.ts";
import type { KernelSource } from "../core/resource.ts";
import { type KernelSymbols, readKernelSymbols } from "../documents/kconfig.ts";
import type { Files } from "../host/ports.ts";
import type { Kernel } from "./kernel.ts";

/** What a kernel was configured to, and where that is said. */
export interface KernelConfiguration {
  readonly symbols: KernelSymbols;
  /** For people. */
  readonly place: string;
}

const UNPACKED_BYTES_MAX = 512 << 20;
const CONFIG_BYTES_MAX = 4 << 20;
/** Stand around the configuration in a kernel that has CONFIG_IKCONFIG, in a gzip. */
const START = "IKCFG_ST";
const END = "IKCFG_ED";

/** The configuration of a kernel that is there, from a file that distributions put beside it, or from itself; undefined where nothing tells it. */
export function findConfiguration(files: Files, source: KernelSource, kernel: Kernel): KernelConfiguration | undefined {
  return besideIt(files, source, kernel) ?? inItself(kernel);
}

function besideIt(files: Files, source: KernelSource, { release }: Kernel): KernelConfiguration | undefined {
  if (source.type === "tree") return inTree(files, source.top, release);
  const folder = posix.dirname(source.path);
  const places = [`${source.path}.config`, `${folder}/config-${release}`];
  for (const place of source.type === "built" ? [`${folder}/config`] : places) {
    const stat = files.stat(files.realPath(place) ?? place);
    if (stat?.type !== "file" || stat.size > CONFIG_BYTES_MAX) continue;
    return { symbols: readKernelSymbols([files.readText(place) ?? ""]), place };
  }
  return undefined;
}

function inTree(files: Files, top: string, release: string): KernelConfiguration | undefined {
  const modules = `lib/modules/${release}`;
  const tree = files.openTree(top);
  try {
    for (const path of [`boot/config-${release}`, `${modules}/config`, `${modules}/build/.config`]) {
      const real: TreePath | undefined = tree.resolve(path);
      const stat = real === undefined ? undefined : tree.stat(real);
      if (real === undefined || stat?.type !== "file" || stat.size > CONFIG_BYTES_MAX) continue;
      const text = Buffer.from(tree.read(real)).toString("utf8");
      return { symbols: readKernelSymbols([text]), place: `${top}/${path}` };
    }
    return undefined;
  } finally {
    tree.close();
  }
}

/** By digest: a kernel is unpacked once, not in each pass. */
const known = new Map<string, KernelSymbols | undefined>();
const KNOWN_MAX = 32;

function inItself(kernel: Kernel): KernelConfiguration | undefined {
  if (!known.has(kernel.sha256)) {
    if (known.size >= KNOWN_MAX) known.clear();
    known.set(kernel.sha256, embedded(kernel));
  }
  const symbols = known.get(kernel.sha256);
  return symbols === undefined ? undefined : { symbols, place: `the configuration in ${kernel.place}` };
}

function embedded({ bytes, architecture }: Kernel): KernelSymbols | undefined {
  const image = architecture === "arm64" ? unpacked(bytes) : unpacked(payloadOf(bytes));
  const start = image.indexOf(START);
  const end = start < 0 ? -1 : image.indexOf(END, start);
  if (end < 0) return undefined;
  try {
    const text = gunzipSync(image.subarray(start + START.length, end), { maxOutputLength: CONFIG_BYTES_MAX });
    return readKernelSymbols([text.toString("utf8")]);
  } catch {
    return undefined;
  }
}

/** What a bzImage unpacks when it starts (the kernel's Documentation/arch/x86/boot.rst: payload_offset, payload_length). */
function payloadOf(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const sectors = view.getUint8(0x1f1);
  const start = ((sectors === 0 ? 4 : sectors) + 1) * 512 + view.getUint32(0x248, true);
  return bytes.subarray(start, start + view.getUint32(0x24c, true));
}

/** What is packed otherwise (xz, lz4, lzo) is searched as it is, and nothing found in it. */
function unpacked(bytes: Uint8Array): Buffer {
  const [first, second] = bytes;
  const plain = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const limit = { maxOutputLength: UNPACKED_BYTES_MAX };
  try {
    if (first === 0x1f && second === 0x8b) return gunzipSync(bytes, limit);
    // The size of what it unpacks to stands behind it.
    if (first === 0x28 && second === 0xb5) return zstdDecompressSync(bytes.subarray(0, -4), limit);
    return plain;
  } catch {
    return plain;
  }
}
