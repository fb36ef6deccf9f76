import { describe, expect, it } from "vitest";
import {
  bootstrapEstimate_bytes,
  imageEstimate_bytes,
  judgeSpace,
  provisionEstimate_bytes,
  SPARE_BYTES,
  unpackedEstimate_bytes,
} from "../../src/core/space.ts";

describe("room for a piece of work", () => {
  const judge = (free_bytes: number, held_bytes: number, needed_bytes: number) =>
    judgeSpace({ free_bytes: free_bytes + SPARE_BYTES, held_bytes, needed_bytes });

  it("is there when what is needed fits into what is free and not held, to the byte", () => {
    expect([judge(100, 0, 100), judge(100, 40, 60), judge(100, 40, 0)]).toEqual(["fits", "fits", "fits"]);
  });

  it("is waited for where others hold it, and never there where it would not fit alone", () => {
    expect([judge(100, 41, 60), judge(100, 0, 101), judge(100, 100, 101)]).toEqual(["wait", "full", "full"]);
  });
});

it("a root is thought to be larger than its tarball by what its compression usually saves", () => {
  const names = ["a.tar", "a.tar.gz", "a.tgz", "a.tar.zst", "a.tar.bz2", "a.tar.xz", "a.txz", "xz"];
  expect(names.map((name) => unpackedEstimate_bytes(name, 10))).toEqual([10, 30, 30, 40, 40, 50, 50, 10]);
});

it("a bootstrapped root, a step and an image are thought to take what such ones took", () => {
  const MIB = 1024 ** 2;
  expect(["extract", "minbase", "standard"].map((variant) => bootstrapEstimate_bytes(variant, 2) / MIB)).toEqual([
    96, 544, 1056,
  ]);
  expect([provisionEstimate_bytes(0), provisionEstimate_bytes(3)]).toEqual([32 * MIB, 80 * MIB]);
  expect(["gzip", "none"].map((codec) => imageEstimate_bytes(1001, codec))).toEqual([601, 1001]);
});
