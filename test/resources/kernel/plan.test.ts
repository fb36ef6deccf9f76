import { describe, expect, it } from "vitest";
import type { KernelResource, OwnedRecord } from "../../../src/core/resource.ts";
import type { Action, Draft } from "../../../src/core/step.ts";
import type { ObservedKernel } from "../../../src/resources/kernel/observe.ts";
import { kernelPlanner } from "../../../src/resources/kernel/plan.ts";

const resource: KernelResource = {
  id: "kernel/small",
  kind: "kernel",
  name: "small",
  identity: "path:/state/kernels/small",
  dependsOn: ["artifact/a", "volume/sources"],
  origin: { document: "KernelConfig/small", file: "desired/kernels/small.yaml", line: 1, column: 1 },
  protect: false,
  onDelete: "destroy",
  path: "/state/kernels/small",
  source: { type: "directory", path: "/srv/linux" },
  patches: [],
  config: { path: "small.kconfig", sha256: "c1", content: "/cache/c1" },
  added: {},
  required: {},
  architecture: undefined,
  triplet: undefined,
  crossPrefix: undefined,
  initramfs: { artifact: "artifact/a", path: "/state/artifacts/a", file: "initramfs.cpio.gz", secret: false },
  sourceDate_s: 0,
  generations: 3,
  jobs: 2,
};
const inputs = { source: "directory:s1", config: "c1", compiler: "gcc: 12", initramfs: "i1" };
const whole: ObservedKernel = {
  ...{ state: "ours", whose: "", current: "g1", damage: "", built: inputs, inputs, wanted: "g1", generations: 1 },
  problem: undefined,
};
const absent: ObservedKernel = { ...whole, state: "absent", current: "", built: {} };
const record: OwnedRecord = {
  ...{ id: resource.id, kind: "kernel", name: "small", identity: resource.identity, inputs },
  details: { path: resource.path, generation: "g1" },
  ...{ protect: false, onDelete: "destroy", dependsOn: resource.dependsOn, revision: "c", runId: "r" },
  appliedAt: "2026-01-01T00:00:00.000Z",
};

const plan = (
  observed: ObservedKernel,
  owned: OwnedRecord | undefined = record,
  actions: Record<string, Action> = {},
  of: Partial<KernelResource> = {},
): Draft =>
  kernelPlanner.plan({ ...resource, ...of }, observed, owned, {
    ...{ actionOf: (id) => actions[id], adoptions: new Set() },
  });
const without = (observed: ObservedKernel, actions: Record<string, Action> = {}): Draft =>
  kernelPlanner.plan(resource, observed, undefined, { actionOf: (id) => actions[id], adoptions: new Set() });
const build = (action: string, cause: string, reason: string) => ({
  ...{ operation: "kernel.build", arguments: { resource }, action, cause, reason },
});
const withInputs = (changed: object): ObservedKernel => ({ ...whole, inputs: { ...inputs, ...changed } });

