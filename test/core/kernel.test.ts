import { describe, expect, it } from "vitest";
import { ARCHITECTURES, architectureOf } from "../../src/core/kernel.ts";

describe("an architecture that kernels are built for", () => {
  it.each([
    ["x86_64", "bzImage", "arch/x86/boot/bzImage", "x86"],
    ["i386", "bzImage", "arch/x86/boot/bzImage", "x86"],
    ["arm64", "Image.gz", "arch/arm64/boot/Image.gz", "arm64"],
  ] as const)(
    "%s is made by `make %s`, which leaves %s, and has its files below arch/%s",
    (name, target, image, folder) => expect(ARCHITECTURES[name]).toEqual({ target, image, folder }),
  );

  it.each([
    ["x86_64", ["x86_64", "amd64", "x86_64-linux-gnu", "amd64-unknown-freebsd"]],
    ["i386", ["i386", "i486", "i586", "i686", "x86", "i686-linux-gnu", "i386-pc-linux-musl"]],
    ["arm64", ["aarch64", "arm64", "aarch64-linux-gnu"]],
    [undefined, ["i286", "i786", "armv7l", "arm", "riscv64", "riscv64-linux-gnu", "", "-x86_64", "linux-x86_64"]],
    [undefined, ["x86_64_v3", "notx86_64", "amd64p32", "i6868", "xi686", "x86x", "arm64e", "aarch64_be", "myarm64"]],
  ] as const)("%s is what %j mean", (architecture, names) => {
    expect(names.map(architectureOf)).toEqual(names.map(() => architecture));
  });
});
