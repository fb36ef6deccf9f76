import { describe, expect, it } from "vitest";
import { refuseToTakeAlong } from "../../src/core/inside.ts";
import type { OwnedRecord, Resource, ResourceKind } from "../../src/core/resource.ts";
import type { Draft } from "../../src/core/step.ts";

const record = (kind: ResourceKind, name: string, details: OwnedRecord["details"], more: Partial<OwnedRecord> = {}) =>
  ({ id: `${kind}/${name}`, kind, name, details, onDelete: "destroy", protect: false, ...more }) as OwnedRecord;
const resource = (kind: ResourceKind, name: string, path: string) =>
  ({ id: `${kind}/${name}`, kind, name, path }) as unknown as Resource;

const outer = record("volume", "outer", { path: "/srv/outer" });
const destroys = { operation: "volume.delete", action: "delete", destroys: "all data" } as Draft;
const refused = (id: string, path: string) => ({
  ...destroys,
  blocked: {
    condition: "Refused",
    message: `cannot delete volume/outer: ${id} stands in it, at ${path}`,
    hint: `move ${id} out of /srv/outer first, or rootloom forget volume/outer`,
  },
});

describe("a deletion of a whole directory", () => {
  it.each(["volume", "tree", "artifact", "kernel"] as const)("is refused while a declared %s stands in it", (kind) => {
    const desired = [resource(kind, "x", "/srv/outer/a/x")];
    expect(refuseToTakeAlong(outer, destroys, desired, [])).toEqual(refused(`${kind}/x`, "/srv/outer/a/x"));
  });

  it("is refused while an image is published in it, and not by one that goes to the same path of another machine", () => {
    const publish = (type: string) =>
      ({ ...resource("publish", "x", ""), place: { type, path: "/srv/outer/www" } }) as unknown as Resource;
    expect(refuseToTakeAlong(outer, destroys, [publish("directory")], [])).toEqual(
      refused("publish/x", "/srv/outer/www"),
    );
    expect(refuseToTakeAlong(outer, destroys, [publish("ssh")], [])).toBe(destroys);
  });

  it.each(["link", "environment", "mount", "overlay", "provision"] as const)("takes a declared %s along", (kind) => {
    expect(refuseToTakeAlong(outer, destroys, [resource(kind, "x", "/srv/outer/x")], [])).toBe(destroys);
  });

  it.each(["volume", "tree", "artifact", "kernel", "publish"] as const)(
    "is refused while an undeclared %s in it is to be kept",
    (kind) => {
      const kept = [{ onDelete: "retain" }, { protect: true }] as const;
      for (const more of kept) {
        const gone = [outer, record(kind, "x", { path: "/srv/outer/x" }, more)];
        expect(refuseToTakeAlong(outer, destroys, [], gone)).toEqual(refused(`${kind}/x`, "/srv/outer/x"));
      }
    },
  );

  it("takes along what goes too, what is no directory, and what has no place", () => {
    const gone = [
      outer,
      record("tree", "goes", { path: "/srv/outer/root" }),
      record("link", "x", { path: "/srv/outer/x" }, { onDelete: "retain" }),
      record("provision", "goes", { path: "/srv/outer/root" }, { onDelete: "retain" }),
      record("artifact", "nowhere", {}, { onDelete: "retain" }),
    ];
    expect(refuseToTakeAlong(outer, destroys, [], gone)).toBe(destroys);
  });

  it("minds neither itself nor what only begins with the same letters", () => {
    const kept = { ...outer, onDelete: "retain" } as const;
    const beside = [resource("volume", "x", "/srv/outer"), resource("volume", "y", "/srv/outer-more")];
    expect(refuseToTakeAlong(kept, destroys, beside, [kept])).toBe(destroys);
    const moved = { ...outer, details: { path: "/srv/outer/in" }, onDelete: "retain" } as const;
    expect(refuseToTakeAlong(outer, destroys, [], [moved])).toBe(destroys);
  });

  it("that takes no data, is blocked already, or has no place is left as it is", () => {
    const desired = [resource("volume", "x", "/srv/outer/x")];
    const { destroys: _, ...harmless } = destroys;
    const blocked = { ...destroys, blocked: { condition: "Refused", message: "busy", hint: "h" } } as const;
    expect(refuseToTakeAlong(outer, harmless as Draft, desired, [])).toBe(harmless);
    expect(refuseToTakeAlong(outer, blocked, desired, [])).toBe(blocked);
    const placeless = record("volume", "outer", {});
    expect(refuseToTakeAlong(placeless, destroys, [resource("volume", "x", "undefined/x")], [])).toBe(destroys);
  });
});
