import { describe, expect, test } from "vitest";
import { readDigests } from "../../../src/resources/tree/digests.ts";
import { nameOf } from "../../../src/resources/tree/download.ts";

const short = "a".repeat(64);
const long = "b".repeat(128);
const read = (text: string) => readDigests(text, "stage.tar.xz", "DIGESTS");

describe("a list of hashes", () => {
  test("of sha256sum and sha512sum gives the hash of the file, by its length; text and binary mode alike", () => {
    expect(read(`${short}  stage.tar.xz\n`)).toEqual({ sha256: short, sha512: undefined });
    expect(read(`${long} *./stage.tar.xz\r\n`)).toEqual({ sha256: undefined, sha512: long });
  });

  test("in sections gives those of the sections that are known; a blake2b is no sha512", () => {
    const text = `# BLAKE2B HASH\n${"c".repeat(128)}  stage.tar.xz\n# SHA512 HASH\n${long}  stage.tar.xz\n`;
    expect(read(text)).toEqual({ sha256: undefined, sha512: long });
    expect(() => read(`# BLAKE2B HASH\n${long}  stage.tar.xz\n`)).toThrow(/no sha256 or sha512 of stage.tar.xz/);
  });

  test("with tagged lines is read by its tags", () => {
    const text = `SHA256 (stage.tar.xz) = ${short.toUpperCase()}\nBLAKE2B (stage.tar.xz) = ${long}\n`;
    expect(read(text)).toEqual({ sha256: short, sha512: undefined });
  });

  test("that names another file only, or one that merely ends alike, does not speak of this one", () => {
    const text = `${short}  stage.tar.xz.CONTENTS.gz\n${short}  my-stage.tar.xz\n${short}  sub/stage.tar.xz\n`;
    expect(() => read(text)).toThrow(/cannot use the digests DIGESTS: they have no sha256 or sha512 of stage.tar.xz/);
  });

  test("that says two things of one file is refused; the same twice is not", () => {
    expect(read(`${short}  stage.tar.xz\n${short}  stage.tar.xz\n`).sha256).toBe(short);
    expect(() => read(`${short}  stage.tar.xz\n${"d".repeat(64)}  stage.tar.xz\n`)).toThrow(/they give two sha256/);
  });
});

test("a file is known by the last part of its address, or of its path", () => {
  expect(nameOf("https://example.org/a/stage%2B1.tar.xz?mirror=2")).toBe("stage+1.tar.xz");
  expect(nameOf("/srv/stages/stage.tar.xz")).toBe("stage.tar.xz");
});
