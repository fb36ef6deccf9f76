import { describe, expect, it } from "vitest";
import { type Blocking, createBlocker } from "../../src/core/block.ts";
import type { Decisions, Drafted } from "../../src/core/drafted.ts";
import type { ResourceId } from "../../src/core/resource.ts";
import type { Action, Blocked, Draft } from "../../src/core/step.ts";

const update = {
  ...{ operation: "tree.update", arguments: {}, action: "update" },
  ...{ cause: "intentional", reason: "source changed" },
} as unknown as Draft;
const remove = { ...update, operation: "tree.delete", action: "delete", reason: "removed" } as unknown as Draft;
const keep: Draft = { operation: "keep", arguments: {}, action: "keep", cause: "intentional", reason: "as declared" };

function drafted(draft: Draft, more: Partial<Drafted> = {}): Drafted {
  const identity = { id: "tree/a", kind: "tree", name: "a" } as const;
  return { ...identity, dependsOn: [], draft, digest: "d1", protect: false, unobserved: false, ...more };
}

const NONE: Decisions = {
  adoptions: new Set(),
  forgets: new Set(),
  suspended: new Map(),
  approvals: new Map(),
  stalled: new Map(),
};
const given = <T>(value: T): ReadonlyMap<ResourceId, T> => new Map([["tree/a", value]]);

/** Why the last of these steps is blocked. */
function blockedBy(items: readonly Drafted[], more: Partial<Blocking> = {}): Blocked | undefined {
  const toStep = createBlocker({ decisions: NONE, approveAll: false, maxDeletions: 3, deletions: 1, ...more });
  return items.map(toStep).at(-1)?.blocked;
}

describe("a step", () => {
  it("that nothing keeps from running holds what the planner said, and no word of being blocked", () => {
    const toStep = createBlocker({ decisions: NONE, approveAll: false, maxDeletions: 3, deletions: 0 });
    expect(toStep(drafted(update, { dependsOn: ["volume/a"] }))).toEqual({
      ...{ id: "tree/a", kind: "tree", name: "a", dependsOn: ["volume/a"], digest: "d1" },
      ...{ operation: "tree.update", arguments: {}, action: "update", cause: "intentional", reason: "source changed" },
    });
    expect(toStep(drafted(update))).not.toHaveProperty("blocked");
  });

  it.each(["Refused", "Waiting"] as const)("that its planner says is %s stays so, approved or not", (condition) => {
    const blocked = { condition, message: "m", hint: "h" };
    const item = drafted({ ...update, destroys: "all", blocked }, { protect: true });
    expect(blockedBy([item], { approveAll: true })).toEqual(blocked);
  });

  it("that is in quarantine stays there, approved or not, unless a person suspended it", () => {
    const blocked = { condition: "Quarantined", message: "m", hint: "h" } as const;
    const item = drafted({ ...update, blocked });
    expect(blockedBy([item], { approveAll: true })).toEqual(blocked);
    const decisions = { ...NONE, suspended: given("later") };
    expect(blockedBy([item], { decisions })?.condition).toBe("Suspended");
  });

  it("that destroys what is protected is refused, and says how the protection is lifted", () => {
    const item = drafted({ ...update, destroys: "12 files" }, { protect: true });
    expect(blockedBy([item], { approveAll: true })).toEqual({
      condition: "Refused",
      message: "tree/a is protected, and this would destroy 12 files",
      hint: "lift `protect: true` in a commit of its own first",
    });
  });

  it("that destroys nothing runs, protected or not", () => {
    expect(blockedBy([drafted(update, { protect: true })])).toBeUndefined();
  });

  it("that deletes is refused above the limit, and at the limit it is not", () => {
    expect(blockedBy([drafted(remove)], { deletions: 3 })).toBeUndefined();
    expect(blockedBy([drafted(update)], { deletions: 4 })).toBeUndefined();
    expect(blockedBy([drafted(remove)], { deletions: 4 })).toEqual({
      condition: "Refused",
      message: "4 deletions are planned, at most 3 are allowed in one pass",
      hint: "raise prune.maxDeletions in host.yaml in a commit of its own first, or remove fewer declarations at a time",
    });
  });

  it("of a suspended resource waits until somebody resumes it", () => {
    expect(blockedBy([drafted(update)], { decisions: { ...NONE, suspended: given("maintenance") } })).toEqual({
      condition: "Suspended",
      message: "tree/a is suspended: maintenance",
      hint: "rootloom resume tree/a",
    });
  });

  it("of what is done inside a suspended root waits with the root", () => {
    const item = drafted(update, { id: "provision/a", kind: "provision" });
    const decisions = { ...NONE, suspended: given("rolled back") };
    expect(blockedBy([item], { decisions })).toEqual({
      condition: "Suspended",
      message: "tree/a is suspended: rolled back",
      hint: "rootloom resume tree/a",
    });
    expect(blockedBy([{ ...item, name: "b" }], { decisions })).toBeUndefined();
    expect(blockedBy([{ ...item, id: "artifact/a", kind: "artifact" }], { decisions })).toBeUndefined();
  });

  it("waits for one that is half made while that is blocked, though it only updates something", () => {
    const blocked = { condition: "Stalled", message: "exit 1", hint: "h" } as const;
    const stalled = new Map<ResourceId, { digest: string; message: string }>([
      ["tree/a", { digest: "d1", message: "exit 1" }],
    ]);
    const half = drafted({ ...update, unfinished: true, blocked });
    const image = drafted(update, { id: "artifact/a", kind: "artifact", dependsOn: ["tree/a"], digest: "d2" });
    const decisions = { ...NONE, stalled };
    expect(blockedBy([half, image], { decisions })).toMatchObject({
      condition: "Waiting",
      message: "waits for tree/a: exit 1",
    });
    expect(blockedBy([drafted(update), image], { decisions })).toBeUndefined();
  });

  it("that failed for good is not tried again while it is the same step", () => {
    const decisions = { ...NONE, stalled: given({ digest: "d1", message: "no such suite" }) };
    expect(blockedBy([drafted(update)], { decisions })).toEqual({
      condition: "Stalled",
      message: "no such suite",
      hint: "it is tried again when an input changes, or by: rootloom trigger tree/a",
    });
    expect(blockedBy([drafted(update, { digest: "d2" })], { decisions })).toBeUndefined();
  });

  it("of drift that is only reported says so, after everything that would block it anyway", () => {
    const blocked = { condition: "ReportOnly", message: "m", hint: "h" } as const;
    const item = drafted({ ...update, blocked });
    expect(blockedBy([item])).toEqual(blocked);
    expect(blockedBy([item], { approveAll: true })).toEqual(blocked);
    const decisions = { ...NONE, suspended: given("maintenance") };
    expect(blockedBy([item], { decisions })?.condition).toBe("Suspended");
  });

  it("that keeps is never blocked by a decision, and passes on what its planner says", () => {
    const decisions = { ...NONE, suspended: given("maintenance"), stalled: given({ digest: "d1", message: "m" }) };
    expect(blockedBy([drafted(keep)], { decisions })).toBeUndefined();
    const blocked = { condition: "ReportOnly", message: "m", hint: "h" } as const;
    expect(blockedBy([drafted({ ...keep, blocked })], { decisions })).toEqual(blocked);
  });
});

