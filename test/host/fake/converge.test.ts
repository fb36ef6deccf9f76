import { describe, expect, it } from "vitest";
import { crashAt } from "../../../src/host/fake/faults.ts";
import type { FakeHost } from "../../../src/host/fake/host.ts";
import { runPass } from "../../../src/pass/pass.ts";
import type { PassRequest, PassResult, Session } from "../../../src/pass/types.ts";
import { NO_LIMITS } from "../../../src/resources/limits.ts";
import { CACHE, DESIRED, exampleHost, STATE } from "./example.ts";

function sessionOf(host: FakeHost): Session {
  const source = {
    desired: DESIRED,
    repository: undefined,
    ref: "HEAD",
    path: undefined,
    remote: undefined,
    worktree: false,
    cache: CACHE,
  };
  const configuration = { state: STATE, cache: CACHE, source, limits: NO_LIMITS, logLevel: "error" };
  return { host, configuration: { ...configuration, mountNamespace: "/proc/1/ns/mnt" } };
}

function pass(host: FakeHost, mode: PassRequest["mode"]): Promise<PassResult> {
  const request: PassRequest = {
    trigger: "command",
    mode,
    approveAll: false,
    planDigest: undefined,
    retryStalled: false,
    signal: new AbortController().signal,
    superseded: () => false,
    onEvent: () => undefined,
  };
  return host.runUntil(runPass(sessionOf(host), request));
}

describe("a fake host", () => {
  it("converges one root and its image, and then keeps all", async () => {
    const host = exampleHost();
    const first = await pass(host, "apply");
    expect(first.documentProblems).toEqual([]);
    expect(first.plan.problems).toEqual([]);
    expect(first.outcomes.filter(({ error }) => error !== undefined)).toEqual([]);
    expect(first.result).toBe("converged");
    expect(host.unknownCommands).toEqual([]);
    expect(host.files.readText(`${STATE}/volumes/builds/root/etc/debian_version`)).toBe("bookworm\n");
    await host.advance(10_000);
    const second = await pass(host, "plan");
    expect(second.plan.steps.filter(({ action }) => action !== "keep")).toEqual([]);
  });

  it.each(["kill", "power"] as const)(
    "converges to the same artifact after a crash (%s) at any moment",
    async (kind) => {
      const undisturbed = exampleHost();
      const wanted = (await pass(undisturbed, "apply")).artifacts.map(({ sha256 }) => sha256);
      expect(wanted).toHaveLength(1);
      for (let index = 0; index < undisturbed.calls.length; index += 23) {
        const host = exampleHost({ seed: index + 1, faults: crashAt(index, "after", kind) });
        await pass(host, "apply").catch(() => undefined);
        expect(host.isAlive).toBe(false);
        const next = host.restart({ faults: {} });
        const { result, artifacts } = await pass(next, "apply");
        expect([index, result, ...artifacts.map(({ sha256 }) => sha256)]).toEqual([index, "converged", ...wanted]);
        await next.advance(10_000);
        const after = await pass(next, "plan");
        expect(after.plan.steps.filter(({ action }) => action !== "keep")).toEqual([]);
      }
    },
  );
});
