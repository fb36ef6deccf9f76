import { describe, expect, it } from "vitest";
import { readOnlyOptions } from "../../../src/resources/volume/backends/filesystem.ts";

describe("a device that is mounted to be read", () => {
  it("has the options that keep each filesystem from replaying its journal", () => {
    expect(readOnlyOptions("ext4", "/dev/x", false)).toEqual(["ro", "noload"]);
    expect(readOnlyOptions("xfs", "/dev/x", false)).toEqual(["ro", "norecovery"]);
    expect(readOnlyOptions("btrfs", "/dev/x", false)).toEqual(["ro", "rescue=nologreplay"]);
  });

  it("may have its origin's uuid as a block copy of xfs, and is never mounted as one of btrfs", () => {
    expect(readOnlyOptions("ext4", "/dev/x", true)).toEqual(["ro", "noload"]);
    expect(readOnlyOptions("xfs", "/dev/x", true)).toEqual(["ro", "norecovery", "nouuid"]);
    expect(() => readOnlyOptions("btrfs", "/dev/x", true)).toThrow(
      "cannot mount /dev/x: it is a copy of a btrfs device, which is never mounted beside its origin",
    );
  });

  it.each([
    ["f2fs", "its filesystem is f2fs"],
    ["", "its filesystem is not known"],
  ])("is refused with a filesystem of which we do not know how: %s", (type, why) => {
    expect(() => readOnlyOptions(type, "/dev/x", false)).toThrow(`cannot work on /dev/x: ${why}`);
  });
});
