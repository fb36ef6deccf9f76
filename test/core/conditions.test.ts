import { describe, expect, it } from "vitest";
import { conditionsOf, type Ending } from "../../src/core/conditions.ts";
import type { Step } from "../../src/core/step.ts";

function ending(name: string, status: Ending["status"], more: Partial<Step> = {}, rest: Partial<Ending> = {}): Ending {
  const step = {
    id: `link/${name}`,
    kind: "link",
    name,
    action: "update",
    cause: "intentional",
    reason: "r",
    dependsOn: [],
    digest: "d",
    operation: "keep",
    arguments: {},
    ...more,
  } as Step;
  return { step, status, message: "", retry: "", ...rest };
}

const LOADED = {
  ...{ object: "host", type: "SourceVerified", status: "True", reason: "Loaded" },
  message: "the commit was read and is valid",
};

function shown(endings: readonly Ending[]): readonly string[] {
  return conditionsOf(endings, undefined).map((it) => `${it.object} ${it.type}=${it.status} ${it.reason}`);
}

describe("conditions", () => {
  it("says that the host is ready when every resource is as declared", () => {
    expect(shown([ending("a", "kept", { action: "keep" }), ending("b", "done")])).toEqual([
      "host Ready=True Converged",
      "host SourceVerified=True Loaded",
      "link/a Ready=True Reconciled",
      "link/b Ready=True Reconciled",
    ]);
  });

  it("tells a failure for good from one that is tried again", () => {
    const endings = [
      ending("a", "failed", {}, { retry: "terminal" }),
      ending("b", "failed", {}, { retry: "transient" }),
    ];
    expect(shown(endings).slice(2)).toEqual([
      "link/a Ready=False Failed",
      "link/a Stalled=True Failed",
      "link/b Ready=False Failed",
    ]);
  });

  it("says whether an image is healthy, and that one in quarantine is stalled", () => {
    const blocked = { condition: "Quarantined", message: "m", hint: "h" } as const;
    const unwell = { isHealthy: false, message: "m" };
    const endings = [
      ending("a", "kept", { action: "keep" }, { health: { isHealthy: true, message: "it passed" } }),
      ending("b", "skipped", { blocked }, { health: unwell }),
      ending("c", "failed", {}, { retry: "waiting", health: unwell }),
    ];
    expect(shown(endings).slice(2)).toEqual([
      "link/a Ready=True Reconciled",
      "link/a Healthy=True CheckPassed",
      "link/b Ready=False Quarantined",
      "link/b Stalled=True Quarantined",
      "link/b Healthy=False CheckFailed",
      "link/c Ready=False Failed",
      "link/c Stalled=True Quarantined",
      "link/c Healthy=False CheckFailed",
    ]);
    const failed = ending("c", "failed", {}, { message: "it printed no OK", retry: "waiting", health: unwell });
    expect(conditionsOf([endings[1] as Ending, failed], undefined).filter(({ type }) => type === "Stalled")).toEqual([
      { object: "link/b", type: "Stalled", status: "True", reason: "Quarantined", message: "m" },
      { object: "link/c", type: "Stalled", status: "True", reason: "Quarantined", message: "it printed no OK" },
    ]);
    expect(shown([ending("d", "skipped", { blocked })]).slice(2)).toEqual([
      "link/d Ready=False Quarantined",
      "link/d Stalled=True Quarantined",
    ]);
    expect(conditionsOf(endings, undefined).filter(({ type }) => type === "Healthy")).toEqual([
      { object: "link/a", type: "Healthy", status: "True", reason: "CheckPassed", message: "it passed" },
      { object: "link/b", type: "Healthy", status: "False", reason: "CheckFailed", message: "m" },
      { object: "link/c", type: "Healthy", status: "False", reason: "CheckFailed", message: "m" },
    ]);
  });

  it("sets the condition that a blocked step names, and Drifted for drift that stands", () => {
    const blocked = { condition: "ApprovalRequired", message: "m", hint: "h" } as const;
    expect(shown([ending("a", "skipped", { blocked, cause: "corrective" })]).slice(2)).toEqual([
      "link/a Ready=False ApprovalRequired",
      "link/a ApprovalRequired=True ApprovalRequired",
      "link/a Drifted=True Drift",
    ]);
  });

  it("tells of a root whether what it was made from is what its publisher says", () => {
    const right = { isRight: true, message: "checked by sha512" };
    const wrong = { isRight: false, message: "sha512 is another" };
    const endings = [ending("a", "kept", {}, { source: right }), ending("b", "failed", {}, { source: wrong })];
    const verified = conditionsOf(endings, undefined).filter(
      ({ type, object }) => type === "SourceVerified" && object !== "host",
    );
    expect(verified.map(({ object, status, reason, message }) => `${object} ${status} ${reason}: ${message}`)).toEqual([
      "link/a True Verified: checked by sha512",
      "link/b False VerificationFailed: sha512 is another",
    ]);
  });

  it.each(["Suspended", "Stalled"] as const)(
    "shows %s as a condition of its own, with what the step says",
    (condition) => {
      const blocked = { condition, message: "maintenance", hint: "h" };
      expect(conditionsOf([ending("a", "skipped", { blocked })], undefined).slice(2)).toEqual([
        { object: "link/a", type: "Ready", status: "False", reason: condition, message: "maintenance" },
        { object: "link/a", type: condition, status: "True", reason: condition, message: "maintenance" },
      ]);
    },
  );

  it.each(["Refused", "Waiting", "ReportOnly"] as const)(
    "gives %s no condition of its own, only its reason",
    (condition) => {
      const blocked = { condition, message: "in the way", hint: "h" };
      expect(conditionsOf([ending("a", "skipped", { blocked })], undefined).slice(2)).toEqual([
        { object: "link/a", type: "Ready", status: "False", reason: condition, message: "in the way" },
      ]);
    },
  );

  it("is not ready though kept when nobody could look", () => {
    const blocked = { condition: "Waiting", message: "cannot read /a", hint: "mount it" } as const;
    const seen = conditionsOf([ending("a", "kept", { action: "keep", cause: "corrective", blocked })], undefined);
    expect(seen).toEqual([
      { object: "host", type: "Ready", status: "False", reason: "NotConverged", message: "not ready: link/a" },
      LOADED,
      { object: "link/a", type: "Ready", status: "False", reason: "Waiting", message: "cannot read /a" },
    ]);
  });

  it("does not know what became of an interrupted step, and says why a skipped one was not run", () => {
    const endings = [
      ending("a", "interrupted", {}, { retry: "terminal" }),
      ending("b", "skipped", {}, { message: "link/a failed" }),
    ];
    expect(conditionsOf(endings, undefined)).toEqual([
      { object: "host", type: "Ready", status: "False", reason: "NotConverged", message: "not ready: link/a, link/b" },
      LOADED,
      {
        ...{ object: "link/a", type: "Ready", status: "Unknown", reason: "Interrupted" },
        message: "the pass was interrupted",
      },
      { object: "link/b", type: "Ready", status: "False", reason: "Waiting", message: "link/a failed" },
    ]);
  });

  it("says in whole what it means to be as declared, to have failed, and to be stalled by it", () => {
    const endings = [ending("a", "done"), ending("b", "failed", {}, { message: "cannot write b", retry: "terminal" })];
    expect(conditionsOf(endings, undefined).slice(2)).toEqual([
      { object: "link/a", type: "Ready", status: "True", reason: "Reconciled", message: "as declared" },
      { object: "link/b", type: "Ready", status: "False", reason: "Failed", message: "cannot write b" },
      { object: "link/b", type: "Stalled", status: "True", reason: "Failed", message: "cannot write b" },
    ]);
    expect(conditionsOf([], undefined)[0]).toEqual({
      ...{ object: "host", type: "Ready", status: "True", reason: "Converged" },
      message: "all resources are as declared",
    });
  });

  it("calls drift only what a correction found and did not put right", () => {
    const drifted = { cause: "corrective", reason: "mode is 0777" } as const;
    const types = (...endings: readonly Ending[]) =>
      conditionsOf(endings, undefined)
        .slice(2)
        .map((it) => it.type);
    expect(types(ending("a", "done", drifted))).toEqual(["Ready"]);
    expect(types(ending("a", "kept", { ...drifted, action: "keep" }))).toEqual(["Ready"]);
    expect(types(ending("a", "failed", { ...drifted, cause: "intentional" }, { retry: "transient" }))).toEqual([
      "Ready",
    ]);
    expect(conditionsOf([ending("a", "failed", drifted, { retry: "transient" })], undefined).at(-1)).toEqual({
      ...{ object: "link/a", type: "Drifted", status: "True", reason: "Drift", message: "mode is 0777" },
    });
  });

  it("says that the commit may be stale when it could not be fetched, and judges the resources all the same", () => {
    expect(conditionsOf([ending("a", "done")], undefined, "cannot fetch: no route")).toEqual([
      {
        ...{ object: "host", type: "Ready", status: "True", reason: "Converged" },
        message: "all resources are as declared",
      },
      {
        ...{ object: "host", type: "SourceVerified", status: "False", reason: "FetchFailed" },
        message: "cannot fetch: no route",
      },
      { object: "link/a", type: "Ready", status: "True", reason: "Reconciled", message: "as declared" },
    ]);
  });

  it.each([
    [true, "True", "Verified"],
    [false, "False", "VerificationFailed"],
  ] as const)("says whether what a resource was made from is its publisher's: %s", (isRight, status, reason) => {
    const source = { isRight, message: "signed by 0123" };
    expect(conditionsOf([ending("a", "done", {}, { source })], undefined).at(-1)).toEqual({
      ...{ object: "link/a", type: "SourceVerified", status, reason, message: "signed by 0123" },
    });
  });

  it("drops the conditions of what was deleted or forgotten, and keeps those of a failed deletion", () => {
    const endings = [
      ending("a", "done", { action: "delete" }),
      ending("b", "failed", { action: "delete" }, { retry: "transient" }),
      ending("c", "done", { action: "forget" }),
      ending("d", "skipped", { action: "forget" }),
    ];
    expect(shown(endings).slice(2)).toEqual(["link/b Ready=False Failed", "link/d Ready=False Waiting"]);
  });

  it("says that the host is not ready, and stalled, when the source has a problem that only a commit mends", () => {
    const message = "desired/x.yaml:1:2: bad";
    const conditions = (retry: string) => conditionsOf([], { message, retry });
    expect(conditions("terminal")).toEqual([
      {
        ...{ object: "host", type: "Ready", status: "False", reason: "SourceProblem" },
        message: "what the host should be is not known",
      },
      { object: "host", type: "SourceVerified", status: "False", reason: "SourceProblem", message },
      { object: "host", type: "Stalled", status: "True", reason: "SourceProblem", message },
    ]);
    expect(conditions("transient")).toEqual(conditions("terminal").slice(0, 2));
  });
});
