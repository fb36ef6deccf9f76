import { describe, expect, it } from "vitest";
import { crashAt } from "../../../src/host/fake/faults.ts";
import { pass } from "../../pass/session.ts";
import { exampleHost, STATE } from "./example.ts";

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
