import { describe, expect, it } from "vitest";
import type { OwnedRecord, ProvisionResource, ProvisionStep, TreeResource } from "../../../src/core/resource.ts";
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
const ALL = ["step 1 of 3: a", "step 2 of 3: b", "step 3 of 3: c"];

describe("the steps of a root", () => {
  it("are kept when all are behind it", () => {
    expect(plan({})).toMatchObject({ action: "keep", reason: "all steps are done" });
  });

  it("run from the first one that is not behind it", () => {
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
    const laying: PlanContext = { ...around(), actionOf: (id) => (id === "overlay/o" ? "update" : undefined) };
    const above: ProvisionResource = { ...resource, dependsOn: ["overlay/o"] };
    const older = { ...owned, inputs: { steps: "older" } };
    const forward = provisionPlanner.plan(above, { ...there, ...changed }, older, laying);
    expect(forward.details).toEqual(["step 3 of 3: c", WARNING]);
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

  it("run alone where only their packages differ, as a correction", () => {
    const packages = { b: { missing: ["vim"], unwanted: ["nano"] } };
    expect(plan({ packages })).toEqual(
      run("update", "corrective", "step b: vim is not installed, nano is installed", ["step 2 of 3: b"]),
    );
    const running = { name: "b", startedAt: "then" };
    expect(pendingSteps(resource, { ...there, running })).toEqual({ steps: [1], kept: 3 });
  });

  it("that are no longer declared leave what they did, and their note", () => {
    expect(plan({ done: done("a", "b", "c", "d", "e") })).toEqual(
      run("update", "intentional", "no longer declared: d, e; what they did stays in the root"),
    );
  });

  it("are taken note of again where a kill or a lost store left the record behind", () => {
    expect(plan({ settled: false })).toMatchObject({
      cause: "corrective",
      reason: expect.stringMatching(/^an interrupted run/),
    });
    expect(provisionPlanner.plan(resource, there, undefined, around())).toMatchObject({
      reason: expect.stringMatching(/^its record was lost/),
    });
    expect(plan({}, { ...owned, inputs: { steps: "older" } })).toMatchObject({ reason: "its record is older" });
    expect(plan({}, { ...owned, dependsOn: ["tree/r"] })).toMatchObject({ reason: "what it depends on changed" });
  });

  it("wait while there is no root of ours, and are refused where the host's limits say so", () => {
    expect(plan({ isThere: false, done: [] })).toMatchObject({ blocked: { condition: "Waiting", hint: "see tree/r" } });
    expect(plan({ refusal: "no", hint: "do" })).toMatchObject({
      blocked: { condition: "Refused", message: "cannot provision root r: no", hint: "do" },
    });
  });

  it("are forgotten with their declaration: what they did stays", () => {
    expect(provisionPlanner.planRemoval(owned, there)).toMatchObject({ operation: "forget", action: "forget" });
  });
});
