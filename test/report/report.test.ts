import { stripVTControlCharacters } from "node:util";
import { describe, expect, it } from "vitest";
import { driftJson, driftText } from "../../src/report/drift.ts";
import { applyExitCode, detailedExitCode, driftExitCode, planExitCode } from "../../src/report/exit-code.ts";
import { toMarkdown } from "../../src/report/markdown.ts";
import { planJson } from "../../src/report/plan-json.ts";
import { toJson } from "../../src/report/report.ts";
import { toText } from "../../src/report/text.ts";
import { created, kept, outcome, passResult, replaced, secretDrift } from "./sample.ts";

const plain = { color: false, width: 0 };

describe("plan --json", () => {
  it("is revision, runId, every step, a summary with zeros, and the problems", () => {
    const problem = { file: "desired/host.yaml", line: 2, column: 3, message: "unknown field", hint: "did you mean" };
    const json = planJson(passResult([created, kept], { documentProblems: [problem] }));
    expect(json).toMatchObject({
      revision: "0123456789abcdef0123456789abcdef01234567",
      runId: "20261121T080000Z-00000001",
      summary: { create: 1, update: 0, replace: 0, delete: 0, adopt: 0, forget: 0, keep: 1 },
      problems: [problem],
    });
    expect(json.steps).toMatchObject([
      {
        id: "tree/debian",
        kind: "tree",
        name: "debian",
        action: "create",
        cause: "intentional",
        reason: "not there yet",
        destroys: null,
      },
      {
        id: "volume/work",
        kind: "volume",
        name: "work",
        action: "keep",
        cause: "intentional",
        reason: "as declared",
        destroys: null,
      },
    ]);
  });
});

describe("the text of a pass", () => {
  it("says in a plan what will be done, why, and the next command", () => {
    expect(toText(passResult([created, kept]), plain)).toBe(
      [
        'plan for commit 0123456789ab "add a root" by Ann',
        "  + the root debian will be filled from mmdebstrap bookworm",
        "      why  not there yet (intentional)",
        "  = 1 as declared",
        "next: rootloom apply",
        "",
      ].join("\n"),
    );
  });

  it("says nothing to do when all is kept", () => {
    expect(toText(passResult([kept]), plain)).toContain("nothing to do: all 1 are as declared");
  });

  it("says after an apply what has been done, and where the artifact is", () => {
    const artifact = {
      id: "artifact/debian",
      path: "/s/initramfs.cpio.gz",
      generation: "3f2a",
      sha256: "ab",
      size_bytes: 2048,
    };
    const result = passResult([created], {
      mode: "apply",
      outcomes: [outcome(created, { duration_ms: 12_400 })],
      artifacts: [artifact],
      result: "converged",
    });
    expect(toText(result, plain)).toBe(
      [
        'apply of commit 0123456789ab "add a root" by Ann in 2.0 s',
        "  + the root debian has been filled from mmdebstrap bookworm (12.4 s)",
        "      why  not there yet (intentional)",
        "artifact/debian  /s/initramfs.cpio.gz",
        "  size        2.0 KiB (2048 bytes)",
        "  sha256      ab",
        "  generation  3f2a",
        "converged: the host is as the commit says",
        "",
      ].join("\n"),
    );
  });

  it("names the approval that a step waits for, once in its hint and once as the next command", () => {
    const text = toText(passResult([replaced]), plain);
    expect(text).toContain("would be replaced from mmdebstrap bookworm; the old one is kept");
    expect(text).toContain("next: rootloom approve tree/debian");
    expect(text).not.toContain("next: rootloom apply");
  });

  it("shows an error with its details and hint", () => {
    const error = {
      message: "cannot run tar: exit 2",
      hint: "see the log",
      retry: "terminal",
      details: ["tar -x", "tar: broken"],
    };
    const result = passResult([created], {
      mode: "apply",
      outcomes: [outcome(created, { status: "failed", error })],
      result: "failed",
    });
    const text = toText(result, plain);
    for (const part of ["could not be filled", "cannot run tar: exit 2", "tar: broken", "see the log", "failed: "]) {
      expect(text).toContain(part);
    }
  });

  it("lists uncommitted paths as not applied", () => {
    expect(toText(passResult([kept], { uncommitted: ["overlays/common/etc/motd"] }), plain)).toContain(
      "uncommitted, not applied: overlays/common/etc/motd",
    );
  });

  it("shows only the problems of invalid documents, as file:line:col", () => {
    const documentProblems = [
      { file: "desired/a.yaml", line: 4, column: 7, message: "unknown kind Rot", hint: "did you mean Root?" },
    ];
    const text = toText(passResult([], { documentProblems, result: "invalid" }), plain);
    expect(text).toBe(
      "desired/a.yaml:4:7: unknown kind Rot\n    hint: did you mean Root?\n1 problem: nothing is planned until they are mended\n",
    );
  });

  it("differs by colour codes only", () => {
    const colored = toText(passResult([created, replaced, kept]), { color: true, width: 0 });
    expect(colored).not.toBe(stripVTControlCharacters(colored));
    expect(stripVTControlCharacters(colored)).toBe(toText(passResult([created, replaced, kept]), plain));
  });

  it("wraps long reasons below themselves", () => {
    const step = { ...created, reason: "word ".repeat(30).trim() };
    const lines = toText(passResult([step]), { color: false, width: 60 }).split("\n");
    expect(Math.max(...lines.slice(2).map((line) => line.length))).toBeLessThanOrEqual(60);
    expect(lines[3]).toMatch(/^ {11}word/);
  });
});

