import { describe, expect, it } from "vitest";
import type { ArtifactResource, OwnedRecord } from "../../../src/core/resource.ts";
import type { Action, PlanContext } from "../../../src/core/step.ts";
import type { ObservedArtifact } from "../../../src/resources/artifact/observe.ts";
import { artifactPlanner } from "../../../src/resources/artifact/plan.ts";

const resource: ArtifactResource = {
  id: "artifact/debian",
  kind: "artifact",
  name: "debian",
  identity: "path:/s/artifacts/debian",
  dependsOn: ["tree/debian", "overlay/live@debian"],
  origin: { document: "Image/debian", file: "images/debian.yaml", line: 1, column: 1 },
  protect: false,
  onDelete: "retain",
  format: "initramfs",
  path: "/s/artifacts/debian",
  file: "initramfs.cpio.gz",
  base: { type: "tree", tree: "tree/debian", path: "/v/root", volumePath: "/v", sourceDate_s: 0, content: "live" },
  overlays: [],
  excludes: [],
  nodes: [],
  init: "/init",
  compression: { codec: "gzip", level: 6 },
  sourceDate_s: 0,
  packPolicy: "onChange",
  generations: 3,
  target: undefined,
};

const inputs = { packer: "1", "root/debian": "r1", "overlay/common": "o1", order: "root/debian overlay/common" };
const whole: ObservedArtifact = {
  state: "ours",
  whose: "",
  current: "aaaaaaaaaaaaaaaa",
  generation: "aaaaaaaaaaaaaaaa",
  damage: "",
  inputs,
  wanted: "aaaaaaaaaaaaaaaa",
  packed: inputs,
  difference: [],
  problem: undefined,
  generations: 0,
};
const absent: ObservedArtifact = {
  ...whole,
  state: "absent",
  current: "",
  generation: "",
  packed: {},
  inputs: undefined,
};

const owned: OwnedRecord = {
  id: resource.id,
  kind: "artifact",
  name: resource.name,
  identity: resource.identity,
  inputs,
  details: { path: resource.path, generation: "aaaaaaaaaaaaaaaa" },
  protect: false,
  onDelete: "retain",
  dependsOn: resource.dependsOn,
  revision: "c1",
  runId: "r1",
  appliedAt: "2026-01-01T00:00:00.000Z",
};
const context = (actions: Record<string, Action> = {}): PlanContext => ({
  actionOf: (id) => actions[id],
  adoptions: new Set(),
});
const pack = (action: string, cause: string, reason: string) => ({
  operation: "artifact.pack",
  arguments: { resource },
  action,
  cause,
  reason,
});

