import { describe, expect, it } from "vitest";
import type { Decisions } from "../../src/core/drafted.ts";
import { type PlanInput, type PlannerTable, plan } from "../../src/core/plan.ts";
import type { DesiredGraph, LinkResource, OwnedRecord, Resource, ResourceId } from "../../src/core/resource.ts";
import type { Draft, Planner } from "../../src/core/step.ts";

/** A planner for tests: what it drafts is what the test says was observed. */
const scripted: Planner<"link", Draft> = {
  plan: (_resource, observed) => observed,
  planRemoval: (_record, observed) => observed,
};
const planners = new Proxy({}, { get: () => scripted }) as PlannerTable;

function link(name: string, dependsOn: readonly ResourceId[] = [], extra: Partial<LinkResource> = {}): LinkResource {
  return {
    id: `link/${name}`,
    kind: "link",
    name,
    identity: `path:/${name}`,
    dependsOn,
    origin: { document: "Root/x", file: "desired/x.yaml", line: 1, column: 1 },
    protect: false,
    onDelete: "retain",
    path: `/${name}`,
    target: "/t",
    ...extra,
  };
}

function owned(name: string, dependsOn: readonly ResourceId[] = [], extra: Partial<OwnedRecord> = {}): OwnedRecord {
  return {
    id: `link/${name}`,
    kind: "link",
    name,
    identity: `path:/${name}`,
    inputs: {},
    details: {},
    protect: false,
    onDelete: "destroy",
    dependsOn,
    revision: "r0",
    runId: "run",
    appliedAt: "2026-01-01T00:00:00.000Z",
    ...extra,
  };
}

const resource = link("any");
const create: Draft = {
  operation: "link.write",
  arguments: { resource },
  action: "create",
  cause: "intentional",
  reason: "is not there",
};
const update: Draft = { ...create, action: "update", reason: "points elsewhere" };
const keep: Draft = { operation: "keep", arguments: {}, action: "keep", cause: "intentional", reason: "as declared" };
const remove: Draft = {
  operation: "link.delete",
  arguments: { record: owned("any") },
  action: "delete",
  cause: "intentional",
  reason: "is no longer declared",
};

const NO_DECISIONS: Decisions = {
  adoptions: new Set(),
  forgets: new Set(),
  suspended: new Map(),
  approvals: new Map(),
  stalled: new Map(),
};

function planOf(
  resources: readonly Resource[],
  observed: Readonly<Record<string, Draft>>,
  more: Partial<PlanInput> = {},
): ReturnType<typeof plan> {
  const policy = {
    jobs: 1,
    memory_bytes: 1,
    maxDeletions: 3,
    driftPolicy: "correct",
    generations: 3,
    runs: 5,
    offline: false,
    interval_s: 60,
  };
  return plan({
    revision: "r1",
    treeHash: "t1",
    desired: { resources, policy } as DesiredGraph,
    observed: new Map(Object.entries(observed).map(([name, draft]) => [`link/${name}` as ResourceId, draft])),
    unobserved: new Map(),
    owned: [],
    decisions: NO_DECISIONS,
    maxDeletions: 3,
    approveAll: false,
    planners,
    digest: (text) =>
      `${text.length}:${[...text].reduce((sum, character) => (sum * 31 + character.charCodeAt(0)) | 0, 7)}`,
    ...more,
  });
}

/** `action id [condition]` of each step, in order. */
function shown(made: ReturnType<typeof plan>): readonly string[] {
  return made.steps.map((step) => `${step.action} ${step.id}${step.blocked ? ` [${step.blocked.condition}]` : ""}`);
}

