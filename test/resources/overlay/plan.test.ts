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
    const draft = plan({ ...same, tree: "absent" }, owned, { "tree/debian": "create" });
    expect(draft).toMatchObject({ operation: "overlay.lay", action: "update", cause: "corrective" });
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
    expect(draft.blocked?.condition).toBe("ReportOnly");
    expect(draft).toMatchObject({ operation: "overlay.lay", cause: "corrective" });
  });

  it("lays what the commit changed and leaves a reported local edit out", () => {
    const outdated: ObservedDifference = { ...edited, path: "etc/hosts", state: "outdated", declaredAsLaid: false };
    const changed = { ...resource, driftPolicy: "report" as const, overlay: { ...resource.overlay, digest: "d2" } };
    expect(plan({ ...same, differences: [edited, outdated] }, owned, {}, changed)).toMatchObject({
      arguments: { lay: ["etc/hosts"], remove: [] },
      cause: "intentional",
      reason: "overlay/common changed: ~ etc/hosts",
    });
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
  });

  it("takes note of a changed overlay that needs no file changed", () => {
    const changed = { ...resource, overlay: { ...resource.overlay, digest: "d2" } };
    expect(plan(same, owned, {}, changed)).toMatchObject({
      operation: "overlay.lay",
      arguments: { lay: [], remove: [] },
      cause: "intentional",
    });
  });

  it("forgets a removed declaration that is to be retained, and removes one that is not", () => {
    const observed = { ...same, laid: { unchanged: 2, edited: 1 } };
    expect(overlayPlanner.planRemoval({ ...owned, onDelete: "retain" }, observed).operation).toBe("forget");
    expect(overlayPlanner.planRemoval(owned, observed)).toEqual({
      operation: "overlay.remove",
      arguments: { record: owned },
      action: "delete",
      cause: "intentional",
      reason: "no longer declared: 2 laid files go, 1 edited since is kept",
    });
  });
});
