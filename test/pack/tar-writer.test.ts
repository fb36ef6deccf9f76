import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readTar } from "../../src/pack/tar.ts";
import { writeTar } from "../../src/pack/tar-writer.ts";
import type { PackEntry } from "../../src/pack/types.ts";
import { context, packEntry, sha256, temporaryDirectory } from "./workspace.ts";

const directory = temporaryDirectory();
const long = `${"d".repeat(80)}/${"f".repeat(120)}`;

function file(path: string, content: string, fields: Partial<PackEntry> = {}): PackEntry {
  const stored = join(directory, sha256(content));
  writeFileSync(stored, content);
  const source = { type: "file", path: stored } as const;
  return packEntry(path, { size: content.length, sha256: sha256(content), source, ...fields });
}

const entries: readonly PackEntry[] = [
  packEntry("", { type: "directory", mode: 0o750 }),
  file("a", "one\n", { linkSet: "b", mode: 0o4755, owner: 7, group: 8, modified_s: 1000 }),
  file("b", "one\n", { linkSet: "b", mode: 0o4755, owner: 7, group: 8, modified_s: 1000 }),
  file("big", "x".repeat(2_000_001)),
  packEntry("console", { type: "character", mode: 0o600, major: 5, minor: 1 }),
  packEntry("d".repeat(80), { type: "directory" }),
  file(long, "deep\n"),
  file("empty", ""),
  packEntry("link", { type: "symlink", target: "t".repeat(300), size: 300 }),
  file("who", "x", { owner: 4_294_967_294, group: 3_000_000 }),
];

async function tarball(options: { readonly top: boolean }): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const part of writeTar(context.files, entries, { ...options, progress: () => undefined }))
    parts.push(part);
  const path = join(directory, `${options.top}.tar`);
  writeFileSync(path, Buffer.concat(parts));
  return path;
}

describe("a tarball of a manifest's entries", () => {
  it("is read back with every attribute, long names and large numbers, too", async () => {
    const path = await tarball({ top: true });
    const reader = context.files.openReader(path);
    const found = [...readTar((into, position) => reader?.read(into, position) ?? 0, path)];
    const shown = found.map(({ path: name, type, mode, owner, group, modified_s, size, target }) => [
      name,
      `${type} ${mode.toString(8)} ${owner}:${group} ${modified_s} ${size} ${target}`,
    ]);
    expect(Object.fromEntries(shown)).toEqual({
      "": "directory 750 0:0 0 0 ",
      a: "file 4755 7:8 1000 4 ",
      b: "hardlink 4755 7:8 1000 0 a",
      big: "file 644 0:0 0 2000001 ",
      console: "character 644 0:0 0 0 ".replace("644", "600"),
      ["d".repeat(80)]: "directory 755 0:0 0 0 ",
      [long]: "file 644 0:0 0 5 ",
      empty: "file 644 0:0 0 0 ",
      link: `symlink 644 0:0 0 0 ${"t".repeat(300)}`,
      who: "file 644 4294967294:3000000 0 1 ",
    });
    expect(found.map(({ path: name }) => name)).toEqual(entries.map(({ path: name }) => name));
  });

  it("is read by GNU tar, contents and all, with the top left out where it is not wanted", async () => {
    const path = await tarball({ top: false });
    const listed = execFileSync("tar", ["--numeric-owner", "-tf", path], { encoding: "utf8" }).trim().split("\n");
    expect(listed).toEqual(entries.slice(1).map((entry) => entry.path + (entry.type === "directory" ? "/" : "")));
    expect(execFileSync("tar", ["-xOf", path, "big", long], { maxBuffer: 1 << 24 }).length).toBe(2_000_006);
  });

  it("is refused when a file changed after it was laid out", async () => {
    const changing = file("changing", "before");
    writeFileSync(join(directory, sha256("before")), "after!");
    const read = async () => {
      for await (const part of writeTar(context.files, [changing], { top: true, progress: () => undefined })) void part;
    };
    await expect(read()).rejects.toMatchObject({ retry: "transient", message: expect.stringContaining("/changing") });
  });
});
