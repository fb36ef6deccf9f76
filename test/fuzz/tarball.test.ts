import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { compose } from "../../src/pack/compose.ts";
import { compileExcludes } from "../../src/pack/excludes.ts";
import { context, fileSha256, packInput, temporaryDirectory } from "../pack/workspace.ts";
import { list, pax, tar } from "./tarballs.ts";

function layerOf(bytes: Buffer): ReturnType<typeof compose> {
  const work = temporaryDirectory();
  const path = join(work, "root.tar");
  writeFileSync(path, bytes);
  const layer = { type: "tarball", name: "root", path, sha256: fileSha256(path), sourceDate_s: 5 } as const;
  return compose(context, packInput(join(work, "cache"), [layer]), { attributes: false });
}

describe("a hostile tarball is refused, not followed, when", () => {
  it.each([
    ["a size is negative, in base 256", tar({ size: Buffer.alloc(12, 0xff) }), "size is no size"],
    ["a size is negative, in a pax header", tar({ flag: "x", content: pax({ size: "-1024" }) }, {}), "size is no size"],
    ["a size is no number", tar({ size: "zz" }), "size is no size"],
    ["a size is endless", tar({ flag: "x", content: pax({ size: "1e999" }) }, {}), "size is no size"],
    ["a size is a fraction", tar({ flag: "x", content: pax({ size: "0.5" }) }, {}), "size is no size"],
    ["an owner is no number", tar({ flag: "x", content: pax({ uid: "root" }) }, {}), "a number of /a is none"],
    ["a path leads out", tar({ path: "a/../../x" }), "leads out of the tree"],
    ["a hard link leads out", tar({ flag: "1", target: "../etc/passwd" }), "leads out of the tree"],
    ["a long name is a gigabyte", tar({ flag: "L", size: "10000000000" }), "extended header of more than 1 MiB"],
    ["a long name is 64 KiB", tar({ flag: "L", content: "x".repeat(65_536) }, {}), "is too long"],
    ["a path holds a NUL", tar({ flag: "x", content: pax({ path: "a\0b" }) }, {}), "holds a NUL"],
    ["its top is a file", tar({ path: "./." }), "its top is a file"],
    ["its top is a link", tar({ path: "./.", flag: "2", target: "/etc" }), "its top is a symlink"],
    ["a member is of no known type", tar({ flag: "V" }), "unknown type"],
    ["it is sparse", tar({ flag: "S" }), "sparse"],
    ["it ends in a content", tar({ content: "x".repeat(600) }).subarray(0, 700), "ends without its end mark"],
  ])("%s", (_, bytes, why) => {
    expect(list(bytes).error?.message).toContain(why);
  });

  it("its extended headers are many small ones that come to more than one large one may be", () => {
    const small = { flag: "x", content: pax({ comment: "x".repeat(60_000) }) };
    expect(list(tar(...Array.from({ length: 40 }, () => small), {})).error?.message).toContain("more than 1 MiB");
    const honest = Array.from({ length: 40 }, (_, index) => [small, { path: `f${index}` }]).flat();
    expect(list(tar(...honest)).members).toHaveLength(40);
  });

  it("a member stands below a symlink", async () => {
    const bytes = tar({ path: "a", flag: "2", target: "/tmp/x" }, { path: "a/b", content: "evil" });
    await expect(layerOf(bytes)).rejects.toThrow("/a/b stands below /a, which is no directory");
  });

  it("a hard link names what is not in it", async () => {
    await expect(layerOf(tar({ path: "a", flag: "1", target: "/etc/passwd" }))).rejects.toThrow(
      "which is no file before it",
    );
  });
});

describe("a tarball that is odd, but can be unpacked", () => {
  it("takes absolute paths from its own top", () => {
    expect(list(tar({ path: "/etc/x" })).members.map(({ path }) => path)).toEqual(["etc/x"]);
  });

  it("gives a path that comes twice its last content, and its old links their old one, as tar does", async () => {
    const bytes = tar(
      { path: "./", flag: "5" },
      { path: "a", content: "first" },
      { path: "b", flag: "1", target: "a" },
      { path: "a", content: "second" },
      { path: "c", flag: "1", target: "a" },
    );
    const { entries } = await layerOf(bytes);
    const unpacked = temporaryDirectory();
    execFileSync("tar", ["-xf", "-", "-C", unpacked, "--no-same-owner"], { input: bytes });
    const byPath = new Map([...entries].map((entry) => [entry.path, entry]));
    for (const path of ["a", "b", "c"]) expect(byPath.get(path)?.sha256, path).toBe(fileSha256(join(unpacked, path)));
    expect(byPath.get("a")?.linkSet).toBe(byPath.get("c")?.linkSet);
    expect(byPath.get("b")?.linkSet).not.toBe(byPath.get("a")?.linkSet);
  });

  it("may say of a directory, written as a file with a slash, that it has a size", () => {
    const [member] = list(tar({ path: "a/", content: "xyz" })).members;
    expect(member).toMatchObject({ type: "directory", size: 0 });
  });
});

it("a pattern of many wildcards is matched in no time", () => {
  const begun_ms = performance.now();
  const { covers } = compileExcludes([`${"*a".repeat(40)}b`, `${"**/a/".repeat(40)}b`, `${"a/*".repeat(20)}b`]);
  expect(covers("a".repeat(250))).toBe(false);
  expect(covers("a/".repeat(1_000).slice(0, -1))).toBe(false);
  expect(performance.now() - begun_ms).toBeLessThan(2_000);
});

it("a verify tells of a link count, a checksum and a trailer that nobody wrote", async () => {
  const { soundArchive, problemsOf } = await import("./archives.ts");
  const { createRandom } = await import("./random.ts");
  const random = createRandom(1);
  const { bytes, entries } = soundArchive(random);
  const damaged = (offset: number, text: string) => {
    const copy = Buffer.from(bytes);
    copy.write(text, offset, "latin1");
    return problemsOf(copy, entries, random);
  };
  const two = bytes.indexOf("two\0") - 110;
  const end = bytes.indexOf("TRAILER!!!") - 110;
  expect(problemsOf(bytes, entries, random)).toEqual([]);
  expect(damaged(38, "00000000")).toEqual([expect.stringContaining("/: links is 0")]);
  expect(damaged(two + 38, "00000005")).toEqual([expect.stringContaining("/two: its links are not those of /one")]);
  expect(damaged(102, "00000001")).toEqual([expect.stringContaining("/: check is 1")]);
  expect(damaged(end + 54, "00000004")).toEqual(["its trailer has a content"]);
});