describe("the plan of an artifact", () => {
  it("packs what was never packed, once its root is made in this pass", () => {
    expect(artifactPlanner.plan(resource, absent, undefined, context({ "tree/debian": "create" }))).toEqual(
      pack("create", "intentional", "it is declared and was never packed"),
    );
  });

  it("waits for a root that is not there and is not made", () => {
    expect(artifactPlanner.plan(resource, absent, undefined, context()).blocked).toEqual({
      condition: "Waiting",
      message: "cannot pack debian: its root /v/root is not there",
      hint: "see tree/debian",
    });
  });

  it("keeps a whole generation with the same inputs", () => {
    expect(artifactPlanner.plan(resource, whole, owned, context())).toEqual({
      operation: "keep",
      arguments: {},
      action: "keep",
      cause: "intentional",
      reason: "packed as generation aaaaaaaaaaaaaaaa",
    });
  });

  it("names the overlay that a commit changed, with its paths", () => {
    const observed = { ...whole, inputs: { ...inputs, "overlay/common": "o2" }, difference: ["~ etc/motd (content)"] };
    expect(artifactPlanner.plan(resource, observed, owned, context())).toEqual({
      ...pack("update", "intentional", "overlay/common changed: ~ etc/motd (content)"),
      details: ["~ etc/motd (content)"],
    });
  });

  it("calls a root that was edited by hand a change on the host", () => {
    const observed = { ...whole, inputs: { ...inputs, "root/debian": "r2" }, difference: ["+ usr/bin/x"] };
    expect(artifactPlanner.plan(resource, observed, owned, context())).toEqual({
      ...pack("update", "corrective", "root debian changed on the host: + usr/bin/x"),
      details: ["+ usr/bin/x"],
    });
  });

  it("repacks when the root or an overlay in it changes in this pass", () => {
    expect(artifactPlanner.plan(resource, whole, owned, context({ "tree/debian": "replace" }))).toEqual({
      ...pack("update", "intentional", "tree/debian changes in this pass"),
      follows: "tree/debian",
    });
    expect(artifactPlanner.plan(resource, whole, owned, context({ "overlay/live@debian": "update" }))).toEqual({
      ...pack("update", "intentional", "overlay/live@debian changes in this pass"),
      follows: "overlay/live@debian",
    });
    const edited = { ...whole, inputs: { ...inputs, "root/debian": "r2" } };
    expect(artifactPlanner.plan(resource, edited, owned, context({ "overlay/live@debian": "update" }))).toEqual({
      ...pack("update", "corrective", "overlay/live@debian changes in this pass"),
      follows: "overlay/live@debian",
    });
  });

  it("names its own damage before a change below it", () => {
    const observed = { ...whole, damage: "initramfs.cpio.gz is missing" };
    expect(artifactPlanner.plan(resource, observed, owned, context({ "overlay/live@debian": "update" }))).toEqual(
      pack("update", "corrective", "artifact: initramfs.cpio.gz is missing"),
    );
  });

  it("packs a damaged artifact again as a correction", () => {
    const observed = { ...whole, damage: "initramfs.cpio.gz differs from what was packed: sha256 1234" };
    expect(artifactPlanner.plan(resource, observed, owned, context())).toEqual(
      pack("update", "corrective", "artifact: initramfs.cpio.gz differs from what was packed: sha256 1234"),
    );
  });

  it("switches current back when it points elsewhere", () => {
    const observed = { ...whole, current: "bbbbbbbbbbbbbbbb" };
    expect(artifactPlanner.plan(resource, observed, owned, context())).toEqual({
      operation: "artifact.switch",
      arguments: { resource, generation: "aaaaaaaaaaaaaaaa" },
      action: "update",
      cause: "corrective",
      reason: "current points to bbbbbbbbbbbbbbbb, aaaaaaaaaaaaaaaa was packed last",
    });
  });

  it("waits for approval of a repack where the policy says so, but not of the first packing", () => {
    const careful = { ...resource, packPolicy: "onApprove" as const };
    const observed = { ...whole, inputs: { ...inputs, "root/debian": "r2" } };
    expect(artifactPlanner.plan(careful, observed, owned, context()).blocked?.condition).toBe("ApprovalRequired");
    const first = artifactPlanner.plan(careful, absent, undefined, context({ "tree/debian": "create" }));
    expect(first.blocked).toBeUndefined();
  });

  it("refuses a directory that is not ours", () => {
    const foreign: ObservedArtifact = { ...absent, state: "foreign", whose: "not made by Rootloom" };
    expect(artifactPlanner.plan(resource, foreign, undefined, context()).blocked).toEqual({
      condition: "Refused",
      message: "cannot pack into /s/artifacts/debian: it is not made by Rootloom",
      hint: "move it away, or give the Image another name",
    });
  });

  it("forgets a retained artifact, and says what a deletion destroys", () => {
    const observed = { ...whole, generations: 2 };
    expect(artifactPlanner.planRemoval(owned, observed).operation).toBe("forget");
    expect(artifactPlanner.planRemoval({ ...owned, onDelete: "destroy" }, observed)).toMatchObject({
      operation: "artifact.delete",
      destroys: "2 generations of debian in /s/artifacts/debian",
    });
  });
});
