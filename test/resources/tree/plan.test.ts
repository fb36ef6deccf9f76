import { describe, expect, test } from "vitest";
import type { OwnedRecord, ResourceId, TreeResource } from "../../../src/core/resource.ts";
import type { Action, PlanContext } from "../../../src/core/step.ts";
import type { TreeDrift } from "../../../src/resources/tree/drift.ts";
import type { ObservedTree } from "../../../src/resources/tree/observe.ts";
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
  cloned: "",
  copy: "",
  built: "",
  sourceKept: true,
  manifest: true,
  drift: { count: 0, paths: [], ofSteps: [] },
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
  ofSteps: [],
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
    expect(plan({ ...ours, refusal: "cannot use /etc/x", hint: "elsewhere" }, record)).toEqual({
      ...{ operation: "tree.create", arguments: { resource }, action: "create", cause: "intentional", reason: "new" },
      blocked: {
        condition: "Refused",
        message: "cannot create tree debian: cannot use /etc/x",
        hint: "elsewhere",
      },
    });
  });
});

describe("a recorded root that is not at its path", () => {
  const created = (reason: string) => ({
    ...{ operation: "tree.create", arguments: { resource }, action: "create", cause: "corrective", reason },
  });

  test("is created again, also when its volume only changes", () => {
    const expected = created("it disappeared: nothing is at /srv/debian/root");
    expect(plan(absent, record)).toEqual(expected);
    expect(plan(absent, record, resource, context([], { "volume/debian": "update" }))).toEqual(expected);
    const other = context([], { "volume/other": "create" });
    expect(plan(absent, record, resource, other)).toEqual(expected);
  });

  test("is not made a second time where it is recorded elsewhere, and the way out is named", () => {
    const details = { ...record.details, path: "/srv/old/root" };
    const elsewhere = { ...record, identity: "path:/srv/old/root", details };
    expect(plan(absent, elsewhere)).toEqual({
      ...{ operation: "tree.create", arguments: { resource }, action: "create", cause: "intentional", reason: "new" },
      blocked: {
        condition: "Refused",
        message: "cannot create tree debian: it is recorded at /srv/old/root, not at /srv/debian/root",
        hint: "move it there, or `rootloom forget tree/debian`",
      },
    });
  });

  test("is only placed when an interrupted run built it whole, recorded or not", () => {
    const built = { ...absent, built: "mmdebstrap:new" };
    expect(plan(built)).toEqual(created("an interrupted run built it, and did not place it"));
    expect(plan({ ...absent, built: "mmdebstrap:old" }).reason).toBe("new");
  });
});

describe("a clone of another root", () => {
  const from = { type: "clone", tree: "tree/base", path: "/srv/base/root", volumePath: "/srv/base" } as const;
  const clone: TreeResource = { ...resource, source: from };
  const created = (cause: string, reason: string, wanted = clone) => ({
    ...{ operation: "tree.create", arguments: { resource: wanted }, action: "create", cause, reason },
  });

  test("says how it is made: with its volume, or copied as that can be done", () => {
    const coming: TreeResource = { ...resource, source: { ...from, means: "zfs clone" } };
    const making = context([], { "volume/debian": "create" });
    const copied = { ...absent, copy: "reflink copy" };
    const made = (means: string, wanted = clone) => created("intentional", `new: a ${means} of tree/base`, wanted);
    expect(plan(absent, undefined, coming, making)).toEqual(made("zfs clone", coming));
    expect(plan(copied, undefined, coming)).toEqual(made("reflink copy", coming));
    expect(plan(copied, undefined, clone, making)).toEqual(made("reflink copy"));
    expect(plan(absent, undefined, clone, making)).toEqual(made("copy"));
  });

  test("that came with its volume is only taken note of, though nothing in it is marked as its own", () => {
    const came = { ...foreign, cloned: "zfs clone" };
    expect(plan(came, undefined, clone)).toEqual(
      created("intentional", "it came with its volume: a zfs clone of tree/base"),
    );
    expect(plan(came, record, clone)).toEqual(created("corrective", "it disappeared with its volume"));
  });
});

