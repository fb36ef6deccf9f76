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
  inputs: {
    ...{ namespace: of.namespace, target: of.target, type: of.type, source: of.source },
    ...{ options: of.options.join(","), propagation: of.propagation ?? "private" },
  },
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
  unrecorded: false,
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
    const changed = { ...resource, options: ["rw", "nosuid"], propagation: "shared" as const };
    expect(mountPlanner.plan(changed, observed("absent"), owned, context())).toMatchObject({
      action: "create",
      cause: "intentional",
      reason: "options changed: rw,nosuid is declared, ro was applied",
    });
  });

  it.each([
    [{ namespace: "private" as const }, "namespace changed: host is declared, private was applied"],
    [{ target: "/v/root/other" }, "target changed: /v/root/cache is declared, /v/root/other was applied"],
    [{ type: "rbind" as const }, "type changed: bind is declared, rbind was applied"],
    [{ options: [] }, "options changed: ro is declared, none was applied"],
    [{ propagation: "shared" as const }, "propagation changed: private is declared, shared was applied"],
  ])("names the first input that differs from the record of %j", (before, reason) => {
    const record = ownedOf({ ...resource, ...before });
    expect(mountPlanner.plan(resource, observed("mounted"), record, context())).toEqual({
      ...{ operation: "mount.mount", arguments: { resource }, action: "update", cause: "intentional", reason },
    });
  });

  it("has no propagation of its own unless it is a bind or declares one", () => {
    expect(mountInputs({ ...resource, type: "proc" }).propagation).toBe("");
    expect(mountInputs({ ...resource, type: "proc", options: ["ro", "nodev"] }).options).toBe("ro,nodev");
  });

  it("knows the owner and the mode of its folder where they are declared, and none else", () => {
    const folder = { path: "/v/cache", ownership: undefined, mode: undefined };
    const ownership = { owner: "portage", group: "250" };
    const of = (more: Partial<NonNullable<MountResource["folder"]>>) =>
      mountInputs({ ...resource, folder: { ...folder, ...more } });
    expect(mountInputs(resource)).toEqual({
      ...{ namespace: "host", target: "/v/root/cache", type: "bind", source: "/v/cache", options: "ro" },
      propagation: "private",
    });
    expect(of({})).toEqual(mountInputs(resource));
    expect(of({ ownership, mode: 0o2775 })).toEqual({ ...mountInputs(resource), folder: "portage:250 2775" });
    expect([of({ ownership }).folder, of({ mode: 0o750 }).folder]).toEqual(["portage:250", "750"]);
  });

  it.each([
    ["create", true],
    ["update", true],
    ["keep", false],
    ["adopt", false],
  ] as const)("of an image that this pass is to %s is remounted: %s", (action, isRemounted) => {
    const dependsOn = ["artifact/a", "artifact/b"] as const;
    const wanted = { ...resource, dependsOn, artifact: "artifact/b" } as const;
    const planned = (id: string) =>
      mountPlanner.plan(wanted, observed("mounted"), { ...owned, dependsOn }, context({ [id]: action }));
    expect(planned("artifact/b").follows).toBe(isRemounted ? "artifact/b" : undefined);
    expect(planned("artifact/a")).toEqual(keep("as declared"));
  });

  it("records another policy without touching the mount", () => {
    expect(mountPlanner.plan(resource, observed("mounted"), { ...owned, protect: true }, context())).toEqual({
      ...{ operation: "mount.mount", arguments: { resource }, action: "update", cause: "intentional" },
      reason: "protect is false, true was recorded",
    });
  });

  it("keeps exactly one mount that is as declared", () => {
    expect(mountPlanner.plan(resource, observed("mounted"), owned, context())).toEqual(keep("as declared"));
  });

  it("records the one that stands there, where its record tells of another", () => {
    const another = { ...observed("mounted"), unrecorded: true };
    expect(mountPlanner.plan(resource, another, owned, context())).toEqual({
      operation: "mount.mount",
      arguments: { resource },
      action: "update",
      cause: "corrective",
      reason: "as declared, and another mount than its record tells of",
    });
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
    const two = ["ro is declared and not in force", "it is shared, private is declared"];
    expect(mountPlanner.plan(resource, observed("drifted", two), owned, context()).reason).toBe(two.join(", "));
    const changed = { ...resource, options: ["rw"] };
    expect(mountPlanner.plan(changed, observed("drifted", two), owned, context())).toMatchObject({
      arguments: { unmountFirst: false },
      cause: "intentional",
      reason: "options changed: rw is declared, ro was applied",
    });
  });

  it("unmounts first what became another's source on the host, and says whose step it follows", () => {
    const outdated = observed("outdated", ["ext4 of /dev/x", "its root is /y"]);
    const remount = (reason: string) => ({
      ...{ operation: "mount.remount", arguments: { resource, unmountFirst: true } },
      ...{ action: "update", cause: "corrective", reason },
    });
    expect(mountPlanner.plan(resource, outdated, owned, context())).toEqual(
      remount("source: ext4 of /dev/x, its root is /y"),
    );
    expect(mountPlanner.plan(resource, outdated, owned, context({ "tree/debian": "replace" }))).toEqual(
      remount("tree/debian changes in this pass"),
    );
    expect(mountPlanner.plan(resource, outdated, undefined, context()).cause).toBe("intentional");
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

  it.each([
    ["mount/debian:/", "create"],
    ["mount/debian:/", "update"],
    ["mount/debian:/", "replace"],
    ["tree/debian", "create"],
    ["tree/debian", "replace"],
  ] as const)("is remounted when %s is in for %s, whose step it follows", (id, action) => {
    expect(mountPlanner.plan(resource, observed("mounted"), owned, context({ [id]: action }))).toEqual({
      ...{ operation: "mount.remount", arguments: { resource, unmountFirst: true }, action: "update" },
      ...{ cause: "intentional", reason: `${id} changes in this pass`, follows: id },
    });
  });

  it.each([
    ["mount/debian:/", "keep"],
    ["mount/debian:/", "adopt"],
    ["tree/debian", "update"],
    ["tree/debian", "adopt"],
    ["volume/cache", "create"],
    ["volume/cache", "replace"],
  ] as const)("stays when %s is in for %s", (id, action) => {
    const dependsOn = ["volume/cache", ...resource.dependsOn] as const;
    const wanted = { ...resource, dependsOn };
    const record = { ...owned, dependsOn };
    expect(mountPlanner.plan(wanted, observed("mounted"), record, context({ [id]: action }))).toEqual(
      keep("as declared"),
    );
  });

  const refused = (action: string, why: string) => ({
    ...{ operation: "mount.mount", arguments: { resource }, action, cause: "corrective" },
    reason: `cannot mount /v/root/cache: ${why}`,
    blocked: {
      condition: "Refused",
      message: `cannot mount /v/root/cache: ${why}`,
      hint: "look with: findmnt /v/root/cache, then unmount by hand what is not wanted",
    },
  });

  it("refuses a stacked mount and a foreign one, and touches neither", () => {
    const differences = ["tmpfs of tmpfs", "ext4 of /dev/x"];
    expect(mountPlanner.plan(resource, observed("stacked", differences), owned, context())).toEqual(
      refused("update", "2 mounts are stacked there (tmpfs of tmpfs; ext4 of /dev/x)"),
    );
    expect(mountPlanner.plan(resource, observed("foreign", ["tmpfs of tmpfs"]), undefined, context())).toEqual(
      refused("create", "another mount is there (tmpfs of tmpfs)"),
    );
  });

  it("passes on why it cannot be mounted, whatever stands there", () => {
    const problem = { message: "cannot mount /v/root/cache: it is a link", hint: "remove it" };
    for (const wanted of [resource, isPrivate]) {
      expect(mountPlanner.plan(wanted, { ...observed("foreign"), problem }, owned, context())).toEqual({
        ...{ operation: "mount.mount", arguments: { resource: wanted }, action: "update", cause: "corrective" },
        ...{ reason: problem.message, blocked: { condition: "Refused", ...problem } },
      });
    }
  });

  it("records a mount in a root of ours that is exactly as declared", () => {
    expect(mountPlanner.plan(resource, observed("mounted"), undefined, context())).toEqual({
      ...{ operation: "mount.mount", arguments: { resource }, action: "adopt" },
      ...{ cause: "corrective", reason: "as declared, but not recorded" },
    });
  });

  it("takes over a mount outside our roots only after adopt", () => {
    const outside = { ...resource, within: "", tree: undefined };
    expect(mountPlanner.plan(outside, observed("mounted"), undefined, context()).blocked?.condition).toBe("Refused");
    expect(mountPlanner.plan(outside, observed("absent"), undefined, context())).not.toHaveProperty("blocked");
    const recorded = { ...owned, dependsOn: outside.dependsOn };
    expect(mountPlanner.plan(outside, observed("mounted"), recorded, context())).toEqual(keep("as declared"));
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
    const forget = (reason: string) => ({
      ...{ operation: "forget", arguments: { record: owned }, action: "forget", cause: "intentional", reason },
    });
    expect(mountPlanner.planRemoval(owned, observed("absent"))).toEqual(forget("no longer declared, and not mounted"));
    expect(mountPlanner.planRemoval(owned, observed("foreign"))).toEqual(
      forget("no longer declared; what is mounted at /v/root/cache is not ours"),
    );
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
    const prove = (wanted: MountResource, reason: string) => ({
      ...{ operation: "mount.prove", arguments: { resource: wanted }, action: "update" },
      ...{ cause: "intentional", reason },
    });
    expect(mountPlanner.plan(changed, observed("private"), record, context())).toEqual(
      prove(changed, "options changed: none is declared, ro was applied"),
    );
    expect(mountPlanner.plan(isPrivate, observed("private"), { ...record, onDelete: "destroy" }, context())).toEqual(
      prove(isPrivate, "onDelete is retain, destroy was recorded"),
    );
    const above = context({ "tree/debian": "replace" });
    expect(mountPlanner.plan(isPrivate, observed("private"), record, above)).toEqual({
      ...prove(isPrivate, "tree/debian changes in this pass"),
      follows: "tree/debian",
    });
  });

  it("is forgotten, with nothing to unmount, when its declaration goes", () => {
    expect(mountPlanner.planRemoval(record, observed("private"))).toEqual({
      ...{ operation: "forget", arguments: { record }, action: "forget", cause: "intentional" },
      reason: "no longer declared; nothing of it is mounted",
    });
  });
});