describe("plan: order", () => {
  it("puts dependencies before what depends on them, and ties in the order of their names", () => {
    const made = planOf([link("c", ["link/b"]), link("b", ["link/a"]), link("a"), link("aa")], {
      a: create,
      aa: keep,
      b: create,
      c: create,
    });
    expect(shown(made)).toEqual(["create link/a", "keep link/aa", "create link/b", "create link/c"]);
  });

  it("removes what depends on others first, and all removals before anything is made", () => {
    const made = planOf(
      [link("new")],
      { new: create, base: remove, leaf: remove },
      { owned: [owned("base"), owned("leaf", ["link/base"])] },
    );
    expect(shown(made)).toEqual(["delete link/leaf", "delete link/base", "create link/new"]);
    expect(made.steps[1]?.dependsOn).toEqual(["link/leaf"]);
  });

  it("gives each step its resource's place in the graph, and the plan the commit that it is bound to", () => {
    const made = planOf([link("a", ["link/b"])], { a: keep });
    expect(made).toEqual({
      revision: "r1",
      treeHash: "t1",
      steps: [{ ...keep, id: "link/a", kind: "link", name: "a", dependsOn: ["link/b"], digest: "" }],
      problems: [],
      digest: made.digest,
    });
  });

  it("hands each planner what was observed and recorded of its own resource", () => {
    const seen: unknown[] = [];
    const asking: Planner<"link", Draft> = {
      plan: (wanted, observed, record) => {
        seen.push([wanted.id, observed, record?.id]);
        return observed;
      },
      planRemoval: (record, observed) => {
        seen.push([record.id, observed]);
        return observed;
      },
    };
    const table = new Proxy({}, { get: () => asking }) as PlannerTable;
    const records = [owned("b"), owned("gone")];
    const observed = { a: create, b: update, gone: remove };
    const made = planOf([link("a"), link("b")], observed, { planners: table, owned: records });
    expect(shown(made)).toEqual(["delete link/gone", "create link/a", "update link/b"]);
    expect(seen).toEqual([
      ["link/gone", remove],
      ["link/a", create, undefined],
      ["link/b", update, "link/b"],
    ]);
  });

  it("names the members of a cycle instead of planning it", () => {
    expect(() => planOf([link("a", ["link/b"]), link("b", ["link/a"])], { a: create, b: create })).toThrow(
      "they depend on each other: link/a -> link/b -> link/a",
    );
  });
});

describe("plan: approval", () => {
  const destroys: Draft = { ...update, destroys: "12 files" };

  it("blocks a step that destroys until it is approved", () => {
    const made = planOf([link("a")], { a: destroys });
    expect(made.steps[0]?.blocked).toEqual({
      condition: "ApprovalRequired",
      message: "points elsewhere; this destroys 12 files and waits for approval",
      hint: "rootloom approve link/a",
    });
  });

  it("blocks the replacement of a populated tree though nothing is destroyed", () => {
    expect(shown(planOf([link("a")], { a: { ...update, replaces: true } }))).toEqual([
      "update link/a [ApprovalRequired]",
    ]);
  });

  it("runs it once its very digest is approved, and not when the step has changed since", () => {
    const digest = planOf([link("a")], { a: destroys }).steps[0]?.digest ?? "";
    const decisions = { ...NO_DECISIONS, approvals: new Map([["link/a" as ResourceId, digest]]) };
    expect(shown(planOf([link("a")], { a: destroys }, { decisions }))).toEqual(["update link/a"]);
    const changed = { ...destroys, destroys: "13 files" };
    expect(shown(planOf([link("a")], { a: changed }, { decisions }))).toEqual(["update link/a [ApprovalRequired]"]);
  });

  it("never runs a destroying step of a protected resource, approved or not", () => {
    const made = planOf([link("a", [], { protect: true })], { a: destroys }, { approveAll: true });
    expect(shown(made)).toEqual(["update link/a [Refused]"]);
    expect(made.problems[0]?.message).toBe("link/a is protected, and this would destroy 12 files");
  });

  it("takes the protection that was recorded when the declaration is gone", () => {
    const made = planOf(
      [],
      { a: { ...remove, destroys: "all" } },
      { owned: [owned("a", [], { protect: true })], approveAll: true },
    );
    expect(shown(made)).toEqual(["delete link/a [Refused]"]);
  });
});

