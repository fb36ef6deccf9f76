import { describe, expect, it } from "vitest";
import { exampleHost, STATE } from "../host/fake/example.ts";
import { pass } from "../pass/session.ts";

/** What the simulation found, each as the shortest history that shows it. */
describe("found by the simulation", () => {
  it("a file that an overlay lays behind a link of a managed root is not taken for an addition to it", async () => {
    const overlay =
      "apiVersion: rootloom/v1\nkind: Overlay\nmetadata: {name: hardware/live}\nspec: {into: root, roots: [debian]}\n";
    const host = exampleHost(
      {},
      { "desired/overlays/hardware/live/overlay.yaml": overlay, "desired/overlays/hardware/live/bin/tool": "tool\n" },
    );
    expect((await pass(host, "apply")).result).toBe("converged");
    await host.advance(5_000);
    const second = await pass(host, "apply");
    expect(second.plan.steps.filter(({ action }) => action !== "keep")).toEqual([]);
    expect(host.files.readText(`${STATE}/volumes/builds/root/usr/bin/tool`)).toBe("tool\n");
  });
});
