import { describe, expect, test } from "vitest";
import type { OwnedRecord, ResourceId, TreeResource } from "../../../src/core/resource.ts";
import type { Action, PlanContext } from "../../../src/core/step.ts";
import type { ObservedTree, TreeDrift } from "../../../src/resources/tree/observe.ts";
import { treePlanner } from "../../../src/resources/tree/plan.ts";

const source = {
  type: "mmdebstrap",
  suite: "trixie",
  variant: "minbase",
  include: ["nano"],
  architecture: undefined,
  mirror: undefined,
  components: [],
} as const;

const resource: TreeResource = {
  id: "tree/debian",
  kind: "tree",
  name: "debian",
  identity: "path:/srv/debian/root",
  dependsOn: ["volume/debian"],
  origin: { document: "Root/debian", file: "desired/roots/debian.yaml", line: 1, column: 1 },
  protect: false,
  onDelete: "retain",
  volume: "volume/debian",
  volumePath: "/srv/debian",
  path: "/srv/debian/root",
  source,
  content: "managed",
  driftPolicy: "correct",
  laidPaths: [],
};
const existing: TreeResource = { ...resource, path: "/srv/debian", source: { type: "existing" }, content: "live" };

const ours: ObservedTree = {
  state: "ours",
  path: "/srv/debian/root",
  refusal: "",
  hint: "",
  what: "",
  populated: true,
  sourceKey: "mmdebstrap:new",
  marked: { source: "mmdebstrap:new", content: "managed", facts: null },
  built: "",
  sourceKept: true,
  manifest: true,
  drift: { count: 0, paths: [] },
  remnants: false,
};
const absent: ObservedTree = {
  ...ours,
  state: "absent",
  populated: false,
  marked: undefined,
  manifest: false,
  drift: undefined,
};
const foreign: ObservedTree = { ...absent, state: "foreign", populated: true, what: "a directory with 19 entries" };

const record: OwnedRecord = {
  id: "tree/debian",
  kind: "tree",
  name: "debian",
  identity: "path:/srv/debian/root",
  inputs: { source: "mmdebstrap:new", content: "managed" },
  details: { path: "/srv/debian/root", volumePath: "/srv/debian", volume: "volume/debian", sourceType: "mmdebstrap" },
  protect: false,
  onDelete: "retain",
  dependsOn: ["volume/debian"],
  revision: "c0ffee",
  runId: "20261121-aaaaaaaa",
  appliedAt: "2026-11-21T08:00:00.000Z",
};

const threePaths: TreeDrift = {
  count: 4,
  paths: [
    { path: "etc/passwd", change: "changed", what: "content" },
    { path: "etc/motd", change: "removed", what: "removed" },
    { path: "etc/new", change: "added", what: "added" },
    { path: "etc/zz", change: "changed", what: "mode" },
  ],
};

function context(adoptions: readonly ResourceId[] = [], actions: Record<string, Action> = {}): PlanContext {
  return { actionOf: (id) => actions[id], adoptions: new Set(adoptions) };
}

const plan = (observed: ObservedTree, owned?: OwnedRecord, wanted = resource, around = context()) =>
  treePlanner.plan(wanted, observed, owned, around);

describe("a declared root", () => {
  test("that is nowhere is created, with its volume in the same plan", () => {
    expect(plan(absent, undefined, resource, context([], { "volume/debian": "create" }))).toEqual({
      operation: "tree.create",
      arguments: { resource },
      action: "create",
      cause: "intentional",
      reason: "new",
    });
  });

  test("that disappeared with its volume is created again, as a correction", () => {
    expect(plan(absent, record, resource, context([], { "volume/debian": "create" }))).toMatchObject({
      operation: "tree.create",
      cause: "corrective",
      reason: "it disappeared with its volume",
    });
  });

  test("that was built whole by an interrupted run is only placed", () => {
    expect(plan({ ...absent, built: "mmdebstrap:new" }, record)).toMatchObject({
      operation: "tree.create",
      cause: "corrective",
      reason: "an interrupted run built it, and did not place it",
    });
  });

  test("that is as recorded is kept", () => {
    expect(plan(ours, record)).toEqual({
      operation: "keep",
      arguments: {},
      action: "keep",
      cause: "intentional",
      reason: "as recorded",
    });
  });

  test("whose path may not be used is refused", () => {
    expect(plan({ ...absent, refusal: "cannot use /etc/x", hint: "elsewhere" }).blocked).toEqual({
      condition: "Refused",
      message: "cannot create tree debian: cannot use /etc/x",
      hint: "elsewhere",
    });
  });
});

describe("something populated in a root's place", () => {
  test("is refused with the command that adopts it", () => {
    expect(plan(foreign)).toEqual({
      operation: "tree.adopt",
      arguments: { resource },
      action: "adopt",
      cause: "intentional",
      reason: "/srv/debian/root is a directory with 19 entries",
      blocked: {
        condition: "Refused",
        message: "cannot use tree debian: /srv/debian/root is a directory with 19 entries",
        hint: "rootloom adopt tree/debian, or move it away",
      },
    });
  });

  test("is adopted when a person said so", () => {
    expect(plan(foreign, undefined, resource, context(["tree/debian"])).blocked).toBeUndefined();
  });

  test("is taken as it is when the root is declared existing", () => {
    expect(plan({ ...foreign, sourceKey: "existing" }, undefined, existing)).toEqual({
      operation: "tree.adopt",
      arguments: { resource: existing },
      action: "adopt",
      cause: "intentional",
      reason: "an existing root, taken as it is",
    });
  });
});