describe("plan: deletions", () => {
  it("refuses all deletions when there are more than the limit, and leaves the rest alone", () => {
    const records = ["a", "b", "c", "d"].map((name) => owned(name));
    const made = planOf([link("n")], { a: remove, b: remove, c: remove, d: remove, n: create }, { owned: records });
    expect(shown(made)).toEqual([
      "delete link/d [Refused]",
      "delete link/c [Refused]",
      "delete link/b [Refused]",
      "delete link/a [Refused]",
      "create link/n",
    ]);
  });

  it("deletes up to the limit", () => {
    const made = planOf([], { a: remove, b: remove }, { owned: [owned("a"), owned("b")], maxDeletions: 2 });
    expect(shown(made)).toEqual(["delete link/b", "delete link/a"]);
  });

  it("refuses to delete a directory in which something else of ours stands that is to stay, even approved", () => {
    const volume = (name: string, path: string, extra: Partial<OwnedRecord> = {}) =>
      owned(name, [], { id: `volume/${name}`, kind: "volume", identity: `path:${path}`, details: { path }, ...extra });
    const outer = volume("outer", "/srv/outer");
    const destroys: Draft = { ...remove, destroys: "all data below /srv/outer" };
    const declared = { ...link("inner"), id: "volume/inner", kind: "volume", path: "/srv/outer/inner" } as never;
    const observed = new Map<ResourceId, unknown>([
      ["volume/outer", destroys],
      ["volume/inner", keep],
    ]);
    const more = { observed, approveAll: true };
    expect(shown(planOf([declared], {}, { ...more, owned: [outer] }))).toEqual([
      "delete volume/outer [Refused]",
      "keep volume/inner",
    ]);
    const retained = volume("inner", "/srv/outer/inner", { onDelete: "retain" });
    expect(shown(planOf([], {}, { ...more, owned: [outer, retained] }))).toContain("delete volume/outer [Refused]");
    const beside = volume("inner", "/srv/outer-more", { onDelete: "retain" });
    expect(shown(planOf([], {}, { ...more, owned: [outer, beside] }))).toContain("delete volume/outer");
    const going = volume("inner", "/srv/outer/inner");
    observed.set("volume/inner", { ...destroys, destroys: "all data below /srv/outer/inner" });
    expect(shown(planOf([], {}, { ...more, owned: [outer, going] }))).toContain("delete volume/outer");
  });

  it("counts deletions only: what is forgotten is no deletion", () => {
    const records = ["a", "b", "c", "d"].map((name) => owned(name));
    const forgotten: Draft = { ...remove, operation: "forget", action: "forget" } as Draft;
    const observed = { a: remove, b: forgotten, c: forgotten, d: forgotten };
    expect(shown(planOf([], observed, { owned: records, maxDeletions: 1 }))).toContain("delete link/a");
  });

  it("forgets a record whose object is declared under another name", () => {
    const renamed = link("new", [], { identity: "path:/old" });
    const record = owned("old");
    const made = planOf([renamed], { new: keep, old: remove }, { owned: [record] });
    expect(shown(made)).toEqual(["forget link/old", "keep link/new"]);
    expect(made.steps[0]).toMatchObject({
      ...{ operation: "forget", arguments: { record }, cause: "intentional" },
      reason: "it is declared as link/new now",
    });
  });

  it("forgets what a person asked to forget, without looking at it", () => {
    const unobserved = new Map([["link/a" as ResourceId, { message: "cannot read /a", hint: "mount it" }]]);
    const decisions = { ...NO_DECISIONS, forgets: new Set<ResourceId>(["link/a"]) };
    const made = planOf([], {}, { owned: [owned("a")], decisions, unobserved });
    expect(made.steps).toMatchObject([{ id: "link/a", action: "forget", reason: "a person asked to forget it" }]);
  });

  it("removes nothing that could not be observed, and keeps what it was built on", () => {
    const unobserved = new Map([["link/leaf" as ResourceId, { message: "cannot read /leaf", hint: "mount it" }]]);
    const records = [owned("base"), owned("leaf", ["link/base"])];
    const made = planOf([], { base: remove, leaf: remove }, { owned: records, unobserved });
    expect(shown(made)).toEqual(["keep link/leaf [Waiting]", "delete link/base [Waiting]"]);
  });

  it("keeps a base whose dependent may not be removed", () => {
    const refused: Draft = { ...remove, blocked: { condition: "Refused", message: "in use", hint: "stop it" } };
    const made = planOf([], { leaf: refused, base: remove }, { owned: [owned("base"), owned("leaf", ["link/base"])] });
    expect(shown(made)).toEqual(["delete link/leaf [Refused]", "delete link/base [Waiting]"]);
    const forgotten = { ...refused, operation: "forget", action: "forget" } as Draft;
    const left = planOf(
      [],
      { leaf: forgotten, base: remove },
      { owned: [owned("base"), owned("leaf", ["link/base"])] },
    );
    expect(shown(left)).toEqual(["forget link/leaf [Refused]", "delete link/base"]);
  });
});