describe("approval", () => {
  const decisions = { ...NONE, approvals: given("d1") };

  it.each([
    ["destroys data", { destroys: "12 files" }, "source changed; this destroys 12 files and waits for approval"],
    ["replaces a tree", { replaces: true }, "source changed; this replaces a populated tree and waits for approval"],
    [
      "does both",
      { destroys: "12 files", replaces: true },
      "source changed; this destroys 12 files and waits for approval",
    ],
  ])("is asked for what %s, and holds for exactly that step", (_what, more, message) => {
    const item = drafted({ ...update, ...more });
    expect(blockedBy([item])).toEqual({ condition: "ApprovalRequired", message, hint: "rootloom approve tree/a" });
    expect(blockedBy([item], { approveAll: true })).toBeUndefined();
    expect(blockedBy([item], { decisions })).toBeUndefined();
    expect(blockedBy([{ ...item, digest: "d2" }], { decisions })?.condition).toBe("ApprovalRequired");
  });

  it("is not asked for what only says that it replaces nothing", () => {
    expect(blockedBy([drafted({ ...update, replaces: false })])).toBeUndefined();
  });

  it("that a planner asks for is asked in its words, and ends the same way", () => {
    const blocked = { condition: "ApprovalRequired", message: "artifact/a is out of date", hint: "h" } as const;
    const item = drafted({ ...update, blocked });
    expect(blockedBy([item])).toEqual(blocked);
    expect(blockedBy([drafted({ ...update, replaces: true, blocked })])).toEqual(blocked);
    expect(blockedBy([item], { decisions })).toBeUndefined();
    expect(blockedBy([item], { approveAll: true })).toBeUndefined();
  });
});

describe("what depends on a blocked step", () => {
  const refused = { condition: "Refused", message: "in the way", hint: "h" } as const;
  const base = (action: Action, more: Partial<Drafted> = {}): Drafted => {
    const draft = { ...update, action, blocked: refused } as unknown as Draft;
    return drafted(draft, { id: "volume/b", ...more });
  };
  const dependent = drafted(update, { dependsOn: ["volume/c", "volume/b"] });

  it.each(["create", "adopt", "delete"] as const)("waits when that was to %s it, and names it", (action) => {
    expect(blockedBy([base(action), dependent])).toEqual({
      condition: "Waiting",
      message: "waits for volume/b: in the way",
      hint: "see volume/b",
    });
  });

  it.each(["update", "replace", "forget"] as const)("goes on when that was only to %s what stands", (action) => {
    expect(blockedBy([base(action), dependent])).toBeUndefined();
  });

  it("waits for what nobody could look at", () => {
    const waiting = { condition: "Waiting", message: "cannot read /b", hint: "mount it" } as const;
    const unobserved = drafted({ ...keep, blocked: waiting }, { id: "volume/b", unobserved: true });
    expect(blockedBy([unobserved, dependent])?.message).toBe("waits for volume/b: cannot read /b");
  });

  it("waits for a whole chain", () => {
    const middle = drafted({ ...update, action: "create" } as Draft, { id: "tree/m", dependsOn: ["volume/b"] });
    expect(blockedBy([base("create"), middle, drafted(update, { dependsOn: ["tree/m"] })])?.message).toBe(
      "waits for tree/m: waits for volume/b: in the way",
    );
  });

  it("goes on when the other runs", () => {
    const made = drafted({ ...update, action: "create" } as Draft, { id: "volume/b" });
    expect(blockedBy([made, dependent])).toBeUndefined();
  });
});
