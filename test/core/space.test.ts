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
  const names: Readonly<Record<number, readonly string[]>> = {
    1: ["a.tar", "xz", "a-txz", "a.tar.xz.part", "a.zst.tar", "a.tbz2.1", "a.bz2.old", "a.tgz.asc", "a.dxz", "a.tbz3"],
    3: ["a.gz", "a.tar.gz", "a.tgz"],
    4: ["a.zst", "a.tar.zst", "a.tzst", "a.bz2", "a.tar.bz2", "a.tbz", "a.tbz2"],
    5: ["a.xz", "a.tar.xz", "a.txz"],
  };
  for (const [times, each] of Object.entries(names))
    expect(each.map((name) => [name, unpackedEstimate_bytes(name, 10)])).toEqual(
      each.map((name) => [name, Number(times) * 10]),
    );
});

it("a bootstrapped root, a step and an image are thought to take what such ones took", () => {
  const MIB = 1024 ** 2;
  expect(["extract", "minbase", "standard"].map((variant) => bootstrapEstimate_bytes(variant, 2) / MIB)).toEqual([
    96, 544, 1056,
  ]);
  expect([provisionEstimate_bytes(0), provisionEstimate_bytes(3)]).toEqual([32 * MIB, 80 * MIB]);
  expect(["gzip", "none"].map((codec) => imageEstimate_bytes(1001, codec))).toEqual([601, 1001]);
});
