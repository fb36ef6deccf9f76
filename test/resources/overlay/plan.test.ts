import { describe, expect, it } from "vitest";
import type { OverlayEntry, OverlayResource, OwnedRecord } from "../../../src/core/resource.ts";
import type { Action, PlanContext } from "../../../src/core/step.ts";
import type { ObservedDifference, ObservedOverlay } from "../../../src/resources/overlay/observe.ts";
import { overlayPlanner } from "../../../src/resources/overlay/plan.ts";

const entry = (path: string, more: Partial<OverlayEntry> = {}): OverlayEntry => ({
  path,
  type: "file",
  mode: 0o644,
  owner: 0,
  group: 0,
  size: 3,
  sha256: "aa",
  target: "",
  major: 0,
  minor: 0,
  content: "/cache/aa",
  explicit: true,
  ...more,
});

const resource: OverlayResource = {
  id: "overlay/common@debian",
  kind: "overlay",
  name: "common@debian",
  identity: "overlay:/v/root:common",
  dependsOn: ["tree/debian"],
  origin: { document: "Overlay/common", file: "overlays/common/overlay.yaml", line: 1, column: 1 },
  protect: false,
  onDelete: "destroy",
  tree: "tree/debian",
  treePath: "/v/root",
  volumePath: "/v",
  driftPolicy: "correct",
  overlay: {
    name: "common",
    order: 10,
    entries: [entry("etc", { type: "directory", explicit: false }), entry("etc/motd")],
    deletions: ["etc/issue"],
    sourceDate_s: 0,
    digest: "d1",
    secret: false,
  },
};

const owned: OwnedRecord = {
  id: resource.id,
  kind: "overlay",
  name: resource.name,
  identity: resource.identity,
  inputs: { overlay: "d1" },
  details: { treePath: "/v/root", volumePath: "/v", tree: "debian", overlay: "common" },
  protect: false,
  onDelete: "destroy",
  dependsOn: ["tree/debian"],
  revision: "c1",
  runId: "r1",
  appliedAt: "2026-01-01T00:00:00.000Z",
};

const same: ObservedOverlay = {
  tree: "present",
  problem: undefined,
  differences: [],
  leaving: [],
  deletions: [],
  laid: { unchanged: 0, edited: 0 },
};
const edited: ObservedDifference = {
  path: "etc/motd",
  state: "edited",
  what: ["content"],
  diff: ["@@ -1 +1 @@", "-mine", "+ours"],
  declaredAsLaid: true,
};

const context = (actions: Record<string, Action> = {}): PlanContext => ({
  actionOf: (id) => actions[id],
  adoptions: new Set(),
});
const plan = (
  observed: ObservedOverlay,
  record: OwnedRecord | undefined = owned,
  actions: Record<string, Action> = {},
  desired: OverlayResource = resource,
) => overlayPlanner.plan(desired, observed, record, context(actions));