describe("what only steps have made in a managed root", () => {
  const made = (ofSteps: readonly string[], wanted = resource) =>
    plan({ ...ours, drift: { count: 0, paths: [], ofSteps } }, record, wanted);

  test("cannot be put back, and it is said what is another", () => {
    const told = "1 path differs from how its steps left it: opt/x";
    expect(made(["opt/x"])).toEqual({
      ...{ operation: "tree.restore", arguments: { resource, paths: ["opt/x"] }, action: "update" },
      ...{ cause: "corrective", reason: told, details: ["opt/x"] },
      blocked: {
        condition: "Refused",
        message: `cannot restore tree/debian: ${told}`,
        hint: "roll it back (rootloom snapshots debian), or change the step that made them, so that it runs again",
      },
    });
    expect(made(["opt/x"], { ...resource, driftPolicy: "report" }).blocked?.condition).toBe("ReportOnly");
  });

  test("is named up to three paths, and listed up to twenty", () => {
    const paths = Array.from({ length: 25 }, (_, at) => `p${at}`);
    const reason = (count: number) => made(paths.slice(0, count)).reason;
    expect(reason(3)).toBe("3 paths differ from how its steps left them: p0, p1, p2");
    expect(reason(4)).toBe("4 paths differ from how its steps left them: p0, p1, p2, ...");
    expect(made(paths).details).toEqual(paths.slice(0, 20));
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
    expect(plan(foreign, undefined, resource, context(["tree/debian"]))).toEqual({
      ...{ operation: "tree.adopt", arguments: { resource }, action: "adopt", cause: "intentional" },
      reason: "/srv/debian/root is a directory with 19 entries",
    });
    expect(plan(foreign, undefined, resource, context(["tree/debian"]))).not.toHaveProperty("blocked");
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
  const waiting = (cause: string, why: string) => ({
    ...{ operation: "tree.adopt", arguments: { resource: existing }, action: "adopt", cause },
    reason: `/srv/debian ${why}`,
    blocked: {
      condition: "Waiting",
      message: `cannot take tree debian as existing: /srv/debian ${why}`,
      hint: "mount or fill it, or declare a source",
    },
  });
  expect(plan({ ...foreign, populated: false }, undefined, existing)).toEqual(waiting("intentional", "is empty"));
  expect(plan(absent, undefined, existing)).toEqual(waiting("intentional", "is not there"));
  expect(plan(absent, record, existing)).toEqual(waiting("corrective", "is not there"));
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

  test("is taken for one where the marker does not say what the root was made from", () => {
    expect(plan({ ...ours, marked: undefined }, record)).toMatchObject({
      operation: "tree.replace",
      cause: "intentional",
      reason: expect.stringMatching(/^source changed: /),
    });
    const observed = { ...ours, sourceKey: "existing", marked: undefined, drift: undefined };
    expect(plan(observed, record, existing).reason).toBe("content is live now");
  });

  test("of which the swap was made and not recorded only gets its record", () => {
    const before = { ...record, inputs: { source: "mmdebstrap:old", content: "managed" } };
    expect(plan(ours, before)).toMatchObject({
      operation: "tree.update",
      cause: "corrective",
      reason: "an interrupted run placed it, and did not record it",
    });
  });

  test("that stands as declared, beside a build that nothing will place, only loses that", () => {
    expect(plan({ ...ours, remnants: true }, record)).toMatchObject({
      operation: "tree.update",
      action: "update",
      cause: "corrective",
      reason: "an interrupted run left what it had built",
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

  const named = "4 paths differ: etc/passwd (content), etc/motd (removed), etc/new (added), ...";
  const details = ["etc/passwd (content)", "etc/motd (removed)", "etc/new (added)", "etc/zz (mode)"];

  test("is only reported when its policy says so, its source kept or not", () => {
    const reporting = { ...resource, driftPolicy: "report" } as const;
    const reported = {
      operation: "tree.restore",
      arguments: { resource: reporting, paths: threePaths.paths.map(({ path }) => path) },
      ...{ action: "update", cause: "corrective", reason: named, details },
      blocked: {
        condition: "ReportOnly",
        message: `tree/debian: ${named}`,
        hint: "drift.policy is `report`: put it right by hand, or declare `correct`",
      },
    };
    expect(plan(drifted, record, reporting)).toEqual(reported);
    expect(plan({ ...drifted, sourceKept: false }, record, reporting)).toEqual(reported);
  });

  test("is restored before its record is brought up to date, but a report does not hold the record up", () => {
    const protect = { ...resource, protect: true };
    expect(plan(drifted, record, protect).operation).toBe("tree.restore");
    expect(plan(drifted, record, { ...protect, driftPolicy: "report" })).toMatchObject({
      operation: "tree.update",
      reason: "protect is true, false was recorded",
    });
  });

  test("in one path or in three says so, and with many shows twenty", () => {
    const paths = Array.from({ length: 25 }, (_, at) => ({ path: `p${at}`, change: "added", what: "" }) as const);
    const draftOf = (count: number, listed = count) =>
      plan({ ...ours, drift: { count, paths: paths.slice(0, listed), ofSteps: [] } }, record);
    expect(draftOf(1)).toMatchObject({ reason: "1 path differs: p0 (added)", details: ["p0 (added)"] });
    expect(draftOf(3).reason).toBe("3 paths differ: p0 (added), p1 (added), p2 (added)");
    const twenty = paths.slice(0, 20).map(({ path }) => `${path} (added)`);
    expect(draftOf(20).details).toEqual(twenty);
    expect(draftOf(25).details).toEqual([...twenty, "and 5 more"]);
    expect(draftOf(100, 2).details).toEqual(["p0 (added)", "p1 (added)", "and 98 more"]);
  });

  test("of an existing root has nothing to be restored from", () => {
    const managed = { ...existing, content: "managed" } as const;
    const marked = { source: "existing", content: "managed", facts: null };
    const observed = { ...drifted, sourceKey: "existing", marked, sourceKept: false };
    expect(plan(observed, record, managed)).toMatchObject({
      operation: "tree.restore",
      reason: named,
      details,
      blocked: {
        condition: "Refused",
        message: "cannot restore tree/debian: an existing root has no source to restore from",
        hint: "declare `content: live`, or put the paths right by hand",
      },
    });
  });

  test("is proposed for replacement when its source is not kept", () => {
    expect(plan({ ...drifted, sourceKept: false }, record)).toEqual({
      ...{ operation: "tree.replace", arguments: { resource }, action: "replace", cause: "corrective" },
      reason: `${named}; its source is not kept, so it can only be replaced`,
      ...{ replaces: true, details },
    });
  });

  test("and whose manifest is lost is proposed for replacement: what it should hold is unknown", () => {
    expect(plan({ ...ours, manifest: false, drift: undefined }, record)).toEqual({
      ...{ operation: "tree.replace", arguments: { resource }, action: "replace", cause: "corrective" },
      ...{ reason: "its manifest is lost, so that nobody can say what it should hold", replaces: true },
    });
  });
});

test("a live root needs no manifest, and is kept whatever people do in it", () => {
  const live = { ...resource, content: "live" } as const;
  const marked = { source: "mmdebstrap:new", content: "live", facts: null };
  expect(plan({ ...ours, marked, manifest: false, drift: undefined }, record, live)).toEqual({
    ...{ operation: "keep", arguments: {}, action: "keep", cause: "intentional" },
    reason: "live: people work in it",
  });
});

test("an existing root of ours is never replaced for its source", () => {
  const marked = { source: "tarball:old", content: "live", facts: null };
  const taken = { ...record, inputs: { source: "existing", content: "live" } };
  const observed = { ...ours, sourceKey: "existing", marked, drift: undefined };
  expect(plan(observed, taken, existing).operation).toBe("keep");
});

describe("a root whose record does not fit", () => {
  const update = (wanted: TreeResource, cause: string, reason: string) => ({
    ...{ operation: "tree.update", arguments: { resource: wanted }, action: "update", cause, reason },
  });

  test("because it was lost gets it back from the marker", () => {
    expect(plan(ours)).toEqual(update(resource, "corrective", "its record was lost; its marker is ours"));
  });

  test("because content became live has that recorded", () => {
    const live = { ...resource, content: "live" } as const;
    expect(plan(ours, record, live)).toEqual(update(live, "intentional", "content is live now"));
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
    const protect = { ...resource, protect: true };
    expect(plan(ours, record, protect)).toEqual(update(protect, "intentional", "protect is true, false was recorded"));
  });
});

describe("a root whose declaration was removed", () => {
  const remove = (changes: Partial<OwnedRecord>, observed: Partial<ObservedTree> = {}) =>
    treePlanner.planRemoval({ ...record, ...changes }, { ...ours, ...observed });

  const forget = (changes: Partial<OwnedRecord>, reason: string) => ({
    ...{ operation: "forget", arguments: { record: { ...record, ...changes } }, action: "forget" },
    ...{ cause: "intentional", reason },
  });
  const destroyed = { onDelete: "destroy" } as const;
  const deleted = {
    ...{ operation: "tree.delete", arguments: { record: { ...record, ...destroyed } }, action: "delete" },
    ...{ cause: "intentional", reason: "its declaration was removed" },
    destroys: "the root filesystem at /srv/debian/root",
  };

  test("is forgotten with its data kept when it was recorded with retain, there or not", () => {
    const kept = forget({}, "its declaration was removed; its data is kept");
    expect(remove({})).toEqual(kept);
    expect(remove({}, absent)).toEqual(kept);
  });

  test("is deleted when it was recorded with destroy, and says what is lost", () => {
    expect(remove(destroyed)).toEqual(deleted);
  });

  test("is only forgotten when it is gone already", () => {
    expect(remove(destroyed, absent)).toEqual(forget(destroyed, "/srv/debian/root is gone already"));
  });

  test("is never deleted when it was an existing one", () => {
    const changes = { ...destroyed, details: { ...record.details, sourceType: "existing" } };
    expect(remove(changes)).toEqual(forget(changes, "its declaration was removed; an existing root is never deleted"));
  });

  test("is not touched while its record is protected", () => {
    const changes = { ...destroyed, protect: true };
    expect(remove(changes)).toEqual({
      ...forget(changes, "its declaration was removed"),
      blocked: {
        condition: "Refused",
        message: "cannot remove tree/debian: it is protected",
        hint: "declare it again, lift `protect: true` in a commit of its own, then remove it",
      },
    });
  });

  test("is not deleted when something foreign took its place, or where nobody may look", () => {
    const blocked = (why: string, hint: string) => ({
      blocked: { condition: "Refused", message: `cannot remove tree/debian: ${why}`, hint },
    });
    expect(remove(destroyed, foreign)).toEqual({
      ...deleted,
      ...blocked("/srv/debian/root is a directory with 19 entries", "rootloom forget tree/debian"),
    });
    const unseen = { refusal: "/srv is a system path", hint: "choose another" };
    for (const observed of [unseen, { ...absent, ...unseen }]) {
      expect(remove(destroyed, observed)).toEqual({ ...deleted, ...blocked(unseen.refusal, unseen.hint) });
    }
  });

  test("of which an interrupted removal left parts is removed to the end, without a second approval", () => {
    const { destroys: _, ...harmless } = deleted;
    expect(remove(destroyed, { ...absent, remnants: true })).toEqual({
      ...{ ...harmless, cause: "corrective", reason: "an interrupted run left parts of it" },
    });
  });
});
