import { describe, expect, it } from "vitest";
import { FilesystemCheck } from "../../src/pack/filesystem-check.ts";
import { PseudoFileReader } from "../../src/pack/pseudo-file.ts";
import { packEntry, sha256 } from "./workspace.ts";

const manifest = [
  packEntry("", { type: "directory" }),
  packEntry("a b\\c", { size: 3, sha256: sha256("abc") }),
  packEntry("dev", { type: "character", major: 5, minor: 1 }),
  packEntry("e", { size: 0, sha256: sha256("") }),
  packEntry("l", { type: "symlink", mode: 0o777, target: "x \\\ny", size: 5 }),
  packEntry("p", { type: "fifo" }),
  packEntry("y", { size: 4, sha256: sha256("same"), linkSet: "z" }),
  packEntry("z", { size: 4, sha256: sha256("same"), linkSet: "z" }),
];

const good = `/ D 77 755 0 0
a\\ b\\\\c R 0 644 0 0 3 0
dev C 0 644 0 0 5 1
e R 0 644 0 0 0 3
l S 0 777 0 0 x \\
y
p I 0 644 0 0 f
y R 0 644 0 0 4 3
z L y
#
# START OF DATA - DO NOT MODIFY
#
abcsame`;

/** Problems of a list that comes in parts of some bytes. */
function problemsOf(text: string, part_bytes: number): readonly string[] {
  const check = new FilesystemCheck(manifest, false);
  const reader = new PseudoFileReader(check);
  const bytes = Buffer.from(text, "latin1");
  for (let offset = 0; offset < bytes.length; offset += part_bytes)
    reader.push(bytes.subarray(offset, offset + part_bytes));
  reader.finish();
  return check.finish();
}

describe("the list of what a squashfs image holds", () => {
  it.each([1, 7, 1000])("agrees with the manifest, however it comes (%i bytes at a time)", (part_bytes) => {
    expect(problemsOf(good, part_bytes)).toEqual([]);
  });

  it.each([
    ["a wrong mode", "dev C 0 644", "dev C 0 600", ["/dev: mode is 600, 644 in the manifest"]],
    ["a wrong owner", "p I 0 644 0 0", "p I 0 644 1 0", ["/p: owner is 1, 0 in the manifest"]],
    ["a wrong time", "e R 0", "e R 5", ["/e: time is 5, 0 in the manifest"]],
    ["a wrong device", "5 1", "5 2", ["/dev: device is 5,2, 5,1 in the manifest"]],
    ["a wrong target", "x \\\ny", "x \\\nz", ["/l: target is"]],
    ["another content", "abcsame", "abdsame", ["/a b\\\\c: its content differs"]],
    ["too little content", "abcsame", "abcsam", ["its contents end too early"]],
    ["an entry that is missing", "p I 0 644 0 0 f\n", "", ["/p is missing"]],
    ["an entry too many", "p I 0", "q I 0 644 0 0 f\np I 0", ["/q is not in the manifest, or comes twice"]],
    ["a link to another file", "z L y", "z L e", ["/z: size is 0", "/z is linked to /e, which is another file"]],
  ])("tells %s", (_, from, to, problems) => {
    expect(good).toContain(from);
    const found = problemsOf(good.replace(from, to), 1000);
    for (const [index, problem] of problems.entries()) expect(found[index]).toContain(problem);
  });

  it("tells that names of one content are no hard links any more", () => {
    const text = good.replace("z L y", "z R 0 644 0 0 4 7").concat("same");
    expect(problemsOf(text, 1000)).toEqual(["/z: it is no hard link any more"]);
  });
});
