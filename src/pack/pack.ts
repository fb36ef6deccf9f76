import { RootloomError } from "../core/error.ts";
import type { JobMap } from "../host/jobs.ts";
import type { JobContext } from "../host/ports.ts";
import { openBeside } from "./beside.ts";
import { checkContent, checkOrder, checkSpace, explainFullDisk } from "./checks.ts";
import { compose } from "./compose.ts";
import { writeManifest } from "./manifest.ts";
import { trailer } from "./newc.ts";
import { describeMemory } from "./notes.ts";
import { cancelled } from "./scan-layer.ts";
import { findSegment, makeSegment, type StoredSegment, segmentPath } from "./segment-cache.ts";
import { cutSegments, type Segment } from "./segments.ts";
import { checkWritten, splice } from "./splice.ts";
import { sweepSegments } from "./sweep.ts";
import { noteUse } from "./used.ts";

type PackJob = JobMap["pack"];

/** Segments being compressed at one time, and their bytes: a large one goes alone. */
const IN_FLIGHT_MAX = 2;
const IN_FLIGHT_BYTES_MAX = 32 << 20;
const SPLICE_ATTEMPTS = 3;

/**
 * Packs an image and its manifest: merge, cut, compress what the cache lacks, splice. Every new segment
 * is read back entry by entry before it is used, every reused one is checked by its digest, and an
 * image packed from nothing is read once more as a whole. Both files get their names only when they are whole.
 * @throws RootloomError for bad layers, an empty root, a missing init, no space (waiting), files that keep changing (transient).
 */
export async function pack(context: JobContext, input: PackJob["input"]): Promise<PackJob["output"]> {
  try {
    return await packUnchecked(context, input);
  } catch (thrown) {
    throw explainFullDisk(thrown, input.image);
  }
}

async function packUnchecked(context: JobContext, input: PackJob["input"]): Promise<PackJob["output"]> {
  const { files } = context;
  const composition = await compose(context, input, { attributes: true });
  const { entries } = composition;
  checkContent(entries, input.init);
  const segments = cutSegments(entries);
  checkOrder(segments, entries.length);
  files.makeDirectories(`${input.cache}/segments`, 0o700);
  const stored = segments.map((segment) => findSegment(files, segmentPath(input.cache, segment, input.compression)));
  for (const found of stored) if (found !== undefined) noteUse(files, found.path, context.now_ms());
  const segmentsReused = stored.filter((segment) => segment !== undefined).length;
  checkSpace(files, {
    cache: `${input.cache}/segments`,
    image: input.image,
    codec: input.compression.codec,
    reused_bytes: stored.reduce((sum, segment) => sum + (segment?.size_bytes ?? 0), 0),
    missing_bytes: segments.reduce((sum, segment, index) => sum + (stored[index] ? 0 : segment.raw_bytes), 0),
  });
  const image = await writeImage(context, input, segments, stored);
  const manifest = writeManifest(files, input.manifest, entries);
  if (segmentsReused === 0) checkWritten(files, input.image, image.sha256);
  if (segmentsReused < segments.length) {
    const used = new Set(segments.map((segment) => segmentPath(input.cache, segment, input.compression)));
    sweepSegments(files, input.cache, used, image.size_bytes, context.now_ms() / 1000);
  }
  return {
    sha256: image.sha256,
    size_bytes: image.size_bytes,
    uncompressed_bytes: segments.reduce((sum, segment) => sum + segment.raw_bytes, trailer().length),
    entries: entries.length,
    segments: segments.length,
    segmentsReused,
    manifestSha256: manifest.sha256,
    notes: [...composition.notes, describeMemory(entries)],
    layers: composition.layers,
  };
}

async function writeImage(
  context: JobContext,
  input: PackJob["input"],
  segments: readonly Segment[],
  found: readonly (StoredSegment | undefined)[],
): Promise<{ readonly sha256: string; readonly size_bytes: number }> {
  const stored = found.slice();
  for (let attempt = 0; attempt < SPLICE_ATTEMPTS; attempt++) {
    const whole = await makeMissing(context, input, segments, stored);
    const output = openBeside(context.files, input.image, 0o644);
    try {
      const spliced = await splice(context.files, output.writer, whole, input.compression);
      if (spliced.type === "whole") {
        output.commit();
        return { sha256: spliced.sha256, size_bytes: output.writer.bytes };
      }
      output.discard();
      stored[spliced.index] = undefined;
    } catch (thrown) {
      output.discard();
      throw thrown;
    }
  }
  throw new RootloomError("cannot pack: cached segments were found damaged again and again", {
    hint: `check the disk that holds ${input.cache}`,
    retry: "transient",
  });
}

/** Fills the gaps in `stored`, two segments at a time. On a failure the others are awaited first. */
async function makeMissing(
  context: JobContext,
  input: PackJob["input"],
  segments: readonly Segment[],
  stored: (StoredSegment | undefined)[],
): Promise<readonly StoredSegment[]> {
  const total_bytes = segments.reduce((sum, segment, index) => sum + (stored[index] ? 0 : segment.raw_bytes), 0);
  const inFlight = new Set<Promise<void>>();
  let done_bytes = 0;
  let pending_bytes = 0;
  let failure: { readonly thrown: unknown } | undefined;
  const start = async (segment: Segment, index: number) => {
    pending_bytes += segment.raw_bytes;
    try {
      const path = segmentPath(input.cache, segment, input.compression);
      stored[index] = await makeSegment(context.files, segment, input.compression, path);
      done_bytes += segment.raw_bytes;
      context.progress(done_bytes, total_bytes);
    } catch (thrown) {
      failure ??= { thrown };
    } finally {
      pending_bytes -= segment.raw_bytes;
    }
  };
  for (const [index, segment] of segments.entries()) {
    if (stored[index]) continue;
    const isFull = () => inFlight.size >= IN_FLIGHT_MAX || pending_bytes + segment.raw_bytes > IN_FLIGHT_BYTES_MAX;
    while (inFlight.size > 0 && isFull()) await Promise.race(inFlight);
    if (context.cancelled()) failure ??= { thrown: cancelled() };
    if (failure) break;
    const making: Promise<void> = start(segment, index).finally(() => inFlight.delete(making));
    inFlight.add(making);
  }
  await Promise.all(inFlight);
  if (failure) throw failure.thrown;
  return stored.filter((segment) => segment !== undefined);
}
