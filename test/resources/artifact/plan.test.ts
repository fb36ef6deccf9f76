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
    expect(artifactPlanner.plan(resource, absent, undefined, context())).toEqual({
      ...pack("create", "intentional", "cannot pack debian: its root /v/root is not there"),
      blocked: {
        condition: "Waiting",
        message: "cannot pack debian: its root /v/root is not there",
        hint: "see tree/debian",
      },
    });
  });

  it("packs a root that is there, or a tarball that needs none, without waiting", () => {
    const reason = "it is declared and was never packed";
    expect(artifactPlanner.plan(resource, { ...absent, inputs }, undefined, context())).toEqual(
      pack("create", "intentional", reason),
    );
    const base = { type: "tarball", location: "/x.tar", sha256: "a", sourceDate_s: 0 } as const;
    const tarball = { ...resource, base, dependsOn: [] };
    expect(artifactPlanner.plan(tarball, absent, undefined, context())).toEqual({
      ...pack("create", "intentional", reason),
      arguments: { resource: tarball },
    });
  });

  it("packs a recorded artifact that disappeared again, as a correction", () => {
    expect(artifactPlanner.plan(resource, { ...absent, inputs }, owned, context())).toEqual(
      pack("create", "corrective", "/s/artifacts/debian is gone"),
    );
  });

  it("keeps the last generation while its root is away", () => {
    expect(artifactPlanner.plan(resource, { ...whole, inputs: undefined }, owned, context())).toEqual({
      ...{ operation: "keep", arguments: {}, action: "keep", cause: "intentional" },
      reason: "its root is not there; the last generation stays",
    });
  });

  it("takes what is whole but not recorded, or recorded with another policy, into the record", () => {
    expect(artifactPlanner.plan(resource, whole, undefined, context())).toEqual(
      pack("update", "corrective", "whole, but not recorded"),
    );
    expect(artifactPlanner.plan(resource, whole, { ...owned, onDelete: "destroy" }, context())).toEqual(
      pack("update", "intentional", "onDelete is retain, destroy was recorded"),
    );
  });

  it.each([
    ["update", whole],
    ["create", absent],
  ] as const)("passes on why its %s must not be, and what a person can do", (action, observed) => {
    const problem = { condition: "Waiting", message: "root debian is in use", hint: "wait" } as const;
    const draft = artifactPlanner.plan(resource, { ...observed, problem }, owned, context());
    expect(draft).toEqual({ ...pack(action, "intentional", problem.message), blocked: problem });
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

  it("names the overlay that came or went, not the order that it changed, and at most three paths", () => {
    const { "overlay/common": _, ...fewer } = inputs;
    const order = "root/debian";
    const difference = ["- a", "- b", "- c", "- d"];
    const gone = { ...whole, inputs: { ...fewer, order }, difference };
    expect(artifactPlanner.plan(resource, gone, owned, context())).toEqual({
      ...pack("update", "intentional", "overlay/common changed: - a, - b, - c"),
      details: difference,
    });
    const came = { ...whole, packed: { ...fewer, order } };
    expect(artifactPlanner.plan(resource, came, owned, context()).reason).toBe("overlay/common changed");
    const reordered = { ...whole, inputs: { ...inputs, order: "overlay/common root/debian" } };
    expect(artifactPlanner.plan(resource, reordered, owned, context())).toEqual({
      ...pack("update", "intentional", "order changed"),
      details: [],
    });
  });

  describe("with a boot check", () => {
    const bootCheck = { expect: "OK", timeout_s: 60, memory_bytes: undefined, machine: undefined, cmdline: "" };
    const checked: ArtifactResource = { ...resource, bootCheck };
    const record = { ...owned, details: { ...owned.details, checked: true } };
    const failed = { state: "failed", message: 'ended without printing "OK"' } as const;
    const plan = (observed: ObservedArtifact, from: OwnedRecord | undefined = record, actions = {}) =>
      artifactPlanner.plan(checked, observed, from, context(actions));
    const quarantined = (generation: string, stays: string) => ({
      condition: "Quarantined",
      message: `generation ${generation} is quarantined: in its boot check it ended without printing "OK"; ${stays}`,
      hint: `see /s/artifacts/debian/${generation}/boot.log; it is tried again when an input changes, or by: rootloom trigger artifact/debian`,
    });

    it("keeps a generation that passed", () => {
      expect(plan({ ...whole, check: { state: "passed", message: "" } }).operation).toBe("keep");
    });

    it("checks one that was never checked, or by another check, and records one that needs no check any more", () => {
      const unchecked = plan({ ...whole, check: { state: "unchecked", message: "" } });
      expect(unchecked).toMatchObject({ operation: "artifact.pack", reason: "its boot check was not run yet" });
      expect(unchecked.blocked).toBeUndefined();
      expect(artifactPlanner.plan(resource, whole, record, context()).reason).toBe(
        "no boot check is declared any more",
      );
    });

    it("leaves what failed alone until an input changes, and says what stays current", () => {
      const other = { ...inputs, "overlay/common": "o2" };
      const observed = { ...whole, inputs: other, wanted: "bbbbbbbbbbbbbbbb", check: failed };
      const draft = plan(observed);
      expect(draft).toMatchObject({ operation: "artifact.pack", reason: "overlay/common changed" });
      expect(draft.blocked).toEqual(quarantined("bbbbbbbbbbbbbbbb", "generation aaaaaaaaaaaaaaaa stays current"));
      expect(plan({ ...observed, check: { state: "unchecked", message: "" } }).blocked).toBeUndefined();
      const approving = { ...checked, packPolicy: "onApprove" } as const;
      expect(artifactPlanner.plan(approving, observed, record, context()).blocked?.condition).toBe("Quarantined");
    });

    it("leaves the very first alone, too, and the current one where only the check is another", () => {
      const first = { ...absent, state: "ours", inputs, check: failed } as const;
      expect(plan(first, undefined).blocked).toEqual(quarantined("aaaaaaaaaaaaaaaa", "there is no current one"));
      expect(plan({ ...whole, check: failed })).toMatchObject({
        reason: "it does not pass its boot check",
        blocked: quarantined("aaaaaaaaaaaaaaaa", "generation aaaaaaaaaaaaaaaa stays current"),
      });
      expect(plan({ ...whole, damage: "manifest is missing", check: failed }).blocked?.condition).toBe("Quarantined");
    });

    it("waits for its kernel, and takes what this pass builds", () => {
      const dependsOn = [...resource.dependsOn, "kernel/k"] as const;
      const problem = { condition: "Waiting", message: "kernel/k is not built yet", hint: "see kernel/k" } as const;
      const waiting = { ...whole, problem };
      const planned = (observed: ObservedArtifact, actions = {}) =>
        artifactPlanner.plan({ ...checked, dependsOn }, observed, record, context(actions));
      expect(planned(waiting).blocked).toEqual(problem);
      const built = { reason: "kernel/k changes in this pass", follows: "kernel/k", cause: "intentional" };
      const edited = { ...whole, inputs: { ...inputs, "root/debian": "r2" } };
      for (const observed of [waiting, whole, edited]) {
        const draft = planned(observed, { "kernel/k": "create" });
        expect(draft).toMatchObject(built);
        expect(draft.blocked).toBeUndefined();
      }
      const refused = { ...whole, problem: { ...problem, condition: "Refused" } as const };
      expect(planned(refused, { "kernel/k": "create" }).blocked?.condition).toBe("Refused");
    });

    it("packs what failed when its root changes in this pass: that is another input", () => {
      const first = { ...absent, state: "ours", inputs, check: failed } as const;
      for (const observed of [{ ...whole, check: failed }, { ...whole, damage: "gone", check: failed }, first])
        expect(plan(observed, record, { "tree/debian": "replace" }).blocked).toBeUndefined();
    });
  });

  it("names the commit's own change before the root's", () => {
    const both = { ...whole, inputs: { ...inputs, "root/debian": "r2", "overlay/common": "o2" } };
    expect(artifactPlanner.plan(resource, both, owned, context())).toEqual({
      ...pack("update", "intentional", "overlay/common, root/debian changed"),
      details: [],
    });
  });

  it("calls a root that was edited by hand a change on the host", () => {
    const observed = { ...whole, inputs: { ...inputs, "root/debian": "r2" }, difference: ["+ usr/bin/x"] };
    expect(artifactPlanner.plan(resource, observed, owned, context())).toEqual({
      ...pack("update", "corrective", "root debian changed on the host: + usr/bin/x"),
      details: ["+ usr/bin/x"],
    });
  });

  it("calls a file of the host that the commit only names a change on the host, too", () => {
    const named = { ...inputs, "host/kernel": "k1" };
    const changed = { ...whole, packed: named, inputs: { ...named, "host/kernel": "k2" } };
    expect(artifactPlanner.plan(resource, changed, owned, context())).toEqual({
      ...pack("update", "corrective", "kernel changed on the host"),
      details: [],
    });
    const both = { ...changed, inputs: { ...changed.inputs, packer: "2" } };
    expect(artifactPlanner.plan(resource, both, owned, context())).toMatchObject({
      ...{ cause: "intentional", reason: "packer, host/kernel changed" },
    });
  });

  it("says what strip leaves out when that is new: at the first packing, and where the excludes are others", () => {
    const strip = { documentation: ["usr/share/doc/*", "usr/share/man/*"], caches: ["var/cache/*"] };
    const lines = ["strip documentation: usr/share/doc/*, usr/share/man/*", "strip caches: var/cache/*"];
    const stripped = { ...resource, strip };
    const details = (observed: ObservedArtifact, record: OwnedRecord | undefined = owned) =>
      artifactPlanner.plan(stripped, observed, record, context()).details;
    expect(artifactPlanner.plan(stripped, { ...absent, inputs }, undefined, context()).details).toEqual(lines);
    expect(details({ ...absent, inputs })).toBeUndefined();
    const excluding = { ...whole, inputs: { ...inputs, excludes: "e2" }, difference: ["- var/cache/x"] };
    expect(details(excluding)).toEqual(["- var/cache/x", ...lines]);
    expect(details({ ...whole, inputs: { ...inputs, packer: "2" } })).toEqual([]);
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

  it("repacks when the steps of the root run in this pass, and when an overlay is taken out of the root", () => {
    const dependsOn = ["tree/debian", "provision/debian"] as const;
    const ran = context({ "provision/debian": "update" });
    const draft = artifactPlanner.plan({ ...resource, dependsOn }, whole, { ...owned, dependsOn }, ran);
    expect(draft).toMatchObject({ reason: "provision/debian changes in this pass", follows: "provision/debian" });
    const leaving = new Map([["tree/debian", "overlay/gone@debian"]] as const);
    expect(artifactPlanner.plan(resource, whole, owned, { ...context({ "tree/debian": "keep" }), leaving })).toEqual({
      ...pack("update", "intentional", "overlay/gone@debian is taken out of tree/debian in this pass"),
      follows: "overlay/gone@debian",
    });
  });

  it.each(["keep", "forget", "adopt", "delete"] as const)(
    "is not changed by a root of which the step is %s",
    (action) => {
      expect(artifactPlanner.plan(resource, whole, owned, context({ "tree/debian": action })).operation).toBe("keep");
    },
  );

  it("follows no volume or mount, only what it packs", () => {
    const dependsOn = ["volume/v", "mount/debian:/var", "mount/debian:/tree/x", ...resource.dependsOn] as const;
    const draft = artifactPlanner.plan(
      { ...resource, dependsOn },
      whole,
      { ...owned, dependsOn },
      context({ "volume/v": "update", "mount/debian:/var": "create", "mount/debian:/tree/x": "create" }),
    );
    expect(draft.operation).toBe("keep");
  });

  it("calls the root that the commit replaces on purpose, and one that comes back a correction", () => {
    const edited = { ...whole, inputs: { ...inputs, "root/debian": "r2" } };
    const cause = (observed: ObservedArtifact, action: Action, record: OwnedRecord | undefined = owned) =>
      artifactPlanner.plan(resource, observed, record, context({ "tree/debian": action })).cause;
    expect(cause(edited, "replace")).toBe("intentional");
    expect(artifactPlanner.plan(resource, edited, undefined, context({ "tree/debian": "update" })).cause).toBe(
      "intentional",
    );
    expect(cause(edited, "update")).toBe("corrective");
    expect(cause({ ...whole, inputs: { ...inputs, "overlay/common": "o2" } }, "update")).toBe("intentional");
    expect(cause({ ...whole, inputs: undefined }, "create")).toBe("corrective");
    expect(cause({ ...whole, inputs: undefined }, "update")).toBe("intentional");
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
    expect(artifactPlanner.plan(resource, { ...whole, current: "" }, owned, context())).toMatchObject({
      operation: "artifact.switch",
      reason: "the link current is missing",
    });
  });

  it("waits for approval of a repack where the policy says so, but not of the first packing", () => {
    const careful = { ...resource, packPolicy: "onApprove" as const };
    const observed = { ...whole, inputs: { ...inputs, "root/debian": "r2" } };
    const blocked = {
      condition: "ApprovalRequired",
      message: "artifact/debian is out of date: root debian changed on the host",
      hint: "rootloom approve artifact/debian",
    };
    expect(artifactPlanner.plan(careful, observed, owned, context()).blocked).toEqual(blocked);
    const followed = artifactPlanner.plan(careful, whole, owned, context({ "tree/debian": "update" }));
    expect(followed.blocked?.message).toBe("artifact/debian is out of date: tree/debian changes in this pass");
    const damaged = artifactPlanner.plan(careful, { ...whole, damage: "it is missing" }, owned, context());
    expect(damaged).not.toHaveProperty("blocked");
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
});

describe("an artifact whose declaration was removed", () => {
  const record = { ...owned, onDelete: "destroy" } as const;
  const remove = (observed: Partial<ObservedArtifact>, more: Partial<OwnedRecord> = {}) =>
    artifactPlanner.planRemoval({ ...record, ...more }, { ...whole, generations: 2, ...observed });
  const forget = (reason: string, more: Partial<OwnedRecord> = {}) => ({
    ...{ operation: "forget", arguments: { record: { ...record, ...more } }, action: "forget" },
    ...{ cause: "intentional", reason },
  });
  const deleted = (destroys: string) => ({
    ...{ operation: "artifact.delete", arguments: { record }, action: "delete" },
    ...{ cause: "intentional", reason: "no longer declared", destroys },
  });

  it("is deleted, and says how many generations go", () => {
    expect(remove({})).toEqual(deleted("2 generations of debian in /s/artifacts/debian"));
    expect(remove({ generations: 1 })).toEqual(deleted("1 generation of debian in /s/artifacts/debian"));
  });

  it.each([{ onDelete: "retain" }, { protect: true }] as const)(
    "with %j is forgotten, and its generations stay",
    (more) => {
      expect(remove({}, more)).toEqual(forget("no longer declared; its generations are kept", more));
    },
  );

  it("is forgotten when it is gone or another's", () => {
    expect(remove({ state: "absent" })).toEqual(forget("no longer declared, and gone"));
    expect(remove({ state: "foreign", whose: "of another installation" })).toEqual(
      forget("no longer declared; what stands there is of another installation"),
    );
  });

  it("is refused, with all that is at stake, where nobody may look", () => {
    const problem = { condition: "Refused", message: "it is a system path", hint: "choose another" } as const;
    expect(remove({ state: "absent", problem })).toEqual({
      ...deleted("all generations of debian in /s/artifacts/debian"),
      blocked: problem,
    });
  });
});