describe("plan: isolation", () => {
  it("tells a planner that a dependency changes only when its step is going to run", () => {
    const seen: (string | undefined)[] = [];
    const asking: Planner<"link", Draft> = {
      ...scripted,
      plan: (resource, observed, _owned, context) => {
        seen.push(...resource.dependsOn.map((id) => context.actionOf(id)));
        return observed;
      },
    };
    const table = new Proxy({}, { get: () => asking }) as PlannerTable;
    const resources = [link("a"), link("b", ["link/a"])];
    planOf(resources, { a: update, b: keep }, { planners: table });
    planOf(resources, { a: { ...update, replaces: true }, b: keep }, { planners: table });
    expect(seen).toEqual(["update", "keep"]);
  });

  it("tells a planner which overlay is taken out of a root that it depends on, where that is going to happen", () => {
    const taken = (draft: Partial<Draft>): unknown => {
      let leaving: unknown;
      const asking: Planner<"link", Draft> = {
        ...scripted,
        plan: (_resource, observed, _owned, context) => {
          leaving = [...(context.leaving ?? [])];
          return observed;
        },
      };
      const overlay = owned("o", ["link/root"], { id: "overlay/o", kind: "overlay", identity: "overlay:/o" });
      const other = owned("other", ["link/elsewhere"]);
      const observed = new Map<ResourceId, unknown>([
        ["link/root", keep],
        ["link/other", remove],
        ["overlay/o", { ...remove, operation: "overlay.remove", ...draft }],
      ]);
      const table = new Proxy({}, { get: () => asking }) as PlannerTable;
      planOf([link("root")], {}, { observed, owned: [overlay, other], planners: table });
      return leaving;
    };
    expect(taken({})).toEqual([["link/root", "overlay/o"]]);
    expect(taken({ blocked: { condition: "Refused", message: "m", hint: "h" } })).toEqual([]);
    expect(taken({ operation: "forget", action: "forget" } as Partial<Draft>)).toEqual([]);
  });

  it("makes dependents wait for what could not be observed, and goes on with the rest", () => {
    const unobserved = new Map([["link/a" as ResourceId, { message: "cannot read /a", hint: "mount it" }]]);
    const made = planOf([link("a"), link("b", ["link/a"]), link("c")], { b: create, c: create }, { unobserved });
    expect(shown(made)).toEqual(["keep link/a [Waiting]", "create link/b [Waiting]", "create link/c"]);
    expect(made.steps[0]).toEqual({
      ...{ id: "link/a", kind: "link", name: "a", dependsOn: [], digest: "" },
      ...{ operation: "keep", arguments: {}, action: "keep", cause: "corrective", reason: "could not be observed" },
      blocked: { condition: "Waiting", message: "cannot read /a", hint: "mount it" },
    });
    expect(made.problems).toEqual([]);
  });

  it("takes what was made before and lies in a volume that is not mounted for no difference of its own", () => {
    const resources = [link("a"), link("b", ["link/a"]), link("c", ["link/b"]), link("new", ["link/a"])];
    const observed = { a: { ...update, hides: true }, b: create, c: create, new: create };
    const made = planOf(resources, observed, { owned: [owned("a"), owned("b"), owned("c")] });
    const told = made.steps.map(({ id, action, cause, reason, follows }) => [id, action, cause, reason, follows]);
    expect(told).toEqual([
      ["link/a", "update", "intentional", "points elsewhere", undefined],
      ["link/b", "create", "corrective", "link/a hides it until it is mounted", "link/a"],
      ["link/c", "create", "corrective", "link/b hides it until it is mounted", "link/b"],
      ["link/new", "create", "intentional", "is not there", undefined],
    ]);
    expect("hides" in (made.steps[0] ?? {})).toBe(false);
  });

  it("lets each say for itself what differs where nothing is hidden, or what is hidden is kept", () => {
    const resources = [link("a"), link("b", ["link/a"])];
    const reasonOf = (a: Draft, b: Draft) =>
      planOf(resources, { a, b }, { owned: [owned("a"), owned("b")] }).steps[1]?.reason;
    expect(reasonOf(update, create)).toBe("is not there");
    expect(reasonOf({ ...update, hides: true }, keep)).toBe("as declared");
  });

  it("makes dependents wait for a volume that may not be mounted", () => {
    const decisions = { ...NO_DECISIONS, suspended: new Map([["link/a" as ResourceId, "maintenance"]]) };
    const observed = { a: { ...update, hides: true }, b: create };
    const made = planOf([link("a"), link("b", ["link/a"])], observed, { decisions, owned: [owned("b")] });
    expect(shown(made)).toEqual(["update link/a [Suspended]", "create link/b [Waiting]"]);
  });

  it("lets dependents go on while the update of what stands already waits for approval", () => {
    const made = planOf([link("a"), link("b", ["link/a"])], { a: { ...update, replaces: true }, b: update });
    expect(shown(made)).toEqual(["update link/a [ApprovalRequired]", "update link/b"]);
  });

  it("does not act on a suspended resource and says who asked", () => {
    const decisions = { ...NO_DECISIONS, suspended: new Map([["link/a" as ResourceId, "maintenance"]]) };
    const made = planOf([link("a")], { a: update }, { decisions });
    expect(made.steps[0]?.blocked?.message).toBe("link/a is suspended: maintenance");
  });

  it("does not try a step again that failed for good until an input changes", () => {
    const digest = planOf([link("a")], { a: update }).steps[0]?.digest ?? "";
    const stalled = new Map([["link/a" as ResourceId, { digest, message: "no such suite" }]]);
    expect(shown(planOf([link("a")], { a: update }, { decisions: { ...NO_DECISIONS, stalled } }))).toEqual([
      "update link/a [Stalled]",
    ]);
    const other: Draft = { ...update, arguments: { resource: link("any", [], { target: "/u" }) } } as Draft;
    expect(shown(planOf([link("a")], { a: other }, { decisions: { ...NO_DECISIONS, stalled } }))).toEqual([
      "update link/a",
    ]);
  });

  it("reports drift and corrects nothing where policy says so", () => {
    const reported: Draft = {
      ...update,
      cause: "corrective",
      blocked: { condition: "ReportOnly", message: "m", hint: "h" },
    };
    expect(shown(planOf([link("a")], { a: reported }))).toEqual(["update link/a [ReportOnly]"]);
  });
});

describe("plan: digest", () => {
  it("changes when the commit or what was observed has moved, and is else the same", () => {
    const first = planOf([link("a")], { a: update });
    expect(planOf([link("a")], { a: update }).digest).toBe(first.digest);
    expect(planOf([link("a")], { a: update }, { revision: "r2" }).digest).not.toBe(first.digest);
    expect(planOf([link("a")], { a: { ...update, details: ["more"] } }).digest).not.toBe(first.digest);
    expect(planOf([link("a")], { a: update }, { treeHash: "t2" }).digest).not.toBe(first.digest);
  });

  it("does not change with what is kept", () => {
    const first = planOf([link("a"), link("b")], { a: update, b: keep });
    expect(planOf([link("a"), link("b")], { a: update, b: { ...keep, reason: "proved" } }).digest).toBe(first.digest);
    expect(planOf([link("a")], { a: update }).digest).toBe(first.digest);
  });
});