describe("a declared kernel", () => {
  it("is built where it never was, and again where it is gone or damaged", () => {
    expect(without(absent)).toEqual(build("create", "intentional", "it is declared and was never built"));
    expect(plan(absent)).toEqual(build("create", "corrective", "its current kernel is gone from /state/kernels/small"));
    expect(plan({ ...whole, damage: "kernel is missing" })).toEqual(build("update", "corrective", "kernel is missing"));
  });

  it("is kept while all that it was built from is the same, and recorded where the record was lost", () => {
    expect(plan(whole)).toMatchObject({ operation: "keep", reason: "built as generation g1" });
    expect(without(whole)).toEqual(build("update", "corrective", "whole, but not recorded"));
    expect(plan(whole, { ...record, details: { ...record.details, generation: "g0" } })).toEqual(
      build("update", "corrective", "its record is of another generation"),
    );
    expect(plan(whole, { ...record, protect: true })).toEqual(
      build("update", "intentional", "protect is false, true was recorded"),
    );
  });

  it("is built again when an input changed: the commit's on purpose, the host's as a correction", () => {
    expect(plan(withInputs({ config: "c2" }))).toEqual(build("update", "intentional", "config changed"));
    expect(plan(withInputs({ config: "c2", compiler: "gcc: 13" }))).toEqual(
      build("update", "intentional", "config, compiler changed"),
    );
    expect(plan(withInputs({ compiler: "gcc: 13" }))).toEqual(
      build("update", "corrective", "compiler is gcc: 13, it was gcc: 12"),
    );
    expect(plan(withInputs({ source: "directory:s2" }))).toEqual(build("update", "corrective", "source changed"));
    const built = { ...inputs, source: "sha256:s1" };
    expect(plan({ ...whole, built })).toEqual(build("update", "intentional", "source changed"));
    expect(plan({ ...whole, built: { ...inputs, gone: "x" } })).toEqual(build("update", "intentional", "gone changed"));
    expect(plan(withInputs({ compiler: "gcc: 13", initramfs: "i2" }))).toEqual(
      build("update", "intentional", "compiler, initramfs changed"),
    );
    expect(plan({ ...whole, built: {} })).toEqual(
      build("update", "intentional", "source, config, compiler, initramfs changed"),
    );
  });

  it("that failed its boot check stays out until an input changes, and the current one stays; one that was not booted yet is", () => {
    const message = 'ended without printing "UP"';
    const failed = { check: { state: "failed", message } } as const;
    const quarantined = (generation: string, stays: string) => ({
      condition: "Quarantined",
      message: `generation ${generation} is quarantined: in its boot check it ${message}; ${stays}`,
      hint: `see /state/kernels/small/${generation}/boot.log; it is tried again when an input changes, or by: rootloom trigger kernel/small`,
    });
    expect(plan({ ...withInputs({ config: "c2" }), ...failed, wanted: "g2" })).toEqual({
      ...build("update", "intentional", "config changed"),
      blocked: quarantined("g2", "generation g1 stays current"),
    });
    expect(without({ ...absent, ...failed }).blocked).toEqual(quarantined("g1", "there is no current one"));
    expect(plan({ ...whole, ...failed }, record, { "artifact/a": "update" }).blocked).toBeUndefined();
    expect(plan({ ...whole, ...failed })).toEqual({
      ...build("update", "intentional", "it does not pass its boot check"),
      blocked: quarantined("g1", "generation g1 stays current"),
    });
    const unchecked = { check: { state: "unchecked", message: "" } } as const;
    expect(plan({ ...whole, ...unchecked })).toEqual(build("update", "intentional", "its boot check was not run yet"));
    const passed = { ...whole, check: { state: "passed", message: "" } } as const;
    expect(plan(passed)).toMatchObject({ operation: "keep" });
    const checked = { ...record, details: { ...record.details, checked: true } };
    const bootCheck = { expect: "UP", timeout_s: 60, memory_bytes: undefined, machine: undefined, cmdline: "" };
    expect(plan(passed, checked, {}, { bootCheck })).toMatchObject({ operation: "keep" });
    expect(plan(whole, checked)).toEqual(build("update", "intentional", "no boot check is declared any more"));
  });

  it("is looked at again behind the root that builds it, and not behind a volume that its source is in", () => {
    const dependsOn = ["volume/sources", "tree/r", "provision/r"] as const;
    const planned = (actions: Record<string, Action>, observed = whole) =>
      plan(observed, { ...record, dependsOn }, actions, { dependsOn });
    const following = (id: string) => ({
      ...build("update", "intentional", `${id} changes in this pass`),
      ...{ arguments: { resource: { ...resource, dependsOn } }, follows: id },
    });
    for (const action of ["create", "update", "replace"] as const)
      expect(planned({ "tree/r": action })).toEqual(following("tree/r"));
    const both = { "volume/sources": "create", "tree/r": "keep", "provision/r": "update" } as const;
    expect(planned(both)).toEqual(following("provision/r"));
    expect(planned({ "volume/sources": "update" })).toEqual(planned({}));
    expect(planned({ "volume/sources": "update" }).operation).toBe("keep");
    expect(planned({ "volume/sources": "create" }, { ...whole, inputs: undefined })).toEqual(
      following("volume/sources"),
    );
  });

  it("follows the image that it embeds, and waits for one that is not packed", () => {
    const follows = { follows: "artifact/a" };
    expect(plan(whole, record, { "artifact/a": "update" })).toEqual({
      ...build("update", "intentional", "artifact/a changes in this pass"),
      ...follows,
    });
    expect(without(absent, { "artifact/a": "create" })).toEqual(
      build("create", "intentional", "artifact/a changes in this pass"),
    );
    expect(plan(whole, record, { "artifact/a": "keep" })).toMatchObject({ operation: "keep" });
    const message = "cannot embed artifact/a in kernel small: it is not packed yet";
    expect(plan(withInputs({ initramfs: "" }))).toEqual({
      ...build("update", "intentional", message),
      blocked: { condition: "Waiting", message, hint: "see artifact/a" },
    });
    const { initramfs: _, ...alone } = inputs;
    const { initramfs: __, ...own } = resource;
    const context = { actionOf: () => undefined, adoptions: new Set<never>() };
    expect(kernelPlanner.plan(own, { ...whole, inputs: alone, built: alone }, record, context).operation).toBe("keep");
  });

  it("is refused or waits where something is in its way, unless what it waits for is made in this pass", () => {
    const problem = { condition: "Waiting", message: "no source", hint: "put it there" } as const;
    const nothing = { ...absent, inputs: undefined, problem };
    expect(without(nothing)).toEqual({ ...build("create", "intentional", "no source"), blocked: problem });
    expect(plan({ ...whole, problem })).toEqual({ ...build("update", "intentional", "no source"), blocked: problem });
    expect(without(nothing, { "volume/sources": "create" })).toEqual(
      build("create", "intentional", "it is declared and was never built"),
    );
    const refused = { ...problem, condition: "Refused" } as const;
    expect(without({ ...nothing, problem: refused }, { "volume/sources": "create" })).toEqual({
      ...build("create", "intentional", "no source"),
      blocked: refused,
    });
    const message = "cannot build into /state/kernels/small: it is not made by Rootloom";
    expect(without({ ...absent, state: "foreign", whose: "not made by Rootloom" })).toEqual({
      ...build("create", "intentional", message),
      blocked: { condition: "Refused", message, hint: "move it away, or give the KernelConfig another name" },
    });
  });
});

