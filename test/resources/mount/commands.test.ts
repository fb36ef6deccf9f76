import { describe, expect, it } from "vitest";
import type { MountResource } from "../../../src/core/resource.ts";
import { mountCommands, shellLine } from "../../../src/resources/mount/commands.ts";

const base: MountResource = {
  id: "mount/r:/t",
  kind: "mount",
  name: "r:/t",
  identity: "mount:/r/t",
  dependsOn: [],
  origin: { document: "Root/r", file: "r.yaml", line: 1, column: 1 },
  protect: false,
  onDelete: "retain",
  target: "/r/t",
  within: "/r",
  type: "bind",
  source: "/s",
  options: [],
  propagation: undefined,
  namespace: "private",
  tree: undefined,
};

describe("the commands of a mount", () => {
  it("makes a read-only bind in three calls, so that ro is really in force", () => {
    expect(mountCommands({ ...base, options: ["ro", "nosuid"] }, [])).toEqual([
      ["mount", "--bind", "--", "/s", "/r/t"],
      ["mount", "--make-private", "--", "/r/t"],
      ["mount", "--options", "remount,bind,ro,nosuid", "--", "/s", "/r/t"],
    ]);
  });

  it("makes an rbind a slave, so that unmounting in the root never reaches the host", () => {
    expect(mountCommands({ ...base, type: "rbind", source: "/dev" }, [])).toEqual([
      ["mount", "--rbind", "--", "/dev", "/r/t"],
      ["mount", "--make-rslave", "--", "/r/t"],
    ]);
  });

  it("passes the options of a filesystem with its one call", () => {
    expect(mountCommands({ ...base, type: "tmpfs", source: "tmpfs", options: ["size=1G", "mode=1777"] }, [])).toEqual([
      ["mount", "--types", "tmpfs", "--options", "size=1G,mode=1777", "--", "tmpfs", "/r/t"],
    ]);
  });

  it("quotes every odd name for the shell", () => {
    expect(
      shellLine([
        ["mount", "/a b", "it's"],
        ["x", "$(x)\n"],
      ]),
    ).toBe("mount '/a b' 'it'\\''s' && x '$(x)\n'");
  });
});
