import { showPath } from "../core/entry.ts";
import type { Host } from "../host/ports.ts";
import { differences, whatDiffersAtAll } from "../pack/differences.ts";
import { collectImage } from "../pack/foreign/collect-image.ts";
import { readManifest } from "../pack/manifest.ts";
import type { ManifestEntry } from "../pack/types.ts";

interface Image {
  readonly image: string;
  readonly manifest: string;
}

const CHUNK_BYTES = 1 << 20;

/** Names the first entry at which two images of one format differ, by their manifests, else by what they hold; else the first byte. */
export async function firstDifference(host: Host, before: Image, after: Image): Promise<string> {
  const manifests = [before, after].map(({ manifest }) => readManifest(host.files, manifest));
  const planned = named(manifests[0] ?? [], manifests[1] ?? []);
  if (planned !== undefined) return planned;
  const where = `byte ${firstByte(host, before.image, after.image)}`;
  if (!/\.cpio(\.\w+)?$/.test(before.image)) return `the manifests are the same, the first differing byte is ${where}`;
  try {
    const held = [await collectImage(host, before.image, {}), await collectImage(host, after.image, {})] as const;
    return named(...held) ?? `all entries are the same, the bytes differ from ${where} on`;
  } catch (thrown) {
    return `${thrown instanceof Error ? thrown.message : String(thrown)}; the bytes differ from ${where} on`;
  }
}

function named(before: Iterable<ManifestEntry>, after: Iterable<ManifestEntry>): string | undefined {
  for (const { path, change, what } of differences(before, after, whatDiffersAtAll)) {
    return `/${showPath(path)} (${change === "changed" ? what : change})`;
  }
  return undefined;
}

function firstByte({ files }: Host, before: string, after: string): number {
  const readers = [before, after].map((path) => files.openReader(path));
  const [left, right] = [Buffer.alloc(CHUNK_BYTES), Buffer.alloc(CHUNK_BYTES)];
  try {
    for (let position = 0; ; position += CHUNK_BYTES) {
      const lengths = [readers[0]?.read(left, position) ?? 0, readers[1]?.read(right, position) ?? 0];
      const length = Math.min(...lengths);
      for (let index = 0; index < length; index++) if (left[index] !== right[index]) return position + index;
      if (lengths[0] !== lengths[1] || length < CHUNK_BYTES) return position + length;
    }
  } finally {
    for (const reader of readers) reader?.close();
  }
}
