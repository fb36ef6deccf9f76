import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { appendFileSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { unpackedSize_bytes } from "../../../src/resources/tree/unpacked.ts";
import { openWorkshop, type Workshop } from "../overlay/workshop.ts";

const SIZE_BYTES = 3 << 20;

describe("what a tarball takes when it is unpacked", () => {
  let shop: Workshop;
  let plain: string;
  beforeEach(() => {
    shop = openWorkshop();
    plain = join(shop.directory, "a.tar");
    writeFileSync(plain, Buffer.alloc(SIZE_BYTES));
  });
  afterEach(() => shop.close());
  const measured = (path: string) =>
    unpackedSize_bytes(path, { host: shop.host, signal: new AbortController().signal });

  it.each(["xz", "gzip"])("is what the tarball itself says: %s", async (tool) => {
    execFileSync(tool, [plain]);
    const path = `${plain}${tool === "xz" ? ".xz" : ".gz"}`;
    expect(statSync(path).size).toBeLessThan(SIZE_BYTES / 100);
    expect(await measured(path)).toBe(SIZE_BYTES);
  });

  it.each([
    ["xz", ".xz", SIZE_BYTES],
    ["gzip", ".gz", SIZE_BYTES],
    ["bzip2", ".bz2", undefined],
    ["zstd", ".zst", undefined],
  ])("is known whatever its name is, as in the cache: %s", async (tool, ending, said_bytes) => {
    execFileSync(tool, ["-q", plain]);
    renameSync(`${plain}${ending}`, `${plain}.kept.tar`);
    const usual_bytes = 4 * statSync(`${plain}.kept.tar`).size;
    expect(await measured(`${plain}.kept.tar`)).toBe(said_bytes ?? usual_bytes);
  });

  it("is guessed by a usual ratio where it says nothing, or nothing that can be", async () => {
    expect(await measured(plain)).toBe(SIZE_BYTES);
    writeFileSync(`${plain}.xz`, "this is no xz file");
    expect(await measured(`${plain}.xz`)).toBe(18);
    const cut = Buffer.concat([Buffer.from("fd377a585a00", "hex"), Buffer.alloc(10)]);
    writeFileSync(`${plain}.xz`, cut);
    expect(await measured(`${plain}.xz`)).toBe(5 * 16);
    // Of several members, only the last one's size is said.
    writeFileSync(plain, randomBytes(SIZE_BYTES));
    execFileSync("gzip", [plain]);
    const member = `${plain}.2`;
    writeFileSync(member, "small");
    execFileSync("gzip", [member]);
    appendFileSync(`${plain}.gz`, readFileSync(`${member}.gz`));
    expect(await measured(`${plain}.gz`)).toBe(3 * statSync(`${plain}.gz`).size);
  });
});
