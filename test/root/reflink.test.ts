import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { createFiles } from "../../src/host/real/files.ts";

const files = createFiles({ mountNamespace: "/proc/self/ns/mnt" });
const LENGTH_BYTES = 40_000_001;
let mounted: string | undefined;
let work = "";

afterEach(() => {
  if (mounted !== undefined) execFileSync("umount", [mounted]);
  mounted = undefined;
  rmSync(work, { recursive: true, force: true });
});

/** A filesystem in a file, mounted. */
function mountNew(type: string): string {
  work = mkdtempSync(join(tmpdir(), "rootloom-reflink-"));
  const [disk, directory] = [join(work, "disk"), join(work, "mounted")];
  execFileSync("truncate", ["--size=400M", disk]);
  execFileSync(`mkfs.${type}`, ["-q", disk]);
  mkdirSync(directory);
  execFileSync("mount", ["-o", "loop", disk, directory]);
  mounted = directory;
  return directory;
}

describe("a file that begins with the bytes of another", () => {
  for (const [type, how] of [
    ["xfs", "reflink"],
    ["btrfs", "reflink"],
    ["ext4", "copy"],
  ] as const) {
    it(`is a ${how} on ${type}, takes no room where it is shared, and has the same bytes`, () => {
      const directory = mountNew(type);
      const [from, to] = [join(directory, "from"), join(directory, "to")];
      const bytes = Buffer.alloc(LENGTH_BYTES, "content that differs from block to block ");
      const attributes = { owner: 0, group: 0, mode: 0o600 };
      files.writeFile(from, bytes, attributes);
      files.syncFilesystem(directory);
      const before_bytes = files.freeSpace_bytes(directory);
      const writer = files.openWriter(to, 0o600);
      expect(writer.startWith(from, LENGTH_BYTES - 5)).toBe(how);
      writer.write(Buffer.from("tail"));
      writer.sync();
      writer.close();
      files.syncFilesystem(directory);
      const used_bytes = before_bytes - files.freeSpace_bytes(directory);
      expect(used_bytes < LENGTH_BYTES / 10).toBe(how === "reflink");
      const expected = Buffer.concat([bytes.subarray(0, LENGTH_BYTES - 5), Buffer.from("tail")]);
      expect(Buffer.compare(files.readBytes(to) ?? Buffer.alloc(0), expected)).toBe(0);
    });
  }
});
