import { describe, expect, test } from "vitest";
import type { LinkResource, OwnedRecord } from "../../../src/core/resource.ts";
import type { Action, Draft, PlanContext } from "../../../src/core/step.ts";
import type { ObservedLink } from "../../../src/resources/link/observe.ts";
import { linkPlanner } from "../../../src/resources/link/plan.ts";

const resource: LinkResource = {
  id: "link/i686:/tools",
  kind: "link",
  name: "i686:/tools",
  identity: "path:/tools",
  dependsOn: ["volume/tools"],
  origin: { document: "ArchTarget/i686", file: "desired/targets/i686.yaml", line: 4, column: 5 },
  protect: false,
  onDelete: "destroy",
  path: "/tools",
  target: "/media/i686/tools",
};
const record: OwnedRecord = {
  ...{ id: resource.id, kind: "link", name: resource.name, identity: resource.identity, inputs: {} },
  details: { path: "/tools", target: "/media/i686/tools" },
  ...{ protect: false, onDelete: "destroy", dependsOn: resource.dependsOn, revision: "c1", runId: "r1" },
  appliedAt: "2026-01-01T00:00:00.000Z",
};
const there: ObservedLink = {
  ...{ path: "/tools", type: "symlink", target: "/media/i686/tools", parent: true, refusal: "", hint: "" },
};
const nothing: ObservedLink = { ...there, type: "nothing", target: "" };
const elsewhere: ObservedLink = { ...there, target: "/elsewhere" };
const unseen: ObservedLink = { ...nothing, refusal: "it is a system path", hint: "choose another" };

const around = (actions: Record<string, Action> = {}, ...adoptions: readonly LinkResource["id"][]): PlanContext => ({
  actionOf: (id) => actions[id],
  adoptions: new Set(adoptions),
});
const plan = (observed: ObservedLink, owned?: OwnedRecord, wanted = resource, context = around()): Draft =>
  linkPlanner.plan(wanted, observed, owned, context);

const keep = { operation: "keep", arguments: {}, action: "keep", cause: "intentional", reason: "as declared" };
const write = (action: string, cause: string, reason: string, blocked?: { message: string; hint: string }) => ({
  ...{ operation: "link.write", arguments: { resource }, action, cause, reason },
  ...(blocked && { blocked: { condition: "Refused", ...blocked } }),
});

describe("a declared link", () => {
  test("that is nowhere is new", () => {
    expect(plan(nothing)).toEqual(write("create", "intentional", "new"));
  });

  test("that disappeared is a correction, unless the commit moved it", () => {
    expect(plan(nothing, record)).toEqual(write("create", "corrective", "the link disappeared: nothing is at /tools"));
    expect(plan(nothing, { ...record, details: { path: "/old", target: "/media/i686/tools" } })).toEqual(
      write("create", "intentional", "moved from /old"),
    );
  });

  test("below a missing directory is refused, unless a step of this pass makes that", () => {
    const blocked = {
      message: "cannot write link /tools: the directory above it is not there",
      hint: "make the directory above /tools",
    };
    const orphan = { ...nothing, parent: false };
    expect(plan(orphan)).toEqual(write("create", "intentional", "new", blocked));
    const disappeared = write("create", "corrective", "the link disappeared: nothing is at /tools", blocked);
    expect(plan(orphan, record, resource, around({ "volume/tools": "update" }))).toEqual(disappeared);
    const several = { ...resource, dependsOn: ["volume/other", "volume/tools"] } as const;
    const { blocked: none } = plan(orphan, undefined, several, around({ "volume/tools": "create" }));
    expect(none).toBeUndefined();
    expect(plan(nothing)).not.toHaveProperty("blocked");
  });

  test("that is as declared and recorded is kept", () => {
    expect(plan(there, record)).toEqual(keep);
  });

  test("that leads elsewhere is corrected when a hand did it, and updated when the commit did", () => {
    const reason = "it leads to /elsewhere, /media/i686/tools is declared";
    expect(plan(elsewhere, record)).toEqual(write("update", "corrective", reason));
    const before = { ...record, details: { path: "/tools", target: "/elsewhere" } };
    expect(plan(elsewhere, before)).toEqual(write("update", "intentional", reason));
  });

  test("whose record is lost, or older than what is there, only gets its record", () => {
    expect(plan(there)).toEqual(write("update", "corrective", "it is as declared, but not recorded"));
    const older = { ...record, details: { path: "/tools", target: "/older" } };
    expect(plan(there, older)).toEqual(write("update", "intentional", "its record is older"));
  });

  test("whose life is declared otherwise has that recorded", () => {
    expect(plan(there, { ...record, protect: true })).toEqual(
      write("update", "intentional", "protect is false, true was recorded"),
    );
  });

  test("at a path that may not be used is refused", () => {
    expect(plan(unseen, record)).toEqual(
      write("create", "intentional", "new", {
        message: "cannot write link /tools: it is a system path",
        hint: "choose another",
      }),
    );
  });
});

