import { describe, expect, it } from "vitest";
import { exampleHost, STATE } from "../host/fake/example.ts";
import { pass } from "../pass/session.ts";

const HEAD = "apiVersion: rootloom/v1\n";
const VOLUME = "desired/volumes/builds.yaml";

function volume(links: readonly string[]): string {
  const list = links.map((name) => `{path: ${STATE}/links/${name}, to: /elsewhere}`).join(", ");
  return `${HEAD}kind: Volume\nmetadata: {name: builds}\nspec: {backend: directory, links: [${list}]}\n`;
}

function policy(limit: number): string {
  return `${HEAD}kind: Host\nmetadata: {name: example}\nspec: {prune: {maxDeletions: ${limit}}}\n`;
}

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

  it("a commit that only raises the limit of deletions lets go what was refused before", async () => {
    const host = exampleHost({}, { [VOLUME]: volume(["a", "b"]), "desired/host.yaml": policy(1) });
    expect((await pass(host, "apply")).result).toBe("converged");
    host.repository.commit({ [VOLUME]: volume([]) }, { message: "two go" });
    expect((await pass(host, "apply")).result).toBe("waiting");
    host.repository.commit({ "desired/host.yaml": policy(2) }, { message: "in a commit of its own" });
    expect((await pass(host, "apply")).result).toBe("waiting");
    expect((await pass(host, "apply")).result).toBe("converged");
    expect(host.files.readLink(`${STATE}/links/a`)).toBeUndefined();
  });

  it("a commit that raises the limit and removes more at once never lets go what it was refused", async () => {
    const host = exampleHost({}, { [VOLUME]: volume(["a", "b"]), "desired/host.yaml": policy(1) });
    await pass(host, "apply");
    host.repository.commit({ [VOLUME]: volume([]), "desired/host.yaml": policy(9) }, { message: "all at once" });
    for (const _ of [1, 2, 3]) expect((await pass(host, "apply")).result).toBe("waiting");
    host.repository.commit({ "desired/overlays/common/etc/motd": "hello\n" }, { message: "something else" });
    for (const _ of [1, 2, 3]) expect((await pass(host, "apply")).result).toBe("waiting");
    expect(host.files.readLink(`${STATE}/links/a`)).toBe("/elsewhere");
  });
});
