import { describe, expect, it } from "vitest";
import type { RootloomError } from "../../../src/core/error.ts";
import {
  moduleName,
  parseDependencies,
  parseSoftDependencies,
  pickModules,
} from "../../../src/resources/artifact/module-names.ts";

const known = {
  dependencies: parseDependencies(
    [
      "kernel/fs/ext4/ext4.ko.xz: kernel/fs/jbd2/jbd2.ko.xz kernel/lib/crc16.ko.xz",
      "kernel/fs/jbd2/jbd2.ko.xz:",
      "kernel/lib/crc16.ko.xz:",
      "kernel/drivers/net/virtio-net.ko.xz: kernel/net/core/failover.ko.xz",
      "kernel/net/core/failover.ko.xz: kernel/lib/crc16.ko.xz",
      "kernel/crypto/crc32c-intel.ko.xz:",
      "",
    ].join("\n"),
  ),
  soft: parseSoftDependencies("# Soft dependencies\nsoftdep ext4 pre: crc32c-intel not_there post: failover\n"),
  builtIn: ["kernel/fs/binfmt_elf.ko"],
};
const pick = (...only: readonly string[]): readonly string[] => pickModules("a", "6.1", only, known).map(moduleName);

describe("modules that are picked by name", () => {
  it("come with all that they depend on, and with what is to be loaded before and behind them where it is there", () => {
    expect(pick("jbd2")).toEqual(["jbd2"]);
    expect(pick("virtio_net")).toEqual(["virtio_net", "crc16", "failover"]);
    expect(pick("ext4")).toEqual(["crc32c_intel", "ext4", "jbd2", "crc16", "failover"]);
  });

  it("are named with dashes or underscores, whole or by a pattern; what is built in needs none", () => {
    expect(pick("virtio-net")).toEqual(pick("virtio_net"));
    expect(pick("crc*")).toEqual(["crc32c_intel", "crc16"]);
    expect(pick("binfmt-elf", "jbd2")).toEqual(["jbd2"]);
    expect(pick()).toEqual([]);
  });

  it("are refused where the kernel has none of that name", () => {
    const caught = (): RootloomError => {
      try {
        pick("ext4", "ext5", "zfs*");
      } catch (thrown) {
        return thrown as RootloomError;
      }
      throw new Error("nothing was thrown");
    };
    expect(caught().message).toBe("cannot pack a: kernel 6.1 has no module ext5, zfs*");
  });
});
