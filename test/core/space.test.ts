import { describe, expect, it } from "vitest";
import {
  bootstrapEstimate_bytes,
  compressionOf,
  imageEstimate_bytes,
  judgeSpace,
  kernelEstimate_bytes,
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

it("a tarball's compression is told by its first bytes, and by no fewer of them", () => {
  const begins = { "1f8b08": "gzip", "425a6839": "bzip2", "28b52ffd00": "zstd", fd377a585a00: "xz" } as const;
  for (const [beginning, compression] of Object.entries(begins)) expect(compressionOf(beginning)).toBe(compression);
  for (const other of ["", "1f", "425a", "28b52f", "fd377a585a", "001f8b", "2e2f0000"])
    expect([other, compressionOf(other)]).toEqual([other, "none"]);
});

it("a root is thought to be larger than its tarball by what its compression usually saves", () => {
  const times = { none: 1, gzip: 3, bzip2: 4, zstd: 4, xz: 5 } as const;
  for (const [compression, ratio] of Object.entries(times) as [keyof typeof times, number][])
    expect(unpackedEstimate_bytes(compression, 10)).toBe(10 * ratio);
});

it("a bootstrapped root, a step and an image are thought to take what such ones took", () => {
  const MIB = 1024 ** 2;
  expect(["extract", "minbase", "standard"].map((variant) => bootstrapEstimate_bytes(variant, 2) / MIB)).toEqual([
    96, 544, 1056,
  ]);
  expect([provisionEstimate_bytes(0), provisionEstimate_bytes(3)]).toEqual([32 * MIB, 80 * MIB]);
  expect(["gzip", "none"].map((codec) => imageEstimate_bytes(1001, codec))).toEqual([601, 1001]);
});

it("a kernel is thought to take what its symbols, its debugging information and its image make of it", () => {
  const of = (symbols: number, isDebug: boolean, embedded_bytes: number) =>
    kernelEstimate_bytes({ symbols, isDebug, embedded_bytes }) / 1024;
  expect([of(0, true, 0), of(3, false, 0), of(3, true, 0), of(3, false, 2048)]).toEqual([0, 1800, 7200, 1810]);
});
