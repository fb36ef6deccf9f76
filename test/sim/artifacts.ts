import { createHash } from "node:crypto";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import type { Follower } from "../../src/host/fake/follow.ts";
import type { Outside } from "../../src/host/fake/outside.ts";
import type { Files } from "../../src/host/ports.ts";
import { STATE } from "./site.ts";

const ARTIFACTS = `${STATE}/artifacts`;
/** The moment at which a process begins. */
export const RESTART = "a restart";

/** Whether each artifact's `current` is absent or a complete generation, whenever it is another one than before. */
export interface ArtifactWatch {
  readonly check: (moment: string) => void;
  readonly taint: (name: string) => void;
}

/** An entry of an image: what the kernel would unpack. */
export interface ImageEntry {
  readonly mode: number;
  readonly owner: number;
  readonly group: number;
  readonly content: string;
}

export function createArtifactWatch(outside: Outside, report: (rule: string, what: string) => void): ArtifactWatch {
  const { files } = outside;
  const watched = ["i1", "i2", "i3"].map((name) => ({ name, follower: outside.follower() }));
  const tainted = new Set<string>();
  /** What others last made of each: a power cut may bring it back, as long as what we did about it was not synced. */
  const madeByOthers = new Map<string, string>();
  /** Digests that were found whole: bytes are looked at once. */
  const whole = new Set<string>();
  const images = new Map<string, string>();

  function checkOne(name: string, follower: Follower, moment: string): void {
    const current = files.readLink(`${ARTIFACTS}/${name}/current`);
    const place = `${ARTIFACTS}/${name}/${current}`;
    const damage = current === undefined ? undefined : damageAt(files, place, whole, images);
    if (damage === undefined) tainted.delete(name);
    else if (tainted.has(name)) madeByOthers.set(name, damage);
    else if (moment === RESTART && madeByOthers.get(name) === damage) tainted.add(name);
    else report("artifact", `current of ${name} was no complete generation after ${moment}: ${damage}`);
    const parts = ["report.json", "manifest", images.get(place) ?? "report.json"];
    follower.follow([`${ARTIFACTS}/${name}/current`, ...parts.map((part) => `${place}/${part}`)]);
  }

  return {
    check: (moment) => {
      for (const { name, follower } of watched) if (follower.hasChanged()) checkOne(name, follower, moment);
    },
    taint: (name) => tainted.add(name),
  };
}

function damageAt(files: Files, place: string, whole: Set<string>, images: Map<string, string>): string | undefined {
  const text = files.readText(`${place}/report.json`);
  if (text === undefined) return `${place} has no report`;
  let report: { file: string; sha256: string; manifestSha256: string };
  try {
    report = JSON.parse(text);
  } catch {
    return `${place}/report.json is torn`;
  }
  images.set(place, report.file);
  for (const [file, wanted] of [[report.file, report.sha256] as const, ["manifest", report.manifestSha256] as const]) {
    const bytes = files.readBytes(`${place}/${file}`);
    if (bytes === undefined) return `${place}/${file} is missing`;
    if (createHash("sha256").update(bytes).digest("hex") !== wanted) return `${place}/${file} is not what was reported`;
    if (file === "manifest" || whole.has(wanted)) continue;
    try {
      readImage(bytes);
      whole.add(wanted);
    } catch (thrown) {
      return `${place}/${file} cannot be unpacked: ${thrown}`;
    }
  }
  return undefined;
}

/** Reads a newc archive as the kernel does: a reader of its own, which shares nothing with the packer. */
export function readImage(compressed: Uint8Array): ReadonlyMap<string, ImageEntry> {
  const bytes = decompress(Buffer.from(compressed));
  const entries = new Map<string, ImageEntry>();
  const links = new Map<string, string[]>();
  for (let at = 0; ; ) {
    if (bytes.toString("latin1", at, at + 6) !== "070701") throw new Error(`no header at ${at}`);
    const field = (index: number): number =>
      Number.parseInt(bytes.toString("latin1", at + 6 + index * 8, at + 14 + index * 8), 16);
    const [inode, mode, owner, group, count, size, nameSize] = [
      field(0),
      field(1),
      field(2),
      field(3),
      field(4),
      field(6),
      field(11),
    ];
    const name = bytes.toString("latin1", at + 110, at + 110 + nameSize - 1);
    const start = (at + 110 + nameSize + 3) & ~3;
    if (name === "TRAILER!!!") return entries;
    if (start + size > bytes.length) throw new Error(`${name} is cut off`);
    const content = bytes.toString("latin1", start, start + size);
    const node = (mode & 0o170000) === 0o020000 ? `device ${field(9)}:${field(10)}` : content;
    entries.set(name, { mode, owner, group, content: node });
    if (count > 1 && (mode & 0o170000) === 0o100000) {
      const key = `${inode} ${field(7)} ${field(8)}`;
      const names = [...(links.get(key) ?? []), name];
      links.set(key, names);
      // The content comes with the last of the names.
      if (size > 0) for (const other of names) entries.set(other, { mode, owner, group, content: node });
    }
    at = (start + size + 3) & ~3;
  }
}

function decompress(bytes: Buffer): Buffer {
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) return gunzipSync(bytes);
  if (bytes.length >= 4 && bytes.readUInt32LE(0) === 0xfd2fb528) return zstdDecompressSync(bytes);
  return bytes;
}