describe("a kernel that is no longer declared", () => {
  const removal = (observed: Partial<ObservedKernel>, owned: Partial<OwnedRecord> = {}): Draft =>
    kernelPlanner.planRemoval({ ...record, ...owned }, { ...whole, ...observed });
  const remove = (destroys: string) => ({
    ...{ operation: "kernel.delete", arguments: { record }, action: "delete", cause: "intentional" },
    ...{ reason: "no longer declared", destroys },
  });

  it("goes with all that was built, where that was said", () => {
    expect(removal({})).toEqual(remove("1 built kernel in /state/kernels/small"));
    expect(removal({ generations: 2 })).toEqual(remove("2 built kernels in /state/kernels/small"));
    const problem = { condition: "Refused", message: "m", hint: "h" } as const;
    expect(removal({ problem })).toEqual({ ...remove("1 built kernel in /state/kernels/small"), blocked: problem });
  });

  it("is forgotten where it is to be kept, is gone, or is somebody else's", () => {
    expect(removal({}, { onDelete: "retain" })).toMatchObject({
      operation: "forget",
      reason: "no longer declared; its kernels are kept",
    });
    expect(removal({ state: "absent" })).toMatchObject({ operation: "forget", reason: "no longer declared, and gone" });
    expect(removal({ state: "foreign", whose: "a file" })).toMatchObject({
      operation: "forget",
      reason: "no longer declared; what stands there is a file",
    });
    expect(removal({}, { protect: true }).blocked?.condition).toBe("Refused");
  });
});
