import { describe, expect, it } from "vitest";
import { filesOf, publishedEntry } from "../../../src/resources/publish/current.ts";
import { readLook } from "../../../src/resources/publish/look.ts";
import { nextVersion, parseSums, renderSums, versionsIn } from "../../../src/resources/publish/release.ts";

const sha = (digit: string): string => digit.repeat(64);
const [old, now] = ["81b0cc5e0a9d4417", "3f2a91c07be4d512"];
const instance = "0123456789abcdef0123456789abcdef";

describe("the list of what is published", () => {
  it("is read and written as sha256sum does, and holds plain names only", () => {
    const text = `${sha("a")}  a_1.efi\n${sha("b")}  b_1.efi\n`;
    expect(parseSums(`${text}${sha("c")}  ../etc/passwd\n${sha("d")}  .hidden\nnonsense\n`)).toHaveLength(2);
    expect(renderSums(parseSums(text).toReversed())).toBe(text);
  });

  it("tells the versions of its own image, the newest first", () => {
    const names = [
      `a_20261120101500-${old}.efi`,
      `a_20261121074500-${now}.efi`,
      `ab_20271121074500-${now}.efi`,
      "a_1.efi",
    ];
    const versions = versionsIn(
      "a",
      names.map((name) => ({ name, sha256: sha("a") })),
    );
    expect(versions.map(({ generation }) => generation)).toEqual([now, old]);
  });

  it("gives a new version a later name than all before, also when the clock was put back", () => {
    const at = Date.parse("2026-11-21T07:45:00Z");
    const first = nextVersion(at, old, undefined);
    expect(first.text).toBe(`20261121074500-${old}`);
    const second = nextVersion(at - 3_600_000, now, first);
    expect(second.text).toBe(`20261121074501-${now}`);
    expect(second.text > first.text).toBe(true);
  });
});

describe("the files of a version", () => {
  const version = { text: "V" };
  const packed = { file: "initramfs.cpio.gz", sha256: sha("a"), size_bytes: 1 };
  const named = (files: readonly string[]): readonly string[] => {
    const report = { ...packed, files: files.map((path) => ({ path, sha256: sha("b"), size_bytes: 2 })) };
    return filesOf("a", version, report as never).map(({ name }) => name);
  };

  it("are the EFI program alone, the parts of an entry, or the image", () => {
    expect(named(["boot/EFI/Linux/a-x64-1.efi"])).toEqual(["a_V.efi"]);
    expect(named(["boot/a-x64-1/vmlinuz", "boot/loader/entries/a-x64-1.conf"])).toEqual([
      ...["a_V.initramfs.cpio.gz", "a_V.vmlinuz", "a_V.conf"],
    ]);
    expect(named([])).toEqual(["a_V.initramfs.cpio.gz"]);
  });

  it("are named by their entry as they are published", () => {
    const text = "title A\noptions linux /x\nlinux /a-1/vmlinuz\ninitrd /a-1/initramfs.cpio.gz\n";
    expect(publishedEntry(text, "a", version)).toBe(
      "title A\noptions linux /x\nlinux /a_V.vmlinuz\ninitrd /a_V.initramfs.cpio.gz\n",
    );
  });
});

describe("what another machine says of itself", () => {
  const marker = (more: object = {}): string =>
    JSON.stringify({
      ...{ version: 1, instance, kind: "publish", name: "a", identity: { filesystem: "ssh", inode: 7 } },
      ...{ runId: "r", createdAt: "", inputs: {}, details: {}, ...more },
    });
  const look = (...lines: readonly string[]) => readLook(`${lines.join("\n")}\n`, "a", instance);

  it("is nothing, an empty directory, or ours with the files of its release", () => {
    expect(look("absent").state).toBe("absent");
    expect(look("inode 7").state).toBe("empty");
    const release = "20261121T074500Z-3f2a9c01";
    const lines = [`current releases/${release}`, `file ${sha("a")} 12 a_V.efi`, `sums ${sha("a")}  a_V.efi`];
    expect(look("inode 7", "filled", `marker ${marker()}`, ...lines)).toEqual({
      ...{ state: "ours", whose: "", release, files: { "a_V.efi": { sha256: sha("a"), size_bytes: 12 } } },
      sums: `${sha("a")}  a_V.efi\n`,
    });
  });

  it.each<[string, readonly string[], string]>([
    ["a file", ["other"], "no directory"],
    ["somebody's directory", ["inode 7", "filled"], "not made by Rootloom"],
    ["a copy of ours", ["inode 8", "filled", `marker ${marker()}`], "a copy: its marker names another object"],
    ["another image's", ["inode 7", "filled", `marker ${marker({ name: "b" })}`], "where image b is published"],
    ["one whose pointer is no link", ["inode 7", "filled", `marker ${marker()}`, "blocked"], "in the way"],
  ])("is foreign where it is %s", (_what, lines, whose) => {
    expect(look(...lines)).toMatchObject({ state: "foreign", whose: expect.stringContaining(whose) });
  });
});
