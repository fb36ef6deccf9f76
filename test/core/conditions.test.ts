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

  it("sets the condition that a blocked step names, and Drifted for drift that stands", () => {
    const blocked = { condition: "ApprovalRequired", message: "m", hint: "h" } as const;
    expect(shown([ending("a", "skipped", { blocked, cause: "corrective" })]).slice(2)).toEqual([
      "link/a Ready=False ApprovalRequired",
      "link/a ApprovalRequired=True ApprovalRequired",
      "link/a Drifted=True Drift",
    ]);
  });

  it("drops the conditions of what was deleted or forgotten, and keeps those of a failed deletion", () => {
    const endings = [
      ending("a", "done", { action: "delete" }),
      ending("b", "failed", { action: "delete" }, { retry: "transient" }),
    ];
    expect(shown(endings).slice(2)).toEqual(["link/b Ready=False Failed"]);
  });

  it("says that the host is not ready, and stalled, when the source has a problem that only a commit mends", () => {
    const message = "desired/x.yaml:1:2: bad";
    const conditions = (retry: string) =>
      conditionsOf([], { message, retry }).map((it) => `${it.object} ${it.type}=${it.status} ${it.message}`);
    expect(conditions("terminal")).toEqual([
      "host Ready=False what the host should be is not known",
      `host SourceVerified=False ${message}`,
      `host Stalled=True ${message}`,
    ]);
    expect(conditions("transient")).toEqual(conditions("terminal").slice(0, 2));
  });
});
