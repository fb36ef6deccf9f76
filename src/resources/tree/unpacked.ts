import { posix } from "node:path";
import { unpackedEstimate_bytes } from "../../core/space.ts";
import type { ApplyContext } from "../types.ts";

const TAIL_BYTES = 4;
const ANY_CODE = Array.from({ length: 256 }, (_, code) => code);

/** What a tarball takes when it is unpacked, in bytes: as it says itself (xz, gzip), else by a usual ratio. */
export async function unpackedSize_bytes(
  path: string,
  { host: { files, processes }, signal }: Pick<ApplyContext, "host" | "signal">,
): Promise<number> {
  const size_bytes = files.stat(path)?.size ?? 0;
  const usual_bytes = unpackedEstimate_bytes(posix.basename(path), size_bytes);
  if (/\.(t?xz)$/.test(path)) {
    const { exitCode, stdout } = await processes.run({
      ...{ file: "xz", arguments: ["--robot", "--list", "--", path], signal, accept: ANY_CODE },
    });
    const [, , , , said] = (stdout.split("\n").find((line) => line.startsWith("file\t")) ?? "").split("\t");
    return exitCode === 0 && /^\d+$/.test(said ?? "") ? Number(said) : usual_bytes;
  }
  if (!/\.(t?gz)$/.test(path)) return usual_bytes;
  // The last member's size, modulo 4 GiB: less than the file where there are several members, or more than it can say.
  const reader = files.openReader(path);
  if (reader === undefined) return usual_bytes;
  try {
    const tail = new Uint8Array(TAIL_BYTES);
    reader.read(tail, Math.max(0, size_bytes - TAIL_BYTES));
    const said_bytes = new DataView(tail.buffer).getUint32(0, true);
    return said_bytes < size_bytes ? usual_bytes : said_bytes;
  } finally {
    reader.close();
  }
}
