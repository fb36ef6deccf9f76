import { describe, expect, it } from "vitest";
import type { MountResource, OwnedRecord } from "../../../src/core/resource.ts";
import type { Action, PlanContext } from "../../../src/core/step.ts";
import type { ObservedMount } from "../../../src/resources/mount/observe.ts";
import { mountInputs, mountPlanner } from "../../../src/resources/mount/plan.ts";

const resource: MountResource = {
  id: "mount/debian:/cache",
  kind: "mount",
  name: "debian:/cache",
  identity: "mount:/v/root/cache",
  dependsOn: ["tree/debian", "mount/debian:/"],
  origin: { document: "Root/debian", file: "roots/debian.yaml", line: 1, column: 1 },
  protect: false,
  onDelete: "retain",
  target: "/v/root/cache",
  within: "/v/root",
  type: "bind",
  source: "/v/cache",
  options: ["ro"],
  propagation: undefined,
  namespace: "host",
  tree: "tree/debian",
};
const isPrivate: MountResource = { ...resource, namespace: "private" };

const ownedOf = (of: MountResource): OwnedRecord => ({
  id: of.id,
  kind: "mount",
  name: of.name,
  identity: of.identity,
  inputs: mountInputs(of),
  details: {
    target: of.target,
    within: of.within,
    namespace: of.namespace,
    mountId: 7,
    device: "8:1",
    root: "/v/cache",
    type: "ext4",
  },
  protect: false,
  onDelete: "retain",
  dependsOn: of.dependsOn,
  revision: "c1",
  runId: "r1",
  appliedAt: "2026-01-01T00:00:00.000Z",
});
const owned = ownedOf(resource);

const observed = (state: ObservedMount["state"], differences: readonly string[] = []): ObservedMount => ({
  state,
  target: "/v/root/cache",
  differences,
  problem: undefined,
});
const context = (actions: Record<string, Action> = {}): PlanContext => ({
  actionOf: (id) => actions[id],
  adoptions: new Set(),
});
const keep = (reason: string) => ({ operation: "keep", arguments: {}, action: "keep", cause: "intentional", reason });

describe("the plan of a host mount", () => {
  it("mounts what is declared and not there", () => {
    expect(mountPlanner.plan(resource, observed("absent"), undefined, context())).toEqual({
      operation: "mount.mount",
      arguments: { resource },
      action: "create",
      cause: "intentional",
      reason: "it is declared and not mounted",
    });
  });

  it("mounts again, as a correction, what somebody unmounted", () => {
    expect(mountPlanner.plan(resource, observed("absent"), owned, context())).toMatchObject({
      operation: "mount.mount",
      cause: "corrective",
      reason: "it is not mounted any more",
    });
  });

  it("keeps exactly one mount that is as declared", () => {
    expect(mountPlanner.plan(resource, observed("mounted"), owned, context())).toEqual(keep("as declared"));
  });

  it("corrects options in place", () => {
    const differences = ["ro is declared and not in force"];
    expect(mountPlanner.plan(resource, observed("drifted", differences), owned, context())).toEqual({
      operation: "mount.remount",
      arguments: { resource, unmountFirst: false },
      action: "update",
      cause: "corrective",
      reason: "ro is declared and not in force",
    });
  });

  it("unmounts first when the source changed in the commit", () => {
    const changed = { ...resource, source: "/v/other" };
    expect(mountPlanner.plan(changed, observed("outdated", ["ext4 of /dev/x"]), owned, context())).toEqual({
      operation: "mount.remount",
      arguments: { resource: changed, unmountFirst: true },
      action: "update",
      cause: "intentional",
      reason: "source changed: /v/other is declared, /v/cache was applied",
    });
  });

  it("remounts the child when its parent changes", () => {
    expect(
      mountPlanner.plan(resource, observed("mounted"), owned, context({ "mount/debian:/": "update" })),
    ).toMatchObject({
      operation: "mount.remount",
      arguments: { unmountFirst: true },
      reason: "mount/debian:/ changes in this pass",
    });
  });

  it("remounts when its root is replaced in this pass", () => {
    expect(
      mountPlanner.plan(resource, observed("mounted"), owned, context({ "tree/debian": "replace" })),
    ).toMatchObject({
      operation: "mount.remount",
      reason: "tree/debian changes in this pass",
    });
  });

  it("refuses a stacked mount and a foreign one, and touches neither", () => {
    for (const state of ["stacked", "foreign"] as const) {
      const draft = mountPlanner.plan(resource, observed(state, ["tmpfs of tmpfs"]), owned, context());
      expect(draft.blocked?.condition).toBe("Refused");
      expect(draft.blocked?.hint).toBe("look with: findmnt /v/root/cache, then unmount by hand what is not wanted");
    }
  });

  it("records a mount in a root of ours that is exactly as declared", () => {
    expect(mountPlanner.plan(resource, observed("mounted"), undefined, context())).toMatchObject({
      operation: "mount.mount",
      action: "adopt",
      cause: "corrective",
    });
  });

  it("takes over a mount outside our roots only after adopt", () => {
    const outside = { ...resource, within: "", tree: undefined };
    expect(mountPlanner.plan(outside, observed("mounted"), undefined, context()).blocked?.condition).toBe("Refused");
    const adopted = { ...context(), adoptions: new Set([resource.id]) };
    expect(mountPlanner.plan(outside, observed("mounted"), undefined, adopted).blocked).toBeUndefined();
  });

  it("unmounts what is no longer declared, and forgets what is not mounted or not ours", () => {
    expect(mountPlanner.planRemoval(owned, observed("mounted"))).toEqual({
      operation: "mount.unmount",
      arguments: { record: owned },
      action: "delete",
      cause: "intentional",
      reason: "no longer declared: /v/root/cache is unmounted",
    });
    expect(mountPlanner.planRemoval(owned, observed("absent")).operation).toBe("forget");
    expect(mountPlanner.planRemoval(owned, observed("foreign")).operation).toBe("forget");
  });
});

describe("the plan of a private mount", () => {
  const record = ownedOf(isPrivate);

  it("proves it once, then keeps it", () => {
    expect(mountPlanner.plan(isPrivate, observed("private"), undefined, context())).toEqual({
      operation: "mount.prove",
      arguments: { resource: isPrivate },
      action: "create",
      cause: "intentional",
      reason: "it is declared and was never proved to work",
    });
    expect(mountPlanner.plan(isPrivate, observed("private"), record, context())).toEqual(
      keep("proved; private to each step"),
    );
  });

  it("proves it again when its declaration changed", () => {
    const changed = { ...isPrivate, options: [] };
    expect(mountPlanner.plan(changed, observed("private"), record, context())).toMatchObject({
      operation: "mount.prove",
      cause: "intentional",
      reason: "options changed: none is declared, ro was applied",
    });
  });

  it("is forgotten, with nothing to unmount, when its declaration goes", () => {
    expect(mountPlanner.planRemoval(record, observed("private")).operation).toBe("forget");
  });
});