describe("what stands at a link's path", () => {
  test("and is no link is never replaced, recorded or adopted", () => {
    const blocked = { message: "cannot write link /tools: a directory stands there", hint: "move /tools away" };
    const directory = { ...there, type: "directory", target: "" } as const;
    const expected = write("create", "intentional", "a directory stands there", blocked);
    expect(plan(directory, record, resource, around({}, resource.id))).toEqual(expected);
  });

  test("and is another's link is refused until it is adopted, also when ours was recorded at another path", () => {
    const reason = "it leads to /elsewhere, and we did not make it";
    const refused = write("adopt", "intentional", reason, {
      message: `cannot write link /tools: ${reason}`,
      hint: "rootloom adopt link/i686:/tools, or remove /tools",
    });
    expect(plan(elsewhere)).toEqual(refused);
    expect(plan(elsewhere, { ...record, details: { path: "/old", target: "/elsewhere" } })).toEqual(refused);
    expect(plan(elsewhere, undefined, resource, around({}, resource.id))).toEqual(
      write("adopt", "intentional", reason),
    );
  });
});

describe("a link whose declaration was removed", () => {
  const remove = (observed: ObservedLink, more: Partial<OwnedRecord> = {}): Draft =>
    linkPlanner.planRemoval({ ...record, ...more }, observed);
  const forget = (reason: string, more: Partial<OwnedRecord> = {}) => ({
    ...{ operation: "forget", arguments: { record: { ...record, ...more } }, action: "forget" },
    ...{ cause: "intentional", reason },
  });
  const deleted = {
    ...{ operation: "link.delete", arguments: { record }, action: "delete" },
    ...{ cause: "intentional", reason: "its declaration was removed" },
  };

  test("is deleted while it has the recorded target", () => {
    expect(remove(there)).toEqual(deleted);
  });

  test("is only forgotten when it is gone, or no more what we made", () => {
    expect(remove(nothing)).toEqual(forget("/tools is gone already"));
    const kept = forget("/tools is not the link to /media/i686/tools any more; it is kept");
    expect(remove(elsewhere)).toEqual(kept);
    expect(remove({ ...there, type: "file" })).toEqual(kept);
  });

  test("is kept when it was declared so, and not even forgotten while it is protected", () => {
    const retained = { onDelete: "retain" } as const;
    expect(remove(there, retained)).toEqual(forget("its declaration was removed; the link is kept", retained));
    const both = { onDelete: "retain", protect: true } as const;
    expect(remove(there, both)).toMatchObject({
      operation: "forget",
      blocked: { condition: "Refused", message: "cannot remove link/i686:/tools: it is protected" },
    });
  });

  test("is refused, not taken for gone or changed, where nobody may look", () => {
    const blocked = { condition: "Refused", message: "it is a system path", hint: "choose another" };
    expect(remove(unseen)).toEqual({ ...deleted, blocked });
    expect(remove({ ...elsewhere, refusal: unseen.refusal, hint: unseen.hint })).toEqual({ ...deleted, blocked });
  });
});
