import { BEGINNING_BYTES, compressionOf, unpackedEstimate_bytes } from "../../core/space.ts";
import type { Files } from "../../host/ports.ts";
import type { ApplyContext } from "../types.ts";

const TAIL_BYTES = 4;
const ANY_CODE = Array.from({ length: 256 }, (_, code) => code);

/** What a tarball takes when it is unpacked, in bytes: as it says itself (xz, gzip), else by a usual ratio. */
export async function unpackedSize_bytes(
  path: string,
  { host: { files, processes }, signal }: Pick<ApplyContext, "host" | "signal">,
): Promise<number> {
  const size_bytes = files.stat(path)?.size ?? 0;
  const compression = compressionOf(hexAt(path, 0, BEGINNING_BYTES, files));
  const usual_bytes = unpackedEstimate_bytes(compression, size_bytes);
  if (compression === "xz") {
    const { exitCode, stdout } = await processes.run({
      ...{ file: "xz", arguments: ["--robot", "--list", "--", path], signal, accept: ANY_CODE },
    });
    const [, , , , said] = (stdout.split("\n").find((line) => line.startsWith("file\t")) ?? "").split("\t");
    return exitCode === 0 && /^\d+$/.test(said ?? "") ? Number(said) : usual_bytes;
  }
  if (compression !== "gzip") return usual_bytes;
  // The last member's size, modulo 4 GiB: less than the file where there are several members, or more than it can say.
  const tail = Buffer.from(hexAt(path, Math.max(0, size_bytes - TAIL_BYTES), TAIL_BYTES, files), "hex");
  const said_bytes = tail.length === TAIL_BYTES ? tail.readUInt32LE() : 0;
  return said_bytes < size_bytes ? usual_bytes : said_bytes;
}

/** Bytes of a file in hex; fewer where it ends. */
function hexAt(path: string, at: number, count: number, files: Files): string {
  const reader = files.openReader(path);
  if (reader === undefined) return "";
  try {
    const bytes = Buffer.alloc(count);
    return bytes.subarray(0, reader.read(bytes, at)).toString("hex");
  } finally {
    reader.close();
  }
}
