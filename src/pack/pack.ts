import { asRootloomError } from "../core/error.ts";
import type { JobMap, LayerDigest } from "../host/jobs.ts";
import type { JobContext } from "../host/ports.ts";
import { checkCount, checkProgram, checkSpace, explainFullDisk } from "./checks.ts";
import { composeUnread, type UnreadComposition } from "./compose.ts";
import { CHANGED } from "./content.ts";
import { cutSegments } from "./cut.ts";
import { findSegments, writeImage } from "./image.ts";
import { writeImageManifest } from "./image-manifest.ts";
import { recallImage } from "./last-image.ts";
import type { FoundSegments } from "./line.ts";
import { trailer } from "./newc.ts";
import { describeMemory } from "./notes.ts";
import { Room } from "./room.ts";
import type { SegmentSettings } from "./segment-cache.ts";
import { sweepSegments } from "./sweep.ts";

type PackJob = JobMap["pack"];

/**
 * Packs an image and its manifest: merge, cut, read and compress what the cache lacks, splice. Every new segment is
 * read back entry by entry before the image gets its name, every one from the cache is checked by its digest, and an
 * image packed from nothing is read once more as a whole. Both files get their names only when they are whole and synced;
 * the names themselves are left for whoever asks, who has more to write in that directory.
 *
 * A file is read once, into its segment. One that changes while that goes on, or has since the tree was scanned, makes the whole
 * tree be looked at again and hashed first, and read again where it changed; so does a segment that goes from the cache meanwhile, or
 * an image before that changes: then nothing of that is used.
 * @throws RootloomError for bad layers, an empty root, a missing init, no space (waiting), files that keep changing (transient).
 */
export async function pack(context: JobContext, input: PackJob["input"]): Promise<PackJob["output"]> {
  try {
    const composition = await composeUnread(context, input, { attributes: true, later: true });
    try {
      return await packComposition(context, input, composition);
    } catch (thrown) {
      if (context.cancelled() || asRootloomError(thrown).condition !== CHANGED) throw thrown;
      const afresh = { ...input, seen: undefined, previous: undefined };
      return await packComposition(context, afresh, await composeUnread(context, afresh, { attributes: true }));
    }
  } catch (thrown) {
    throw explainFullDisk(thrown, input.image);
  }
}

async function packComposition(
  context: JobContext,
  input: PackJob["input"],
  { entries, unread, layers, notes }: UnreadComposition,
): Promise<PackJob["output"]> {
  const { files } = context;
  checkProgram(entries, input.init);
  const segments = cutSegments(entries);
  checkCount(segments, entries.length);
  const settings: SegmentSettings = {
    files,
    unread,
    cache: input.cache,
    compression: input.compression,
    room: new Room(entries.length),
  };
  files.makeDirectories(`${input.cache}/segments`, 0o700);
  const last = recallImage(files, input.previous);
  const found = findSegments(context, settings, segments, last);
  requireSpace(input, found, settings);
  let manifestSha256 = "";
  let digests: readonly LayerDigest[] = [];
  const image = await writeImage(context, settings, found, input.image, last, () => {
    unread?.finish();
    manifestSha256 = writeImageManifest(files, input.manifest, entries, input.previous?.manifest);
    digests = layers();
  });
  if (image.segmentsReused < segments.length)
    sweepSegments(files, input.cache, image.used, image.size_bytes, context.now_ms() / 1000);
  return {
    sha256: image.sha256,
    size_bytes: image.size_bytes,
    uncompressed_bytes: segments.reduce((sum, segment) => sum + segment.raw_bytes, trailer().length),
    entries: entries.length,
    segments: segments.length,
    segmentsReused: image.segmentsReused,
    manifestSha256,
    notes: [...notes, describeMemory(segments.reduce((sum, { memory_bytes }) => sum + memory_bytes, 0))],
    layers: digests,
  };
}

function requireSpace(
  input: PackJob["input"],
  found: FoundSegments,
  { files, cache, compression }: SegmentSettings,
): void {
  checkSpace(files, {
    cache: `${cache}/segments`,
    image: input.image,
    codec: compression.codec,
    reused_bytes: found.reduce((sum, { stored }) => sum + (stored?.size_bytes ?? 0), 0),
    missing_bytes: found.reduce((sum, { segment, stored }) => sum + (stored ? 0 : segment.raw_bytes), 0),
  });
}
