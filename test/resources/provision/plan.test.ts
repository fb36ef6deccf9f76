import { describe, expect, it } from "vitest";
import type {
  OwnedRecord,
  ProvisionResource,
  ProvisionStep,
  ResourceId,
  TreeResource,
} from "../../../src/core/resource.ts";
import type { Action, Draft, PlanContext } from "../../../src/core/step.ts";
import type { ObservedProvision } from "../../../src/resources/provision/observe.ts";
import { pendingSteps, provisionPlanner } from "../../../src/resources/provision/plan.ts";

const base = {
  dependsOn: [],
  protect: false,
  onDelete: "retain",
  origin: { document: "Root/r", file: "desired/r.yaml", line: 1, column: 1 },
} as const;
const root: TreeResource = {
  ...base,
  ...{ id: "tree/r", kind: "tree", name: "r", identity: "tree:/v/root", volume: "volume/v", volumePath: "/v" },
  ...{ path: "/v/root", source: { type: "existing" }, content: "managed", driftPolicy: "correct", laidPaths: [] },
};
const step = (name: string, key = `key of ${name}`): ProvisionStep => ({
  ...{ name, key, where: "root", work: { type: "script", text: "true" }, environment: {}, secrets: {}, timeout_s: 60 },
});
const resource: ProvisionResource = {
  ...base,
  ...{ id: "provision/r", kind: "provision", name: "r", identity: "provision:/v/root", tree: "tree/r", root },
  ...{ mounts: [], resolvConf: "host", steps: [step("a"), step("b"), step("c")] },
};
const done = (...names: readonly string[]) => names.map((name) => ({ name, key: `key of ${name}` }));
const there: ObservedProvision = {
  ...{
    isThere: true,
    refusal: "",
    hint: "",
    done: done("a", "b", "c"),
    running: undefined,
    settled: true,
    back: "",
    packages: {},
  },
};
const owned: OwnedRecord = {
  ...{ id: resource.id, kind: "provision", name: "r", identity: resource.identity, protect: false, onDelete: "retain" },
  ...{ inputs: { steps: "key of c" }, details: {}, dependsOn: [], revision: "c1", runId: "r1" },
  appliedAt: "2026-01-01T00:00:00.000Z",
};
const around = (tree?: Action): PlanContext => ({
  actionOf: (id) => (id === "tree/r" ? tree : undefined),
  adoptions: new Set(),
});
const plan = (observed: Partial<ObservedProvision>, record: OwnedRecord | "none" = owned, tree?: Action): Draft =>
  provisionPlanner.plan(resource, { ...there, ...observed }, record === "none" ? undefined : record, around(tree));

const run = (action: Action, cause: string, reason: string, details: readonly string[] = []) => ({
  ...{ operation: "provision.run", arguments: { resource }, action, cause, reason },
  ...(details.length === 0 ? {} : { details }),
});
const WARNING = "not atomic: what these steps did before stays, and they run again on top of it";
const TAKEN_BACK = "the root is first taken back to s1, taken before step c";
const ALL = ["step 1 of 3: a", "step 2 of 3: b", "step 3 of 3: c"];

