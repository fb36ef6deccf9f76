import { describe, expect, it } from "vitest";
import { RootloomError } from "../../src/core/error.ts";
import { type Call, Crash } from "../../src/host/fake/faults.ts";
import type { FakeHost } from "../../src/host/fake/host.ts";
import { execute } from "../../src/pass/commands.ts";
import { openState } from "../../src/state/state.ts";
import { exampleHost, STATE } from "../host/fake/example.ts";
import { pass, sessionOf } from "../pass/session.ts";
import { runSeed } from "./run.ts";

const HEAD = "apiVersion: rootloom/v1\n";
const VOLUME = "desired/volumes/builds.yaml";

function volume(links: readonly string[], called = "builds"): string {
  const list = links.map((name) => `{path: ${STATE}/links/${name}, to: /elsewhere}`).join(", ");
  return `${HEAD}kind: Volume\nmetadata: {name: ${called}}\nspec: {backend: directory, links: [${list}]}\n`;
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

  it("a pass whose journal cannot be written ends only when every step of it has ended", async () => {
    const full = new RootloomError("cannot write to the store: no space left", { retry: "transient" });
    const host = exampleHost(
      {
        durations_ms: { mmdebstrap: 60_000 },
        faults: {
          before: (call) => {
            if (call.name === "stores.run" && call.arguments.includes(`link/other:${STATE}/links/a`)) throw full;
          },
        },
      },
      {
        "desired/host.yaml": `${HEAD}kind: Host\nmetadata: {name: example}\nspec: {budget: {jobs: 4}}\n`,
        "desired/volumes/other.yaml": volume(["a"], "other"),
      },
    );
    await expect(pass(host, "apply")).rejects.toThrow("no space left");
    const calls = host.calls.length;
    await host.advance(600_000);
    expect(host.calls.slice(calls)).toEqual([]);
  });

  it("a step that was killed before its first effect is closed by the next pass, whatever that has to do", async () => {
    const host = exampleHost();
    await pass(host, "apply");
    const state = openState(host, STATE, "write");
    state.beginStep("an-earlier-run", "link/gone", "link.write", "2026-01-15T08:00:00.000Z");
    state.close();
    await pass(host, "apply");
    expect(openState(host, STATE, "read").openSteps()).toEqual([]);
  });

  it("what was exchanged for somebody else's can be adopted, as the refusal says, though it is recorded", async () => {
    const path = `${STATE}/targets/arm.env`;
    const target = `${HEAD}kind: ArchTarget\nmetadata: {name: arm}\nspec: {variables: {A: "1"}, environmentFile: ${path}}\n`;
    const host = exampleHost({}, { "desired/targets/arm.yaml": target });
    expect((await pass(host, "apply")).result).toBe("converged");
    host.outside.writeFile(path, "A='theirs'\n");
    expect((await pass(host, "apply")).result).toBe("waiting");
    const request = { command: "adopt", arguments: { names: ["environment/arm"], who: "ada", why: "" } };
    const { signal } = new AbortController();
    await host.runUntil(execute(sessionOf(host), request, () => undefined, signal));
    expect((await pass(host, "plan")).plan.steps.filter(({ action }) => action !== "keep")).toEqual([]);
    expect(host.files.readText(path)).toContain("A='1'");
  });

  it("a root that becomes managed in the commit that takes a laid file out of an overlay is not missing that file", async () => {
    const root = (content: string): string =>
      `${HEAD}kind: Root\nmetadata: {name: debian}\nspec: {volume: builds, content: ${content}, source: {mmdebstrap: {suite: bookworm}}}\n`;
    const overlay = `${HEAD}kind: Overlay\nmetadata: {name: hardware/live}\nspec: {into: root, roots: [debian]}\n`;
    const live = "desired/overlays/hardware/live";
    const host = exampleHost(
      {},
      {
        "desired/roots/debian.yaml": root("live"),
        [`${live}/overlay.yaml`]: overlay,
        [`${live}/etc/stays.conf`]: "stays\n",
        [`${live}/opt/only/goes.conf`]: "goes\n",
      },
    );
    expect((await pass(host, "apply")).result).toBe("converged");
    host.repository.commit({ "desired/roots/debian.yaml": root("managed"), [`${live}/opt/only/goes.conf`]: null });
    expect((await pass(host, "apply")).result).toBe("converged");
    expect(host.files.stat(`${STATE}/volumes/builds/root/opt/only`)).toBeUndefined();
    const after = await pass(host, "apply");
    expect(after.result).toBe("converged");
    expect(after.plan.steps.filter(({ action }) => action !== "keep")).toEqual([]);
  });

  it("a root that becomes managed under an overlay holds what was there before it, when the overlay lets that come back", async () => {
    const root = (content: string): string =>
      `${HEAD}kind: Root\nmetadata: {name: debian}\nspec: {volume: builds, content: ${content}, source: {mmdebstrap: {suite: bookworm}}}\n`;
    const live = "desired/overlays/hardware/live";
    const overlay = (gone: string): string =>
      `${HEAD}kind: Overlay\nmetadata: {name: hardware/live}\nspec: {into: root, roots: [debian], onDelete: destroy, delete: [${gone}]}\n`;
    const top = `${STATE}/volumes/builds/root`;
    const host = exampleHost({}, { "desired/roots/debian.yaml": root("live") });
    expect((await pass(host, "apply")).result).toBe("converged");
    const scan = () =>
      JSON.stringify([...host.outside.files.scan(top)].map(({ path, mode, target }) => [path, mode, target]));
    const before = [scan(), host.files.readText(`${top}/etc/hostname`)];
    const laid = { [`${live}/etc/hostname`]: "laid\n", [`${live}/etc/laid`]: "laid\n" };
    host.repository.commit({ [`${live}/overlay.yaml`]: overlay("usr/bin"), ...laid });
    expect((await pass(host, "apply")).result).toBe("converged");
    expect(host.files.stat(`${top}/usr/bin`)).toBeUndefined();
    const gone = Object.fromEntries(Object.keys(laid).map((path) => [path, null]));
    host.repository.commit({
      "desired/roots/debian.yaml": root("managed"),
      ...gone,
      [`${live}/overlay.yaml`]: overlay(""),
      [`${live}/etc/other`]: "x\n",
    });
    expect((await pass(host, "apply")).result).toBe("converged");
    host.repository.commit({ [`${live}/overlay.yaml`]: null, [`${live}/etc/other`]: null });
    expect((await pass(host, "apply")).result).toBe("converged");
    expect([scan(), host.files.readText(`${top}/etc/hostname`)]).toEqual(before);
    const after = await pass(host, "apply");
    expect([after.result, after.plan.steps.filter(({ action }) => action !== "keep")]).toEqual(["converged", []]);
    host.outside.writeFile(`${top}/etc/hostname`, "edited\n");
    expect((await pass(host, "apply")).result).toBe("converged");
    expect(host.files.readText(`${top}/etc/hostname`)).toBe(before[1]);
  });

  it("what a killed step had mounted is unmounted, also when nobody declares it any more", async () => {
    const root = (mounts: string): string =>
      `${HEAD}kind: Root\nmetadata: {name: debian}\nspec: {volume: builds, source: {mmdebstrap: {suite: bookworm}}, mounts: [${mounts}]}\n`;
    const place = "desired/roots/debian.yaml";
    const mounted = (of: FakeHost): readonly string[] => of.outside.files.mounts().map(({ target }) => target);
    const host = exampleHost(
      {
        faults: {
          after: (call) => {
            if (call.name === "processes.run" && call.arguments[0]?.includes('"file":"mount"')) throw new Crash("kill");
          },
        },
      },
      { [place]: root("{target: /proc, type: proc, namespace: host}") },
    );
    await expect(pass(host, "apply")).rejects.toThrow("crashed");
    expect(mounted(host)).toEqual(["/", `${STATE}/volumes/builds/root/proc`]);
    host.repository.commit({ [place]: root("") });
    const next = host.restart({ faults: {} });
    expect((await pass(next, "apply")).result).toBe("converged");
    expect(mounted(next)).toEqual(["/"]);
  });

  it("a step that a kill left is closed only when all its effects are mended: a swap that was cut in two is seen to", async () => {
    const root = (suite: string): string =>
      `${HEAD}kind: Root\nmetadata: {name: debian}\nspec: {volume: builds, source: {mmdebstrap: {suite: ${suite}}}}\n`;
    const place = "desired/roots/debian.yaml";
    const top = `${STATE}/volumes/builds/root`;
    const host = exampleHost(
      {
        faults: {
          after: (call) => {
            if (call.name === "files.rename" && call.arguments[0] === top) throw new Crash("kill");
          },
        },
      },
      { [place]: root("bookworm") },
    );
    expect((await pass(host, "apply")).result).toBe("converged");
    host.repository.commit({ [place]: root("trixie") });
    await expect(pass(host, "apply", { approveAll: true })).rejects.toThrow("crashed");
    expect(host.outside.files.stat(top)).toBeUndefined();
    const closed: boolean[] = [];
    const next = host.restart({
      faults: {
        before: (call) => {
          if (!call.arguments.includes("recovered after an interruption")) return;
          closed.push(host.outside.files.stat(top) !== undefined);
        },
      },
    });
    await pass(next, "apply");
    expect(closed).toEqual([true]);
    expect(openState(next, STATE, "read").openSteps()).toEqual([]);
  });

  it.each([
    ["another target is declared", { [VOLUME]: volume(["a"]).replace("/elsewhere", "/other") }, "/other"],
    ["its declaration is gone", { [VOLUME]: volume([]) }, undefined],
  ])("a link that a killed step had made is ours, also when meanwhile %s", async (_, change, leads) => {
    const link = `${STATE}/links/a`;
    const host = exampleHost(
      {
        faults: {
          after: (call) => {
            if (call.name === "files.writeLink" && call.arguments.includes(link)) throw new Crash("kill");
          },
        },
      },
      { [VOLUME]: volume(["a"]) },
    );
    await expect(pass(host, "apply")).rejects.toThrow("crashed");
    expect(host.outside.files.readLink(link)).toBe("/elsewhere");
    host.repository.commit(change);
    const next = host.restart({ faults: {} });
    expect((await pass(next, "apply")).result).toBe("converged");
    expect(next.files.readLink(link)).toBe(leads);
  });

  it("an image is packed in the pass that takes an overlay out of its root, not in the one behind it", async () => {
    const live = "desired/overlays/hardware/live";
    const overlay = `${HEAD}kind: Overlay\nmetadata: {name: hardware/live}\nspec: {into: root, roots: [debian], onDelete: destroy}\n`;
    const host = exampleHost({}, { [`${live}/overlay.yaml`]: overlay, [`${live}/etc/live`]: "laid\n" });
    expect((await pass(host, "apply")).result).toBe("converged");
    await host.advance(10_000);
    host.repository.commit({ [`${live}/overlay.yaml`]: null, [`${live}/etc/live`]: null });
    const { outcomes } = await pass(host, "apply");
    const changes = outcomes.map(({ step }) => step).filter(({ action }) => action !== "keep");
    expect(changes.map(({ operation }) => operation)).toEqual(["overlay.remove", "artifact.pack"]);
    expect(changes[1]?.reason).toBe("overlay/hardware/live@debian is taken out of tree/debian in this pass");
    const second = await pass(host, "apply");
    expect(second.plan.steps.filter(({ action }) => action !== "keep")).toEqual([]);
  });

  it("a report that a kill left half written goes in the next pass, also when that has nothing else to do", async () => {
    const reports = `${STATE}/reports`;
    const host = exampleHost({
      faults: {
        after: (call) => {
          if (call.name === "files/written" && call.arguments[0] === `${reports}/latest.md`) throw new Crash("kill");
        },
      },
    });
    await expect(pass(host, "apply")).rejects.toThrow("crashed");
    host.outside.writeFile(`${reports}/.rootloom-new-notes`, "of others\n");
    expect(host.outside.files.list(reports)).toHaveLength(3);
    const next = host.restart({ faults: {} });
    expect((await pass(next, "apply")).result).toBe("converged");
    expect(next.files.list(reports)).toEqual([".rootloom-new-notes", "latest.json"]);
  });

  it.each(["files.rename", "files.removeFile"])(
    "the folder that a root was built in goes also when the kill came between its place and there, after %s",
    async (deed) => {
      const root = (suite: string): string =>
        `${HEAD}kind: Root\nmetadata: {name: debian}\nspec: {volume: builds, source: {mmdebstrap: {suite: ${suite}}}}\n`;
      const place = "desired/roots/debian.yaml";
      const builds = `${STATE}/volumes/builds/.rootloom/build`;
      let deaths = 0;
      const kill = {
        after: ({ name, arguments: [from = "", to = ""] }: Call): void => {
          const isPlaced = name === "files.rename" ? to === `${STATE}/volumes/builds/root` : from.startsWith(builds);
          if (name !== deed || !isPlaced) return;
          deaths += 1;
          throw new Crash("kill");
        },
      };
      const host = exampleHost({ faults: kill }, { [place]: root("bookworm") });
      await expect(pass(host, "apply")).rejects.toThrow("crashed");
      const second = host.restart({ faults: {} });
      expect((await pass(second, "apply")).result).toBe("converged");
      expect(second.files.list(builds)).toEqual([]);
      second.repository.commit({ [place]: root("trixie") });
      const third = second.restart({ faults: kill });
      await expect(pass(third, "apply", { approveAll: true })).rejects.toThrow("crashed");
      const fourth = third.restart({ faults: {} });
      expect((await pass(fourth, "apply", { approveAll: true })).result).toBe("converged");
      expect([fourth.files.list(builds), deaths]).toEqual([[], 2]);
    },
  );

  it("what was extracted to restore a path goes with the next pass, though that finds nothing to restore any more", async () => {
    const top = `${STATE}/volumes/builds/root`;
    const builds = `${STATE}/volumes/builds/.rootloom/build`;
    const host = exampleHost();
    expect((await pass(host, "apply")).result).toBe("converged");
    host.outside.writeFile(`${top}/etc/hostname`, "edited\n");
    const second = host.restart({
      faults: {
        before: (call) => {
          if (call.name === "files/removing" && call.arguments[0]?.startsWith(builds)) throw new Crash("kill");
        },
      },
    });
    await expect(pass(second, "apply")).rejects.toThrow("crashed");
    expect(second.outside.files.readText(`${top}/etc/hostname`)).not.toBe("edited\n");
    const third = second.restart({ faults: {} });
    expect((await pass(third, "apply")).result).toBe("converged");
    expect(third.files.list(builds)).toEqual([]);
  });

  it("what is exchanged for somebody else's while its removal is written down is not removed", async () => {
    const target = `${STATE}/targets/arm.env`;
    const link = `${STATE}/links/a`;
    const volumeOf = (links: string): string =>
      `${HEAD}kind: Volume\nmetadata: {name: builds}\nspec: {backend: directory, links: [${links}]}\n`;
    const root = `${HEAD}kind: Root\nmetadata: {name: debian}\nspec: {volume: builds, onDelete: destroy, source: {mmdebstrap: {suite: bookworm}}}\n`;
    const image = `${HEAD}kind: Image\nmetadata: {name: debian}\nspec: {root: debian, onDelete: destroy}\n`;
    const files = {
      [VOLUME]: volumeOf(`{path: ${link}, to: /elsewhere}`),
      "desired/roots/debian.yaml": root,
      "desired/images/debian.yaml": image,
      "desired/targets/arm.yaml": `${HEAD}kind: ArchTarget\nmetadata: {name: arm}\nspec: {variables: {A: "1"}, environmentFile: ${target}}\n`,
    };
    const [tree, artifact] = [`${STATE}/volumes/builds/root`, `${STATE}/artifacts/debian`];
    const theirs: Readonly<Record<string, (on: FakeHost) => void>> = {
      "tree.delete": (on) => exchange(on, tree),
      "artifact.delete": (on) => exchange(on, artifact),
      "link.delete": ({ outside }) => {
        outside.files.removeFile(link);
        outside.files.writeLink(link, "/theirs");
      },
      "environment.delete": ({ outside }) => outside.writeFile(target, "A='theirs'\n"),
    };
    const exchange = ({ outside }: FakeHost, path: string): void => {
      outside.files.rename(path, `${path}.moved`);
      outside.files.makeDirectories(path);
      outside.writeFile(`${path}/theirs`, "theirs\n");
    };
    const host = exampleHost({}, { ...files, "desired/host.yaml": policy(50) });
    expect((await pass(host, "apply")).result).toBe("converged");
    host.repository.commit({
      [VOLUME]: volumeOf(""),
      ...Object.fromEntries(Object.keys(files).flatMap((path) => (path === VOLUME ? [] : [[path, null]]))),
    });
    const done: string[] = [];
    const next: FakeHost = host.restart({
      faults: {
        before: ({ name, arguments: [sql, ...values] }) => {
          const effect = values.find((value) => theirs[value] !== undefined);
          if (name !== "stores.run" || !sql?.startsWith("insert into effects") || effect === undefined) return;
          if (done.includes(effect)) return;
          done.push(effect);
          theirs[effect]?.(next);
        },
      },
    });
    for (const _ of [1, 2, 3]) await pass(next, "apply", { approveAll: true });
    expect(done.toSorted()).toEqual(Object.keys(theirs).toSorted());
    const { outside } = next;
    expect(outside.files.readText(`${tree}/theirs`)).toBe("theirs\n");
    expect(outside.files.readText(`${artifact}/theirs`)).toBe("theirs\n");
    expect(outside.files.readLink(link)).toBe("/theirs");
    expect(outside.files.readText(target)).toBe("A='theirs'\n");
  });

  it("a note in a volume that a kill left half written goes with the next pass", async () => {
    const trees = `${STATE}/volumes/builds/.rootloom/trees`;
    const host = exampleHost({
      faults: {
        after: (call) => {
          if (call.name === "files/written" && call.arguments[0]?.startsWith(trees)) throw new Crash("kill");
        },
      },
    });
    await expect(pass(host, "apply")).rejects.toThrow("crashed");
    expect(host.outside.files.list(trees)?.filter((name) => name.startsWith(".rootloom-new-"))).toHaveLength(1);
    const next = host.restart({ faults: {} });
    expect((await pass(next, "apply")).result).toBe("converged");
    expect(next.files.list(trees)?.filter((name) => name.startsWith(".rootloom-new-"))).toEqual([]);
  });

  it("a note in a volume that a disk let neither be written nor removed goes with the next pass", async () => {
    const trees = `${STATE}/volumes/builds/.rootloom/trees`;
    const halves = (host: FakeHost) => host.files.list(trees)?.filter((name) => name.startsWith(".rootloom-new-"));
    let refused = false;
    const after = (call: Call) => {
      if (refused || call.name !== "files/written" || !call.arguments[0]?.startsWith(trees)) return;
      refused = true;
      throw new RootloomError("cannot write: input/output error");
    };
    const host = exampleHost({ faults: { after } });
    expect((await pass(host, "apply")).result).toBe("failed");
    expect(halves(host)).toHaveLength(1);
    await pass(host, "apply");
    expect(halves(host)).toEqual([]);
  });

  // What a power cut leaves of it is decided by the seed: half of these keep the half.
  it.each([1, 2, 3, 4, 5, 6])(
    "a note that a power cut left in a volume goes when that is mounted (seed %i)",
    async (seed) => {
      const top = `${STATE}/volumes/builds`;
      const own = `${top}/.rootloom`;
      const loop = { [VOLUME]: `${HEAD}kind: Volume\nmetadata: {name: builds}\nspec: {backend: loop, size: 64MiB}\n` };
      const after = (call: Call) => {
        if (call.name === "files/written" && call.arguments[0]?.startsWith(own)) throw new Crash("power");
      };
      const host = exampleHost({ faults: { after }, seed }, loop);
      await expect(pass(host, "apply")).rejects.toThrow("crashed");
      const next = host.restart({ faults: {} });
      expect(next.outside.files.mounts().filter(({ target }) => target === top)).toEqual([]);
      await pass(next, "apply");
      expect(next.outside.files.list(own)).toContain("volume.json");
      expect(next.outside.files.list(own)?.filter((name) => name.startsWith(".rootloom-new-"))).toEqual([]);
    },
  );

  it("a mode that a power cut takes back is seen, though the times of the directory are the same as before it", async () => {
    expect((await runSeed(218_367)).violations).toEqual([]);
  });

  it("an image that begins as the one before is written from that one, by the process that wrote it alone", async () => {
    const change = (text: string) => ({ "desired/overlays/secret-sauce/demo/etc/rootloom/secret": `${text}\n` });
    const packed = async (on: FakeHost): Promise<number> => {
      const from = on.calls.length;
      expect((await pass(on, "apply")).result).toBe("converged");
      return on.calls.slice(from).filter(({ name }) => name === "writer.startWith").length;
    };
    // What was changed just now is read again, so that the first few packs have no start in common.
    const later = (on: FakeHost, text: string) => {
      on.repository.commit(change(text));
      return on.advance(10_000);
    };
    const host = exampleHost();
    await packed(host);
    await later(host, "another");
    await packed(host);
    await later(host, "a third");
    expect(await packed(host)).toBe(1);
    const next = host.restart({});
    await later(next, "a fourth");
    expect(await packed(next)).toBe(0);
  });

  it("an image that is removed is whole or not there, at every moment; what a kill leaves of it goes, too", async () => {
    const image = `${HEAD}kind: Image\nmetadata: {name: debian}\nspec: {root: debian, onDelete: destroy}\n`;
    const current = `${STATE}/artifacts/debian/current`;
    let isGoing = false;
    const found = new Set<string>();
    const host = exampleHost(
      {
        faults: {
          after: (call) => {
            if (!isGoing) return;
            const { files } = host.outside;
            const file = files.list(current)?.find((name) => name.startsWith("initramfs"));
            found.add(files.readLink(current) === undefined ? "nothing" : file === undefined ? "a part" : "all");
            if (call.name === "files/removing") throw new Crash("kill");
          },
        },
      },
      { "desired/images/debian.yaml": image },
    );
    expect((await pass(host, "apply")).result).toBe("converged");
    host.repository.commit({ "desired/images/debian.yaml": null });
    isGoing = true;
    await expect(pass(host, "apply", { approveAll: true })).rejects.toThrow("crashed");
    expect([...found]).toEqual(["all", "nothing"]);
    const next = host.restart({ faults: {} });
    expect((await pass(next, "apply")).result).toBe("converged");
    expect(next.files.list(`${STATE}/artifacts`)).toEqual([]);
  });

  it("a new root that was built and never placed goes when the commit that wanted it is taken back", async () => {
    const place = "desired/roots/debian.yaml";
    const root = (suite: string) =>
      `${HEAD}kind: Root\nmetadata: {name: debian}\nspec: {volume: builds, source: {mmdebstrap: {suite: ${suite}}}}\n`;
    const builds = `${STATE}/volumes/builds/.rootloom/build`;
    const top = `${STATE}/volumes/builds/root`;
    const before = (call: Call) => {
      if (call.name === "files.rename" && call.arguments[0] === top) throw new Crash("kill");
    };
    const host = exampleHost({ faults: { before } }, { [place]: root("bookworm") });
    expect((await pass(host, "apply")).result).toBe("converged");
    host.repository.commit({ [place]: root("trixie") });
    await expect(pass(host, "apply", { approveAll: true })).rejects.toThrow("crashed");
    expect(host.outside.files.list(builds)).toHaveLength(1);
    const next = host.restart({ faults: {} });
    next.repository.commit({ [place]: root("bookworm") });
    expect((await pass(next, "apply")).result).toBe("converged");
    expect(next.files.list(builds)).toEqual([]);
  });

  it("a volume whose removal was killed anywhere in it is ours until it is gone, and goes when it is asked for again", async () => {
    const top = `${STATE}/volumes/spare`;
    const spare = `${HEAD}kind: Volume\nmetadata: {name: spare}\nspec: {backend: directory, onDelete: destroy}\n`;
    const place = "desired/volumes/spare.yaml";
    for (let deadly = 1; ; deadly++) {
      let removing = 0;
      const after = (call: Call) => {
        if (call.name === "files/removing" && ++removing === deadly) throw new Crash("kill");
      };
      const host = exampleHost({}, { [place]: spare });
      expect((await pass(host, "apply")).result).toBe("converged");
      for (const name of ["a", "b", "z"]) host.outside.writeFile(`${top}/data/${name}`, Buffer.from(name));
      host.repository.commit({ [place]: null });
      const dying = host.restart({ faults: { after } });
      const ending = await pass(dying, "apply", { approveAll: true }).catch(() => undefined);
      const next = dying.restart({ faults: {} });
      expect((await pass(next, "apply", { approveAll: true })).result).toBe("converged");
      expect(next.files.list(`${STATE}/volumes`)).toEqual(["builds"]);
      if (ending?.result === "converged") break;
    }
  });

  it("nothing is mounted in a copy that somebody puts in a root's place while the pass runs", async () => {
    const top = `${STATE}/volumes/debian`;
    const mounts = "mounts: [{target: /proc, type: proc, namespace: host}]";
    let moved = false;
    const host = exampleHost(
      {
        faults: {
          after: (call) => {
            if (moved || call.name !== "stores.run" || call.arguments[4] !== "mount.mount") return;
            moved = true;
            host.outside.files.rename(top, `${STATE}/theirs`);
            copyOf(host, `${STATE}/theirs`, top);
          },
        },
      },
      {
        "desired/roots/debian.yaml": `${HEAD}kind: Root\nmetadata: {name: debian}\nspec: {volume: debian, source: {mmdebstrap: {suite: bookworm}}, ${mounts}}\n`,
        "desired/volumes/debian.yaml": volume([], "debian"),
      },
    );
    const { outcomes } = await pass(host, "apply");
    expect(moved).toBe(true);
    expect(outcomes.find(({ step }) => step.kind === "mount")?.error?.message).toContain("another stands in the place");
    expect(host.outside.files.mounts().filter(({ target }) => target !== "/")).toEqual([]);
  });
});

/** A copy of a volume, markers and all, as `cp -a` makes it. */
function copyOf(host: FakeHost, from: string, to: string): void {
  const { files } = host.outside;
  files.makeDirectory(to, { owner: 0, group: 0, mode: 0o755 });
  for (const entry of files.scan(from)) {
    if (entry.type === "directory") files.makeDirectory(`${to}/${entry.path}`, entry);
    else if (entry.type === "file")
      files.writeFile(`${to}/${entry.path}`, files.readBytes(`${from}/${entry.path}`) ?? "", entry);
  }
}
