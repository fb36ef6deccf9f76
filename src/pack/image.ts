import { RootloomError } from "../core/error.ts";
import type { Files, JobContext } from "../host/ports.ts";
import { openBeside } from "./beside.ts";
import { keepImage, type LastImage } from "./last-image.ts";
import { type FoundSegments, Line, type WrittenImage } from "./line.ts";
import { findSegment, type SegmentSettings, type StoredSegment, segmentPath } from "./segment-cache.ts";
import type { Segment } from "./segments.ts";
import { ImageWriter } from "./splice.ts";
import { noteUse } from "./used.ts";

/** To compress so much, what is still in the making, takes longer than to wait for the disk. */
const MUCH_BYTES = 4 << 20;

/** Looks up every segment whose contents were all read before: in the image before, else in the cache. */
export function findSegments(
  context: JobContext,
  settings: SegmentSettings,
  segments: readonly Segment[],
  last: LastImage | undefined,
): FoundSegments {
  return segments.map((segment) => ({ segment, stored: findOne(context, settings, segment, last) }));
}

/**
 * Writes the image beside and renames it: found segments from where they are, the others made, and the trailer as a last
 * small member. While one segment is read, others are compressed on the threads of the pool; they are written in order.
 * An image packed from nothing is read back as a whole; the more so while others are compressed, the less at the end.
 * @param meanwhile what else there is to do when every content was hashed: others compress, or the disk is waited for.
 */
export async function writeImage(
  context: JobContext,
  settings: SegmentSettings,
  found: FoundSegments,
  path: string,
  last: LastImage | undefined,
  meanwhile: () => void,
): Promise<WrittenImage> {
  const start = last?.commonStart(found.map(({ stored }) => stored?.path)) ?? [];
  const output = openBeside(settings.files, path, 0o644);
  const writer = new ImageWriter(settings.files, output);
  const line = new Line(context, settings, writer, found);
  try {
    line.begin(found);
    if (last) writer.startWith(last.path, start);
    line.skip(start);
    for (const each of found.slice(start.length)) await line.add(each.segment, each.stored);
    const isEarly = line.compressing_bytes >= MUCH_BYTES;
    if (isEarly) meanwhile();
    const image = { ...(await line.finish()), size_bytes: output.writer.bytes };
    const synced = output.writer.syncLater();
    try {
      if (line.isFromNothing && !writer.readsBack(image.sha256)) throw giveUp(settings.files, path, image.used);
      if (!isEarly) meanwhile();
    } finally {
      await synced;
    }
    output.commit("unsynced");
    keepImage(settings.files, path, image.sha256, writer.milestones);
    return image;
  } catch (thrown) {
    await line.idle();
    output.discard();
    throw thrown;
  } finally {
    writer.close();
  }
}

/** What an image was made of that does not read back is not used again: the next try begins with nothing, too. */
function giveUp(files: Files, path: string, segments: ReadonlySet<string>): RootloomError {
  for (const segment of segments) files.removeFile(segment);
  return new RootloomError(`cannot pack ${path}: it did not read back as it was written`, {
    hint: "the disk may be faulty; it is tried again",
    retry: "transient",
  });
}

function findOne(
  context: JobContext,
  { files, cache, compression }: SegmentSettings,
  segment: Segment,
  last: LastImage | undefined,
): StoredSegment | undefined {
  if (!segment.isRead) return undefined;
  const path = segmentPath(cache, segment, compression);
  const found = last?.find(path) ?? findSegment(files, path);
  if (found) noteUse(files, found.path, context.now_ms());
  return found;
}