describe("the steps of a root", () => {
  it("are kept when all are behind it", () => {
    expect(plan({})).toMatchObject({ action: "keep", reason: "all steps are done" });
  });

  it("run from the first one that is not behind it", () => {
    expect(plan({ done: [] }, "none")).toEqual(
      run("create", "intentional", "step a was not done yet, so that it and the 2 after it run", ALL),
    );
    expect(plan({ done: done("a") }, "none")).toEqual(
      run("create", "intentional", "step b was not done yet, so that it and the 1 after it run", ALL.slice(1)),
    );
  });

  it("run from the first one that changed, forward only, and it is said so", () => {
    const changed = { done: [...done("a"), { name: "b", key: "older" }, { name: "c", key: "older" }] };
    expect(plan(changed, { ...owned, inputs: { steps: "older" } })).toEqual(
      run("update", "intentional", "step b changed, so that it and the 1 after it run", [...ALL.slice(1), WARNING]),
    );
  });

  it("run in the root as it was before them, where a snapshot of that is left", () => {
    const changed = { done: [...done("a", "b"), { name: "c", key: "older" }], back: "20261121T120000.000Z-c0ffee-r" };
    expect(plan(changed, { ...owned, inputs: { steps: "older" } })).toMatchObject({
      reason: "step c changed",
      details: ["step 3 of 3: c", "the root is first taken back to 20261121T120000.000Z-c0ffee-r, taken before step c"],
    });
  });

  it.each<[string, string, Partial<Record<ResourceId, Action>>]>([
    ["forward where an overlay is laid anew in this pass", WARNING, { "overlay/o": "update" }],
    ["from that snapshot where no overlay is", TAKEN_BACK, { "overlay/o": "keep", "mount/m": "update" }],
    ["from that snapshot where this pass knows of no overlay", TAKEN_BACK, {}],
  ])("run %s", (_what, how, actions) => {
    const above: ProvisionResource = { ...resource, dependsOn: ["mount/m", "overlay/o"] };
    const context: PlanContext = { ...around(), actionOf: (id) => actions[id] };
    const observed = { ...there, done: done("a", "b"), running: { name: "c", startedAt: "then" }, back: "s1" };
    const planned = provisionPlanner.plan(above, observed, owned, context);
    expect(planned.details).toEqual(["the root is in the middle of step c, begun then", "step 3 of 3: c", how]);
  });

  it("all run in a root that is made in this pass, whatever is behind the one that stands there now", () => {
    const reason = "tree/r is made in this pass";
    expect(plan({}, "none", "create")).toEqual(run("create", "intentional", reason, ALL));
    expect(plan({}, owned, "replace")).toEqual({ ...run("create", "intentional", reason, ALL), follows: "tree/r" });
    expect(plan({}, owned, "update")).toMatchObject({ action: "keep" });
  });

  it("begin with the one in whose middle the root is, and what is built on the root waits while that is blocked", () => {
    const running = { name: "b", startedAt: "2026-01-01T00:00:00.000Z" };
    expect(plan({ done: done("a"), running, settled: false })).toEqual({
      ...run("update", "corrective", "the root is in the middle of step b: it was begun and has not succeeded", [
        "the root is in the middle of step b, begun 2026-01-01T00:00:00.000Z",
        ...ALL.slice(1),
        WARNING,
      ]),
      unfinished: true,
    });
  });

  it("begin with the first that changed where the one that was begun comes behind it", () => {
    const running = { name: "c", startedAt: "then" };
    expect(plan({ done: [...done("a"), { name: "b", key: "older" }], running })).toEqual({
      ...run("update", "corrective", "step b changed, so that it and the 1 after it run", [
        "the root is in the middle of step c, begun then",
        ...ALL.slice(1),
        WARNING,
      ]),
      unfinished: true,
    });
  });

  it("are none where the one that was begun is not declared any more, though the root is in its middle", () => {
    const running = { name: "gone", startedAt: "then" };
    for (const back of ["", "s1"])
      expect(plan({ running, back })).toEqual({
        ...run("update", "corrective", "the root is in the middle of step gone: it was begun and has not succeeded", [
          "the root is in the middle of step gone, begun then",
          WARNING,
        ]),
        unfinished: true,
      });
  });

  it("name three of the packages that differ, and say that there are more", () => {
    const missing = (...names: readonly string[]) => plan({ packages: { a: { missing: names, unwanted: [] } } }).reason;
    const three = "step a: x is not installed, y is not installed, z is not installed";
    expect([missing("x", "y", "z"), missing("x", "y", "z", "w")]).toEqual([three, `${three}, ...`]);
  });

  it("may be called like what every object has", () => {
    const named = { ...resource, steps: [step("constructor"), step("toString")] };
    const observed = { ...there, done: done("constructor", "toString") };
    expect(pendingSteps(named, observed)).toEqual({ steps: [], kept: 2 });
    const packages = { toString: { missing: ["vim"], unwanted: [] } };
    expect(pendingSteps(named, { ...observed, packages })).toEqual({ steps: [1], kept: 2 });
  });

  it("run alone where only their packages differ, as a correction", () => {
    const packages = { b: { missing: ["vim"], unwanted: ["nano"] } };
    expect(plan({ packages })).toEqual(
      run("update", "corrective", "step b: vim is not installed, nano is installed", ["step 2 of 3: b"]),
    );
    const running = { name: "b", startedAt: "then" };
    expect(pendingSteps(resource, { ...there, running })).toEqual({ steps: [1], kept: 3 });
    expect(pendingSteps(resource, { ...there, running: { ...running, name: "a" } })).toEqual({ steps: [0], kept: 3 });
    const both = { c: { missing: ["vim"], unwanted: [] } };
    expect(pendingSteps(resource, { ...there, running, packages: both })).toEqual({ steps: [1, 2], kept: 3 });
  });

  it("that are no longer declared leave what they did, and their note", () => {
    expect(plan({ done: done("a", "b", "c", "d", "e") })).toEqual(
      run("update", "intentional", "no longer declared: d, e; what they did stays in the root"),
    );
  });

  it("are taken note of again where a kill or a lost store left the record behind", () => {
    expect(plan({ settled: false })).toEqual(
      run("update", "corrective", "an interrupted run did not record what the steps left"),
    );
    expect(plan({}, "none")).toEqual(
      run("update", "corrective", "its record was lost; the root's own note says what was done"),
    );
    expect(plan({}, { ...owned, inputs: { steps: "older" } })).toEqual(
      run("update", "corrective", "its record is older"),
    );
    expect(plan({}, { ...owned, dependsOn: ["tree/r"] })).toEqual(
      run("update", "intentional", "what it depends on changed"),
    );
  });

  it("wait while there is no root of ours, and are refused where the host's limits say so", () => {
    const message = "cannot provision root r: nothing of ours is at /v/root";
    expect(plan({ isThere: false, done: [] })).toEqual({
      ...run("create", "intentional", "its root is not there"),
      blocked: { condition: "Waiting", message, hint: "see tree/r" },
    });
    expect(plan({ refusal: "no", hint: "do" })).toEqual({
      ...run("create", "intentional", "no"),
      blocked: { condition: "Refused", message: "cannot provision root r: no", hint: "do" },
    });
  });

  it("are forgotten with their declaration: what they did stays", () => {
    expect(provisionPlanner.planRemoval(owned, there)).toEqual({
      ...{ operation: "forget", arguments: { record: owned }, action: "forget", cause: "intentional" },
      reason: "its declaration was removed; what its steps did stays in the root",
    });
  });
});