test("an existing root that is empty is waited for: nothing is made", () => {
  expect(plan({ ...foreign, populated: false }, undefined, existing).blocked).toEqual({
    condition: "Waiting",
    message: "cannot take tree debian as existing: /srv/debian is empty",
    hint: "mount or fill it, or declare a source",
  });
});

describe("a changed source", () => {
  const old = {
    source: "mmdebstrap:old",
    content: "managed",
    facts: { type: "mmdebstrap", suite: "bookworm", variant: "minbase", include: ["nano"], components: [] },
  };

  test("replaces the root, which waits for approval, and names what changed", () => {
    expect(plan({ ...ours, marked: old, drift: undefined }, record)).toEqual({
      operation: "tree.replace",
      arguments: { resource },
      action: "replace",
      cause: "intentional",
      reason: "source changed: suite is trixie, was bookworm",
      replaces: true,
    });
  });

  test("of which the swap was made and not recorded only gets its record", () => {
    const before = { ...record, inputs: { source: "mmdebstrap:old", content: "managed" } };
    expect(plan(ours, before)).toMatchObject({
      operation: "tree.update",
      cause: "corrective",
      reason: "an interrupted run placed it, and did not record it",
    });
  });
});

describe("a managed root that drifted", () => {
  const drifted = { ...ours, drift: threePaths };

  test("is restored path by path, and the paths are named", () => {
    expect(plan(drifted, record)).toEqual({
      operation: "tree.restore",
      arguments: { resource, paths: ["etc/passwd", "etc/motd", "etc/new", "etc/zz"] },
      action: "update",
      cause: "corrective",
      reason: "4 paths differ: etc/passwd (content), etc/motd (removed), etc/new (added), ...",
      details: ["etc/passwd (content)", "etc/motd (removed)", "etc/new (added)", "etc/zz (mode)"],
    });
  });

  test("is only reported when its policy says so", () => {
    expect(plan(drifted, record, { ...resource, driftPolicy: "report" })).toMatchObject({
      operation: "tree.restore",
      blocked: { condition: "ReportOnly" },
    });
  });

  test("is proposed for replacement when its source is not kept", () => {
    expect(plan({ ...drifted, sourceKept: false }, record)).toMatchObject({
      operation: "tree.replace",
      cause: "corrective",
      replaces: true,
      details: ["etc/passwd (content)", "etc/motd (removed)", "etc/new (added)", "etc/zz (mode)"],
    });
  });

  test("and whose manifest is lost is proposed for replacement: what it should hold is unknown", () => {
    expect(plan({ ...ours, manifest: false, drift: undefined }, record)).toMatchObject({
      operation: "tree.replace",
      replaces: true,
    });
  });
});

describe("a root whose record does not fit", () => {
  test("because it was lost gets it back from the marker", () => {
    expect(plan(ours)).toMatchObject({ operation: "tree.update", cause: "corrective" });
  });

  test("because content became managed is recorded as it is, not restored", () => {
    const live = { ...ours, marked: { source: "mmdebstrap:new", content: "live", facts: null }, drift: undefined };
    expect(plan(live, { ...record, inputs: { source: "mmdebstrap:new", content: "live" } })).toMatchObject({
      operation: "tree.update",
      cause: "intentional",
      reason: "content is managed now: what is there is recorded",
    });
  });

  test("because protection was declared has that recorded", () => {
    expect(plan(ours, record, { ...resource, protect: true }).reason).toBe("protect is true, false was recorded");
  });
});

describe("a root whose declaration was removed", () => {
  const remove = (changes: Partial<OwnedRecord>, observed: Partial<ObservedTree> = {}) =>
    treePlanner.planRemoval({ ...record, ...changes }, { ...ours, ...observed });

  test("is forgotten with its data kept when it was recorded with retain", () => {
    expect(remove({})).toMatchObject({ operation: "forget", reason: "its declaration was removed; its data is kept" });
  });

  test("is deleted when it was recorded with destroy, and says what is lost", () => {
    expect(remove({ onDelete: "destroy" })).toMatchObject({
      operation: "tree.delete",
      action: "delete",
      destroys: "the root filesystem at /srv/debian/root",
    });
  });

  test("is never deleted when it was an existing one", () => {
    const details = { ...record.details, sourceType: "existing" };
    expect(remove({ onDelete: "destroy", details }).operation).toBe("forget");
  });

  test("is not touched while its record is protected", () => {
    expect(remove({ onDelete: "destroy", protect: true }).blocked?.message).toBe(
      "cannot remove tree/debian: it is protected",
    );
  });

  test("is not deleted when something foreign took its place", () => {
    expect(remove({ onDelete: "destroy" }, foreign).blocked?.condition).toBe("Refused");
  });

  test("of which an interrupted removal left parts is removed to the end, without a second approval", () => {
    const draft = remove({ onDelete: "destroy" }, { ...absent, remnants: true });
    expect(draft).toMatchObject({ operation: "tree.delete", cause: "corrective" });
    expect(draft.destroys).toBeUndefined();
  });
});