describe("the plan of an overlay in a root", () => {
  it("lays everything, and applies its deletions, into a root that is made in this pass", () => {
    expect(
      overlayPlanner.plan(resource, { ...same, tree: "absent" }, undefined, context({ "tree/debian": "create" })),
    ).toEqual({
      operation: "overlay.lay",
      arguments: { resource, lay: ["etc", "etc/motd"], remove: ["etc/issue"] },
      action: "create",
      cause: "intentional",
      reason: "overlay/common is laid into tree/debian, which changes in this pass",
    });
  });

  it("lays everything again into a root that came back though the commit is the same", () => {
    const all = {
      ...{ operation: "overlay.lay", arguments: { resource, lay: ["etc", "etc/motd"], remove: ["etc/issue"] } },
      ...{ action: "update", cause: "corrective" },
      reason: "overlay/common is laid into tree/debian, which changes in this pass",
    };
    expect(plan({ ...same, tree: "absent" }, owned, { "tree/debian": "create" })).toEqual(all);
    expect(plan({ ...same, tree: "absent" })).toEqual(all);
    expect(plan(same, owned, { "tree/debian": "create" })).toEqual(all);
    expect(plan(same, owned, { "tree/debian": "replace" })).toEqual({ ...all, cause: "intentional" });
    const older = { ...owned, inputs: { overlay: "d0" } };
    expect(plan(same, older, { "tree/debian": "create" })).toEqual({ ...all, cause: "intentional" });
    expect(plan(same, owned, { "tree/debian": "update" }).operation).toBe("keep");
  });

  it("records what is as declared and not recorded, or recorded with another policy", () => {
    const nothing = { resource, lay: [], remove: [] };
    const first = overlayPlanner.plan(resource, same, undefined, context());
    expect(first).toEqual({
      ...{ operation: "overlay.lay", arguments: nothing, action: "create", cause: "corrective" },
      reason: "as declared, but not recorded",
    });
    expect(plan(same, { ...owned, onDelete: "retain" })).toEqual({
      ...{ operation: "overlay.lay", arguments: nothing, action: "update", cause: "intentional" },
      reason: "onDelete is destroy, retain was recorded",
    });
  });

  it("is laid into a root that stands, and says what is new and what is changed", () => {
    const missing: ObservedDifference = { ...edited, path: "etc/hosts", state: "absent", what: [], diff: [] };
    const observed = { ...same, differences: [missing, edited], deletions: ["etc/issue"] };
    expect(overlayPlanner.plan(resource, observed, undefined, context())).toEqual({
      operation: "overlay.lay",
      arguments: { resource, lay: ["etc/hosts", "etc/motd"], remove: ["etc/issue"] },
      action: "create",
      cause: "intentional",
      reason: "overlay/common is laid into tree/debian: + etc/hosts, ~ etc/motd, - etc/issue",
      details: [
        ...["+ etc/hosts (absent)", "~ etc/motd (edited: content differs)"],
        ...["    @@ -1 +1 @@", "    -mine", "    +ours", "- etc/issue"],
      ],
    });
  });

  it("names three paths and counts the others", () => {
    const missing = (path: string): ObservedDifference => ({ ...edited, path, state: "missing", what: [], diff: [] });
    const reasonFor = (...paths: readonly string[]) => plan({ ...same, differences: paths.map(missing) }).reason;
    expect(reasonFor("a", "b", "c")).toBe("3 laid paths differ in tree/debian: + a, + b, + c");
    expect(reasonFor("a", "b", "c", "d", "e")).toBe("5 laid paths differ in tree/debian: + a, + b, + c and 2 more");
  });

  it("shows no more than 200 lines of differences, and says how many are left out", () => {
    const long = (length: number): ObservedOverlay => {
      const diff = Array.from({ length: length - 1 }, (_, line) => `+${line}`);
      return { ...same, differences: [{ ...edited, what: ["mode is 0600", "content"], diff }] };
    };
    const shown = plan(long(200)).details ?? [];
    expect(shown).toHaveLength(200);
    expect(shown[0]).toBe("~ etc/motd (edited: mode is 0600, content differs)");
    expect(plan(long(203)).details).toEqual([...shown, "... 3 more lines"]);
  });

  it("removes again what was deleted and came back, once where the overlay also drops it", () => {
    const back = { ...same, leaving: ["etc/issue"], deletions: ["etc/issue", "etc/old"] };
    expect(plan(back)).toMatchObject({
      arguments: { lay: [], remove: ["etc/issue", "etc/old"] },
      cause: "corrective",
      reason: "2 laid paths differ in tree/debian: - etc/issue, - etc/old",
      details: ["- etc/issue", "- etc/old"],
    });
    for (const one of [{ leaving: ["x"] }, { deletions: ["x"] }]) {
      expect(plan({ ...same, ...one }, owned, {}, { ...resource, driftPolicy: "report" }).blocked?.condition).toBe(
        "ReportOnly",
      );
    }
  });

  it("passes on why the root cannot be looked at", () => {
    const problem = { message: "cannot open tree/debian: it is foreign", hint: "adopt it" };
    expect(plan({ ...same, problem })).toEqual({
      operation: "overlay.lay",
      arguments: { resource, lay: [], remove: [] },
      action: "update",
      cause: "corrective",
      reason: problem.message,
      details: [],
      blocked: { condition: "Refused", ...problem },
    });
  });

  it("keeps what is as declared and recorded", () => {
    expect(plan(same)).toEqual({
      operation: "keep",
      arguments: {},
      action: "keep",
      cause: "intentional",
      reason: "as declared",
    });
  });

  it("corrects a local edit and shows it as a diff", () => {
    expect(plan({ ...same, differences: [edited] })).toEqual({
      operation: "overlay.lay",
      arguments: { resource, lay: ["etc/motd"], remove: [] },
      action: "update",
      cause: "corrective",
      reason: "1 laid path differs in tree/debian: ~ etc/motd",
      details: ["~ etc/motd (edited: content differs)", "    @@ -1 +1 @@", "    -mine", "    +ours"],
    });
  });

  it("only reports a local edit where the policy says so", () => {
    const draft = plan({ ...same, differences: [edited] }, owned, {}, { ...resource, driftPolicy: "report" });
    expect(draft.blocked).toEqual({
      condition: "ReportOnly",
      message: "overlay/common differs in tree/debian, and its drift policy is report",
      hint: "commit the edit to the overlay, undo it by hand, or set drift.policy: correct",
    });
    expect(draft).toMatchObject({ operation: "overlay.lay", cause: "corrective" });
  });

  it("is drift and nothing else when the commit changed no file that differs", () => {
    const missing: ObservedDifference = { ...edited, path: "etc/gone", state: "missing", what: [], diff: [] };
    const changed = { ...resource, driftPolicy: "report" as const, overlay: { ...resource.overlay, digest: "d2" } };
    expect(plan({ ...same, differences: [edited, missing] }, owned, {}, changed)).toMatchObject({
      arguments: { lay: ["etc/motd", "etc/gone"], remove: [] },
      cause: "corrective",
      reason: "2 laid paths differ in tree/debian: ~ etc/motd, + etc/gone",
      blocked: { condition: "ReportOnly" },
    });
    for (const also of [{ leaving: ["etc/old"] }, { deletions: ["etc/old"] }]) {
      const draft = plan({ ...same, differences: [edited], ...also }, owned, {}, changed);
      expect(draft).toMatchObject({ arguments: { lay: [], remove: ["etc/old"] }, cause: "intentional" });
      expect(draft).not.toHaveProperty("blocked");
    }
  });

  it("lays what the commit changed and leaves a reported local edit out", () => {
    const outdated: ObservedDifference = { ...edited, path: "etc/hosts", state: "outdated", declaredAsLaid: false };
    const changed = { ...resource, driftPolicy: "report" as const, overlay: { ...resource.overlay, digest: "d2" } };
    expect(plan({ ...same, differences: [edited, outdated] }, owned, {}, changed)).toMatchObject({
      arguments: { lay: ["etc/hosts"], remove: [] },
      cause: "intentional",
      reason: "overlay/common changed: ~ etc/hosts",
    });
    const correcting = { ...changed, driftPolicy: "correct" as const };
    expect(plan({ ...same, differences: [edited, outdated] }, owned, {}, correcting)).toMatchObject({
      arguments: { lay: ["etc/motd", "etc/hosts"] },
      cause: "intentional",
    });
    const notAsLaid = { ...edited, declaredAsLaid: false };
    expect(plan({ ...same, differences: [notAsLaid] }, owned, {}, changed)).toMatchObject({
      arguments: { lay: ["etc/motd"] },
      cause: "intentional",
    });
    const refusedBefore = { ...edited, state: "refused", declaredAsLaid: true } as const;
    expect(plan({ ...same, differences: [refusedBefore] }, owned, {}, changed)).toMatchObject({
      arguments: { lay: ["etc/motd"] },
      cause: "intentional",
    });
    const problem = { message: "cannot open tree/debian", hint: "adopt it" };
    expect(plan({ ...same, problem }, owned, {}, changed).cause).toBe("intentional");
    for (const also of [{ leaving: ["etc/old"] }, { deletions: ["etc/old"] }]) {
      const draft = plan({ ...same, differences: [outdated], ...also }, owned, {}, changed);
      expect(draft).toMatchObject({ arguments: { lay: ["etc/hosts"], remove: ["etc/old"] }, cause: "intentional" });
    }
  });

  it("never shows the content of a secret overlay", () => {
    const secret = { ...resource, overlay: { ...resource.overlay, secret: true } };
    expect(plan({ ...same, differences: [edited] }, owned, {}, secret).details).toEqual([
      "~ etc/motd (edited: content differs)",
    ]);
  });

  it("removes what left the overlay", () => {
    const changed = { ...resource, overlay: { ...resource.overlay, digest: "d2" } };
    expect(plan({ ...same, leaving: ["etc/old"] }, owned, {}, changed)).toMatchObject({
      operation: "overlay.lay",
      arguments: { lay: [], remove: ["etc/old"] },
      cause: "intentional",
      reason: "overlay/common changed: - etc/old",
    });
  });

  it("refuses a file over a directory and says how to allow it", () => {
    const refused: ObservedDifference = {
      ...edited,
      state: "refused",
      what: ["a directory stands there, a file is declared"],
      diff: [],
    };
    expect(plan({ ...same, differences: [refused] }).blocked).toEqual({
      condition: "Refused",
      message: "cannot lay etc/motd into tree/debian: a directory stands there, a file is declared",
      hint: "list the path in the overlay's `delete` if what stands there may go, or move it by hand",
    });
    const several = [refused, { ...refused, path: "etc/b", what: ["a", "b"] }, { ...refused, path: "etc/c" }, edited];
    expect(plan({ ...same, differences: several }).blocked?.message).toBe(
      "cannot lay etc/motd into tree/debian: a directory stands there, a file is declared (and 2 more)",
    );
    expect(plan({ ...same, differences: several.slice(1, 2) }).blocked?.message).toBe(
      "cannot lay etc/b into tree/debian: a, b",
    );
  });

  it("takes note of a changed overlay that needs no file changed", () => {
    const changed = { ...resource, overlay: { ...resource.overlay, digest: "d2" } };
    expect(plan(same, owned, {}, changed)).toMatchObject({
      operation: "overlay.lay",
      arguments: { lay: [], remove: [] },
      cause: "intentional",
      reason: "overlay/common changed",
    });
  });

  it("forgets a removed declaration that is to be retained, and removes one that is not", () => {
    const observed = { ...same, laid: { unchanged: 2, edited: 1 } };
    const forget = (record: OwnedRecord, reason: string) => ({
      ...{ operation: "forget", arguments: { record }, action: "forget", cause: "intentional", reason },
    });
    for (const record of [{ ...owned, onDelete: "retain" } as const, { ...owned, protect: true }]) {
      expect(overlayPlanner.planRemoval(record, observed)).toEqual(
        forget(record, "no longer declared; its files are kept"),
      );
    }
    expect(overlayPlanner.planRemoval(owned, { ...observed, tree: "absent" })).toEqual(
      forget(owned, "the root that it was laid into is gone"),
    );
    expect(overlayPlanner.planRemoval(owned, observed)).toEqual({
      operation: "overlay.remove",
      arguments: { record: owned },
      action: "delete",
      cause: "intentional",
      reason: "no longer declared: 2 laid files go, 1 edited since is kept",
    });
    const reasonFor = (unchanged: number, changed: number) =>
      overlayPlanner.planRemoval(owned, { ...same, laid: { unchanged, edited: changed } }).reason;
    expect(reasonFor(1, 0)).toBe("no longer declared: 1 laid file goes");
    expect(reasonFor(0, 2)).toBe("no longer declared: 0 laid files go, 2 edited since are kept");
    const problem = { message: "cannot open tree/debian", hint: "adopt it" };
    expect(overlayPlanner.planRemoval(owned, { ...same, problem }).blocked).toEqual({
      condition: "Refused",
      ...problem,
    });
    expect(overlayPlanner.planRemoval(owned, same)).not.toHaveProperty("blocked");
  });
});
