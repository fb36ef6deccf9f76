import { describe, expect, it } from "vitest";
import type { ResourceId } from "../../src/core/resource.ts";
import { resolveName, resolveNames } from "../../src/pass/names.ts";

const ids: readonly ResourceId[] = ["volume/builds", "tree/debian", "artifact/debian", "artifact/rescue"];

describe("a name that a person writes", () => {
  it("is kind/name, with root/ and image/ for tree/ and artifact/", () => {
    expect(
      ["tree/debian", "root/debian", "image/debian", "artifact/rescue"].map((name) => resolveName(name, ids)),
    ).toEqual(["tree/debian", "tree/debian", "artifact/debian", "artifact/rescue"]);
  });

  it("is the bare name where only one has it", () => {
    expect(resolveName("rescue", ids)).toBe("artifact/rescue");
  });

  it("is refused with all that fit where several have it", () => {
    expect(() => resolveName("debian", ids)).toThrow(
      expect.objectContaining({ hint: "say which: tree/debian, artifact/debian" }),
    );
  });

  it("is answered with the nearest where none has it", () => {
    const hint = (near: string) => expect.objectContaining({ hint: `did you mean ${near}?` });
    expect(() => resolveName("recsue", ids)).toThrow(hint("artifact/rescue"));
    expect(() => resolveName("root/debain", ids)).toThrow(hint("tree/debian"));
    expect(() => resolveName("something-else", ids)).toThrow(
      expect.objectContaining({ hint: "`rootloom plan` lists all names" }),
    );
  });

  it("counts once, and none means all", () => {
    expect(resolveNames(["rescue", "image/rescue"], ids)).toEqual(["artifact/rescue"]);
    expect(resolveNames([], ids)).toEqual(ids);
  });
});
