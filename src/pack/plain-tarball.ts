import { createHash } from "node:crypto";
import { RootloomError } from "../core/error.ts";
import type { LayerSource } from "../host/jobs.ts";
import type { Files, JobContext } from "../host/ports.ts";
import { openBeside } from "./beside.ts";
import { decompressStream } from "./compress.ts";
import { formatSize } from "./notes.ts";
import { cancelled } from "./scan-layer.ts";
import { readChunks } from "./segment-cache.ts";

type TarballSource = Extract<LayerSource, { readonly type: "tarball" }>;

/** Where a tarball stands once it is decompressed. */
export function plainTarballPath(cache: string, sha256: string): string {
  return `${cache}/tarballs/${sha256}.tar`;
}

/**
 * Path of the tarball without its compression.
 * @throws RootloomError when it unpacks to more than is declared, or than there is room for.
 */
export async function plainTarball(context: JobContext, source: TarballSource, cache: string): Promise<string> {
  const path = await decompressed(context, source, cache);
  const { maxSize_bytes = Number.POSITIVE_INFINITY } = source;
  if ((context.files.stat(path)?.size ?? 0) > maxSize_bytes) throw aboveDeclared(source.path, maxSize_bytes);
  return path;
}

async function decompressed(context: JobContext, source: TarballSource, cache: string): Promise<string> {
  const path = plainTarballPath(cache, source.sha256);
  if (context.files.stat(path)) return path;
  const codec = codecOf(context.files, source.path);
  if (codec === "none") return source.path;
  context.files.makeDirectories(`${cache}/tarballs`, 0o700);
  const limit = plainLimit(context.files, cache, source.maxSize_bytes);
  const output = openBeside(context.files, path, 0o600);
  try {
    const size_bytes = context.files.stat(source.path)?.size ?? 0;
    // Hashed once more on the way: what is unpacked is what was declared, even if the file was just swapped.
    const given = createHash("sha256");
    const chunks = observe(readChunks(context.files, source.path, 0, size_bytes), (chunk) => given.update(chunk));
    for await (const chunk of decompressStream(chunks, codec)) {
      if (context.cancelled()) throw cancelled();
      if (output.writer.bytes + chunk.length > limit.bytes) throw limit.exceeded(source.path);
      output.writer.write(chunk);
    }
    if (given.digest("hex") !== source.sha256) {
      throw new RootloomError(`cannot use the tarball ${source.path}: it changed while it was read`);
    }
    output.commit();
    return path;
  } catch (thrown) {
    output.discard();
    if (thrown instanceof RootloomError) throw thrown;
    throw new RootloomError(`cannot decompress the tarball ${source.path}: ${String(thrown)}`, { cause: thrown });
  }
}

/** What a tarball may take without its compression, and what is said of one that takes more. */
export interface PlainLimit {
  readonly bytes: number;
  readonly exceeded: (path: string) => RootloomError;
}

/** What is declared, and never so much that it fills the disk that others need. */
export function plainLimit(files: Files, cache: string, declared_bytes = Number.POSITIVE_INFINITY): PlainLimit {
  const room_bytes = Math.floor(files.freeSpace_bytes(cache) * 0.9);
  if (declared_bytes <= room_bytes)
    return { bytes: declared_bytes, exceeded: (path) => aboveDeclared(path, declared_bytes) };
  return { bytes: room_bytes, exceeded: (path) => aboveRoom(path, cache, room_bytes) };
}

function aboveRoom(path: string, cache: string, limit_bytes: number): RootloomError {
  const why = `it unpacks to more than ${formatSize(limit_bytes)}, nine tenths of what is free in ${cache}`;
  return new RootloomError(`cannot decompress the tarball ${path}: ${why}`, {
    hint: "look whether it is the tarball that you mean; make room, or give a cache on a larger disk with --cache",
    retry: "waiting",
    // Not NoSpace: older generations must not go for it.
    condition: "TooLarge",
  });
}

/** Of a tarball that unpacks to more than the document allows. */
export function aboveDeclared(path: string, limit_bytes: number): RootloomError {
  return new RootloomError(
    `cannot unpack the tarball ${path}: it holds more than its maxSize of ${formatSize(limit_bytes)}`,
    {
      hint: "look whether it is the tarball that you mean; if it is, raise `maxSize`",
      retry: "terminal",
      condition: "TooLarge",
    },
  );
}

function* observe(chunks: Iterable<Uint8Array>, onChunk: (chunk: Uint8Array) => void): Generator<Uint8Array> {
  for (const chunk of chunks) {
    onChunk(chunk);
    yield chunk;
  }
}

function codecOf(files: Files, path: string): "gzip" | "zstd" | "none" {
  const [first] = readChunks(files, path, 0, 6);
  const magic = Buffer.from(first ?? []).toString("hex");
  if (magic.startsWith("1f8b")) return "gzip";
  if (magic.startsWith("28b52ffd")) return "zstd";
  const tool = magic.startsWith("fd377a585a00") ? "xz" : magic.startsWith("425a68") ? "bzip2" : undefined;
  if (tool === undefined) return "none";
  // A pass has it decompressed by the tool before the packer comes here.
  throw new RootloomError(`cannot read the tarball ${path}: it is compressed by ${tool}`, {
    hint: `a worker reads gzip and zstd only; ${tool} must have decompressed it into the cache before`,
    retry: "transient",
  });
}
