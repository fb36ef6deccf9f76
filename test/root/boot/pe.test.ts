import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { placeSections, readSections } from "../../../src/boot/pe.ts";
import { fixtures } from "../../kit.ts";

const stub = readFileSync(join(fixtures, "systemd-boot-efi/linuxx64.efi.stub"));
const contents: Readonly<Record<string, Buffer>> = {
  ".osrel": Buffer.from("ID=tiny\n"),
  ".cmdline": Buffer.from("quiet"),
  ".initrd": Buffer.alloc(10_001, "i"),
  ".linux": Buffer.alloc(20_000, "l"),
};
const sizes = Object.entries(contents).map(([name, { length }]) => ({ name, size_bytes: length }));

function put(): Buffer {
  const { start, offsets, size_bytes } = placeSections(stub, sizes);
  const image = Buffer.alloc(size_bytes);
  image.set(start);
  for (const [index, content] of Object.values(contents).entries()) image.set(content, offsets[index] ?? 0);
  return image;
}

describe("sections behind an EFI stub", () => {
  it("are found by binutils, each with its bytes, on pages of their own behind those of the stub", () => {
    const directory = mkdtempSync(join(tmpdir(), "rootloom-pe-"));
    try {
      const file = join(directory, "a.efi");
      writeFileSync(file, put());
      for (const [name, content] of Object.entries(contents)) {
        const out = join(directory, "out");
        execFileSync("objcopy", ["-O", "binary", `--only-section=${name}`, file, out]);
        expect(readFileSync(out).subarray(0, content.length).equals(content), name).toBe(true);
      }
      const rows = execFileSync("objdump", ["-h", file], { encoding: "utf8" }).matchAll(
        /^ +\d+ (\S+) +([0-9a-f]{8}) +([0-9a-f]{16})/gm,
      );
      const placed = [...rows].map(([, name, size, address]) => ({
        name,
        begin: Number.parseInt(address ?? "", 16),
        end: Number.parseInt(address ?? "", 16) + Number.parseInt(size ?? "", 16),
      }));
      expect(placed.slice(-4).map(({ name }) => name)).toEqual(Object.keys(contents));
      for (const { begin } of placed.slice(-4)) expect(begin % 4096).toBe(0);
      for (const [index, { begin }] of placed.entries())
        if (index > 0) expect(begin).toBeGreaterThanOrEqual(placed[index - 1]?.end ?? 0);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it("leave the stub's own as they were, are read back, and are the same bytes each time", () => {
    const image = put();
    const found = readSections(image);
    for (const [name, { offset, size_bytes }] of readSections(stub))
      expect(image.subarray(offset, offset + size_bytes).equals(stub.subarray(offset, offset + size_bytes)), name).toBe(
        true,
      );
    const { offset = 0, size_bytes = 0 } = found.get(".initrd") ?? {};
    expect(image.subarray(offset, offset + size_bytes).equals(contents[".initrd"] ?? Buffer.alloc(0))).toBe(true);
    expect(put().equals(image)).toBe(true);
  });

  it("are refused where the header has no room for them, or the whole is 4 GiB and more", () => {
    const many = Array.from({ length: 40 }, (_, index) => ({ name: `.${index}`, size_bytes: 1 }));
    expect(() => placeSections(stub, many)).toThrow(/its header has no room/);
    const size_bytes = 2 ** 31 + 1;
    expect(() =>
      placeSections(stub, [
        { name: ".initrd", size_bytes },
        { name: ".linux", size_bytes },
      ]),
    ).toThrow(/they come to more than 4 GiB/);
  });

  it.each([
    ["nothing", Buffer.alloc(0)],
    ["a text", Buffer.alloc(4096, "x")],
    ["a program of DOS", Buffer.concat([Buffer.from("MZ"), Buffer.alloc(4096)])],
    ["half a stub", stub.subarray(0, 0x210)],
    [
      "a stub whose header is said to be far behind its end",
      Buffer.concat([stub.subarray(0, 0x3c), Buffer.alloc(4096, 0x7f)]),
    ],
  ])("are refused behind %s", (_what, bytes) => {
    expect(() => placeSections(bytes, sizes)).toThrow(/it is no EFI program/);
  });
});
