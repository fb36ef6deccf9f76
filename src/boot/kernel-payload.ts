import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { asRootloomError, RootloomError } from "../core/error.ts";
import type { Host } from "../host/ports.ts";
import { withoutRights } from "../host/unprivileged.ts";
import type { Kernel } from "./kernel.ts";

const UNPACKED_BYTES_MAX = 512 << 20;
const TIMEOUT_MS = 60_000;
const PART_BYTES = 1 << 20;

/** Forms that Node has no decoder for, by their first bytes in hex (the kernel's lib/decompress.c), with the tool of each. */
const TOOLS = [
  { magic: "fd377a585a00", tool: "xz" },
  { magic: "02214c18", tool: "lz4" },
  { magic: "894c5a4f", tool: "lzop" },
  { magic: "425a68", tool: "bzip2" },
  { magic: "5d0000", tool: "lzma" },
] as const;

/** What a kernel unpacks when it starts, or completes "it ..." for why that cannot be seen. */
export type Payload = { readonly bytes: Buffer } | { readonly why: string };

export async function unpackKernel(
  { bytes, architecture }: Pick<Kernel, "bytes" | "architecture">,
  { processes }: Pick<Host, "processes">,
  signal: AbortSignal | undefined,
): Promise<Payload> {
  const packed = architecture === "arm64" ? bytes : payloadOf(bytes);
  // Behind all but a gzip stands the size of what it unpacks to.
  const sized = packed.subarray(0, -4);
  const start = Buffer.from(packed.subarray(0, 6)).toString("hex");
  const limit = { maxOutputLength: UNPACKED_BYTES_MAX };
  try {
    if (start.startsWith("1f8b")) return { bytes: gunzipSync(packed, limit) };
    if (start.startsWith("28b52ffd")) return { bytes: zstdDecompressSync(sized, limit) };
  } catch {
    return { why: "cannot be unpacked" };
  }
  const found = TOOLS.find(({ magic }) => start.startsWith(magic));
  if (found === undefined) return { bytes: Buffer.from(packed.buffer, packed.byteOffset, packed.byteLength) };
  if (processes.find(found.tool) === undefined) return { why: `is packed by ${found.tool}, which is not installed` };
  return unpackByTool(found.tool, sized, processes, signal);
}

/** As nobody: the kernel may be of a root. */
async function unpackByTool(
  tool: string,
  packed: Uint8Array,
  processes: Host["processes"],
  signal: AbortSignal | undefined,
): Promise<Payload> {
  const parts: Uint8Array[] = [];
  let size_bytes = 0;
  const [file = tool, ...arguments_] = [...withoutRights(processes.userId), tool, "-dc"];
  try {
    await processes.run({
      file,
      arguments: arguments_,
      inputParts: partsOf(packed),
      timeout_ms: TIMEOUT_MS,
      signal,
      onOutput: (part) => {
        size_bytes += part.length;
        if (size_bytes > UNPACKED_BYTES_MAX) throw new RootloomError("cannot unpack the kernel: it comes to too much");
        parts.push(Uint8Array.from(part));
      },
    });
    return { bytes: Buffer.concat(parts) };
  } catch (thrown) {
    signal?.throwIfAborted();
    return { why: `cannot be unpacked: ${asRootloomError(thrown).message}` };
  }
}

async function* partsOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += PART_BYTES) yield bytes.subarray(at, at + PART_BYTES);
}

/** What a bzImage unpacks (the kernel's Documentation/arch/x86/boot.rst: payload_offset, payload_length). */
function payloadOf(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const sectors = view.getUint8(0x1f1);
  const start = ((sectors === 0 ? 4 : sectors) + 1) * 512 + view.getUint32(0x248, true);
  return bytes.subarray(start, start + view.getUint32(0x24c, true));
}