describe("drift", () => {
  it("is what the host changed; what the commit changed is only counted", () => {
    const json = driftJson(passResult([created, secretDrift, kept]));
    expect(json).toMatchObject({
      drift: [{ id: "overlay/secret-sauce/demo@debian", origin: "Root/debian" }],
      pending: 1,
    });
    const text = driftText(passResult([created, secretDrift, kept]), plain);
    expect(text).toContain("drift: 1 resource differs from what was last applied");
    expect(text).toContain("declared by Root/debian (desired/roots/debian.yaml:3)");
    expect(text).toContain("not drift: 1 change of the commit to be applied");
  });

  it("says so when there is none", () => {
    expect(driftText(passResult([kept]), plain)).toBe("no drift: the host is as it was last applied\n");
  });
});

describe("secrets", () => {
  it("of a secret overlay reach no format", () => {
    const result = passResult([secretDrift]);
    const everything = [
      JSON.stringify(toJson(result)),
      toText(result, plain),
      toMarkdown(result),
      driftText(result, plain),
      JSON.stringify(planJson(result)),
    ];
    for (const text of everything) {
      expect(text).not.toMatch(/hunter|context/);
      expect(text).toContain("etc/key: content differs");
    }
  });
});

describe("Markdown", () => {
  it("cannot be broken by what it quotes", () => {
    const step = { ...created, reason: "a|b\n*c*", details: ["```", "+x"] };
    const text = toMarkdown(passResult([step]));
    expect(text).toContain("a\\|b \\*c\\*");
    expect(text).toContain("````diff\n```\n+x\n````");
  });
});

describe("exit codes", () => {
  const report = (...given: Parameters<typeof passResult>) => toJson(passResult(...given));
  const documentProblems = [{ file: "f", line: 1, column: 1, message: "m", hint: "" }];
  const applied = (status: "done" | "failed", result: "converged" | "failed") =>
    report([created], { mode: "apply", outcomes: [outcome(created, { status })], result });

  it("of plan: 0 nothing to do, 2 differences, 1 problems", () => {
    expect([
      planExitCode(report([kept])),
      planExitCode(report([created])),
      planExitCode(report([], { documentProblems })),
    ]).toEqual([0, 2, 1]);
  });

  it("of plan NAME: only that resource counts", () => {
    const all = report([created, kept]);
    expect(
      planExitCode(
        all,
        all.steps.filter((step) => step.id === "volume/work"),
      ),
    ).toBe(0);
  });

  it("of drift: 0 none, 2 drift, 1 what could not be looked at", () => {
    const unobserved = {
      ...kept,
      cause: "corrective",
      blocked: { condition: "Waiting", message: "m", hint: "" },
    } as const;
    expect([created, secretDrift, unobserved].map((step) => driftExitCode(report([step])))).toEqual([0, 2, 1]);
  });

  it("of apply: 0 converged, 1 failed or refused; left alone by policy is converged", () => {
    const waiting = (condition: "ApprovalRequired" | "ReportOnly") =>
      applyExitCode(report([{ ...created, blocked: { condition, message: "m", hint: "" } }], { result: "waiting" }));
    expect([applyExitCode(applied("done", "converged")), applyExitCode(applied("failed", "failed"))]).toEqual([0, 1]);
    expect([waiting("ApprovalRequired"), waiting("ReportOnly")]).toEqual([1, 0]);
  });

  it("of apply --detailed-exitcode: 0, 2 changed, 4 failures, 6 both", () => {
    const other = { ...replaced, id: "tree/other" } as const;
    const outcomes = [outcome(created), outcome(other, { status: "failed" })];
    const both = report([created, other], { mode: "apply", outcomes, result: "failed" });
    const nothing = report([kept], { result: "converged" });
    const all = [nothing, applied("done", "converged"), applied("failed", "failed"), both];
    expect(all.map(detailedExitCode)).toEqual([0, 2, 4, 6]);
  });
});
