import type { JobMap } from "../host/jobs.ts";
import type { JobContext } from "../host/ports.ts";
import { decompressStream } from "./compress.ts";
import { ImageCheck } from "./image-check.ts";
import { readManifest } from "./manifest.ts";
import { readChunks } from "./segment-cache.ts";

/**
 * Reads an image back through all its members and compares every entry and every byte of content with
 * its manifest. Problems are told, not thrown.
 */
export async function verifyImage(
  context: JobContext,
  input: JobMap["verify"]["input"],
): Promise<JobMap["verify"]["output"]> {
  const check = new ImageCheck(readManifest(context.files, input.manifest));
  const size_bytes = context.files.stat(input.image)?.size;
  if (size_bytes === undefined) return { entries: 0, problems: [`${input.image} does not exist`] };
  const chunks = withProgress(readChunks(context.files, input.image, 0, size_bytes), context, size_bytes);
  try {
    for await (const chunk of decompressStream(chunks, input.codec)) check.push(chunk);
  } catch (thrown) {
    check.report(`its compressed stream is damaged: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
  }
  return check.finish();
}

function* withProgress(chunks: Iterable<Uint8Array>, context: JobContext, total_bytes: number): Generator<Uint8Array> {
  let done_bytes = 0;
  for (const chunk of chunks) {
    if (context.cancelled()) return;
    done_bytes += chunk.length;
    context.progress(done_bytes, total_bytes);
    yield chunk;
  }
}
