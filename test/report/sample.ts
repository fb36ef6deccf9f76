import type { OverlayResource, Resource } from "../../src/core/resource.ts";
import type { Step } from "../../src/core/step.ts";
import type { PassResult, StepOutcome } from "../../src/pass/types.ts";

const base = { cause: "intentional", reason: "not there yet", dependsOn: [], digest: "d" } as const;
const tree = {
  id: "tree/debian",
  kind: "tree",
  name: "debian",
  path: "/srv/debian/root",
  source: { type: "mmdebstrap", suite: "bookworm" },
  origin: { document: "Root/debian", file: "desired/roots/debian.yaml", line: 3, column: 1 },
} as unknown as Extract<Resource, { kind: "tree" }>;

export const created: Step = {
  ...base,
  id: "tree/debian",
  kind: "tree",
  name: "debian",
  operation: "tree.create",
  action: "create",
  arguments: { resource: tree },
};
export const kept: Step = {
  ...base,
  id: "volume/work",
  kind: "volume",
  name: "work",
  operation: "keep",
  action: "keep",
  arguments: {},
  reason: "as declared",
};
export const replaced: Step = {
  ...created,
  operation: "tree.replace",
  action: "replace",
  replaces: true,
  reason: "source changed: suite",
  blocked: {
    condition: "ApprovalRequired",
    message: "replaces a populated tree and waits for approval",
    hint: "rootloom approve tree/debian",
  },
};

const secretOverlay = {
  id: "overlay/secret-sauce/demo@debian",
  kind: "overlay",
  overlay: { secret: true },
  origin: tree.origin,
} as unknown as OverlayResource;
export const secretDrift: Step = {
  ...base,
  id: "overlay/secret-sauce/demo@debian",
  kind: "overlay",
  name: "secret-sauce/demo@debian",
  operation: "overlay.lay",
  action: "update",
  cause: "corrective",
  reason: "1 path differs",
  arguments: { resource: secretOverlay, lay: ["etc/key"], remove: [] },
  details: ["etc/key: content differs", "-hunter2", "+hunter3", " context"],
};

/** A pass with these steps; everything else is small and fixed. */
export function passResult(steps: readonly Step[], more: Partial<PassResult> = {}): PassResult {
  return {
    runId: "20261121T080000Z-00000001",
    trigger: "command",
    mode: "plan",
    revision: "0123456789abcdef0123456789abcdef01234567",
    subject: "add a root",
    author: "Ann",
    treeHash: "t",
    uncommitted: [],
    notes: [],
    documentProblems: [],
    graph: { resources: [tree, secretOverlay], policy: {} as PassResult["graph"]["policy"] },
    plan: { revision: "0123456789abcdef", treeHash: "t", steps, problems: [], digest: "plan-digest" },
    outcomes: [],
    conditions: [],
    artifacts: [],
    startedAt: "2026-11-21T08:00:00.000Z",
    finishedAt: "2026-11-21T08:00:02.000Z",
    duration_ms: 2000,
    result: "waiting",
    ...more,
  };
}

export function outcome(step: Step, more: Partial<StepOutcome> = {}): StepOutcome {
  return { step, status: "done", result: "", notes: [], error: undefined, duration_ms: 0, ...more };
}
