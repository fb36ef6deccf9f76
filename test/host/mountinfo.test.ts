import { describe, expect, it } from "vitest";
import { parseMountLine, parseMounts } from "../../src/host/mountinfo.ts";

const line = "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 shared:2 - ext3 /dev/root rw,errors=continue";

describe("the kernel's list of mounts", () => {
  it("gives every field of a line", () => {
    expect(parseMountLine(line)).toEqual({
      id: 36,
      parent: 35,
      device: "98:0",
      root: "/mnt1",
      target: "/mnt2",
      options: ["rw", "noatime"],
      superOptions: ["rw", "errors=continue"],
      propagation: ["master:1", "shared:2"],
      type: "ext3",
      source: "/dev/root",
    });
  });

  it("undoes the octal escapes of targets, roots and sources", () => {
    const mount = parseMountLine("1 2 0:5 /a\\011b /c\\040d\\134e rw - tmpfs my\\040disk rw");
    expect([mount?.root, mount?.target, mount?.source]).toEqual(["/a\tb", "/c d\\e", "my disk"]);
  });

  it("takes a mount without propagation, and a source that is a dash", () => {
    expect(parseMountLine("1 2 0:5 / /x rw - tmpfs - rw")).toMatchObject({ propagation: [], source: "-" });
  });

  it("keeps the order of mounts stacked on one target", () => {
    expect(parseMounts(`${line}\n${line.replace("36", "37")}\n`).map(({ id }) => id)).toEqual([36, 37]);
  });

  it("refuses a list with a line that it does not understand", () => {
    expect(() => parseMounts(`${line}\n36 35 nonsense\n`)).toThrow("unknown form: 36 35 nonsense");
  });
});
