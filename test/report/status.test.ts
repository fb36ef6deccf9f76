import { describe, expect, it } from "vitest";
import { statusExitCode } from "../../src/report/exit-code.ts";
import { type Status, statusJson, statusText, verdictOf } from "../../src/report/status.ts";
import type { Condition } from "../../src/state/types.ts";

const plain = { color: false, width: 0 };

function status(...conditions: readonly (readonly [string, Condition["type"], Condition["status"]])[]): Status {
  return {
    conditions: conditions.map(([object, type, value]) => ({
      object,
      type,
      status: value,
      reason: "Because",
      message: "a message",
      lastTransitionTime: "2026-11-21T08:00:00.000Z",
      observedGeneration: "t",
    })),
    lastRun: undefined,
    decisions: [],
    busy: "",
  };
}

describe("status", () => {
  it("is Ready (0) only when everything is, not Ready (2) before the first apply, Stalled (4) before all else", () => {
    const given = [
      status(["tree/a", "Ready", "True"], ["tree/b", "Ready", "True"]),
      status(),
      status(["tree/a", "Ready", "True"], ["tree/b", "Ready", "False"]),
      status(["tree/a", "Ready", "False"], ["tree/b", "Stalled", "True"]),
    ];
    expect(given.map((each) => statusExitCode(verdictOf(each)))).toEqual([0, 2, 2, 4]);
  });

  it("tells what is not well, and only counts the rest", () => {
    expect(statusText(status(["tree/a", "Ready", "True"], ["tree/b", "ApprovalRequired", "True"]), plain)).toBe(
      [
        "Ready",
        "  tree/b  ApprovalRequired  Because  a message (since 2026-11-21T08:00:00.000Z)",
        "  1 Ready",
        "never applied: run `rootloom apply`",
        "",
      ].join("\n"),
    );
  });

  it("tells what a person suspended, by whom, until when and why", () => {
    const decision = {
      id: "tree/a",
      type: "suspend",
      digest: "",
      who: "ann",
      why: "trying",
      until: "2026-12-01",
      at: "",
    } as const;
    const text = statusText({ ...status(["tree/a", "Ready", "True"]), decisions: [decision] }, plain);
    expect(text).toContain("  tree/a: suspend by ann until 2026-12-01: trying");
  });

  it("has one JSON shape, with null for what is not there", () => {
    expect(statusJson(status())).toEqual({
      status: "NotReady",
      busy: null,
      revision: null,
      lastRun: null,
      conditions: [],
      decisions: [],
    });
  });
});
