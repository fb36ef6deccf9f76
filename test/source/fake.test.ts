import { describe, expect, test } from "vitest";
import { crashAt, type FaultPlan } from "../../src/host/fake/faults.ts";
import { createFakeHost } from "../../src/host/fake/host.ts";
import type { Snapshot, SourceOptions, SourceStatus } from "../../src/source/types.ts";
import { HOST, load, loadWhole, options } from "./host.ts";
import { repository } from "./repository.ts";

describe("the fake machine", () => {
  const files = {
    "desired/host.yaml": HOST,
    "desired/overlays/common/init*": "#!",
    "desired/overlays/common/l@": "init",
  };
  const fakeOptions = (changes: Partial<SourceOptions> = {}) =>
    options("/srv/config", { cache: "/var/cache/rootloom", ...changes });
  const start = (faults: FaultPlan = {}) => {
    const fake = createFakeHost({ seed: 1, faults });
    fake.repository.commit({
      "desired/host.yaml": HOST,
      "desired/overlays/common/init": { content: "#!", executable: true },
      "desired/overlays/common/l": { link: "init" },
    });
    return fake;
  };

  test("gives the snapshot that the real one gives of the same files", async () => {
    const fake = start();
    const ofCommit = ({ treeHash, prefix, uncommitted, texts, files: all }: Snapshot & SourceStatus) => ({
      ...{ treeHash, prefix, uncommitted, texts },
      files: all.map((file) => ({ ...file, content: "" })),
    });
    const real = await load(repository(files));
    expect(ofCommit(await loadWhole(fake, fakeOptions()))).toEqual(ofCommit(real));
    const trial = await loadWhole(fake, fakeOptions({ worktree: true }));
    expect(trial.files.map((file) => file.oid)).toEqual(real.files.map((file) => file.oid));
    fake.repository.edit({ "desired/host.yaml": "edited" });
    expect(await loadWhole(fake, fakeOptions())).toMatchObject({ uncommitted: ["desired/host.yaml"] });
  });

  test("loads whole after a power loss before or after any write of a first load", async () => {
    const undisturbed = start();
    const whole = await loadWhole(undisturbed, fakeOptions());
    const points = undisturbed.calls.map((call) => call.index);
    expect(points.length).toBeGreaterThan(3);
    for (const point of points) {
      for (const when of ["before", "after"] as const) {
        const crashing = start(crashAt(point, when, "power"));
        await expect(loadWhole(crashing, fakeOptions())).rejects.toThrow("has crashed");
        const after = crashing.restart({ faults: {} });
        const snapshot = await loadWhole(after, fakeOptions());
        expect(snapshot.texts).toEqual(whole.texts);
        for (const file of snapshot.files.filter(({ content }) => content !== "")) {
          expect(after.files.readBytes(file.content)).toHaveLength(file.size);
        }
      }
    }
  });
});
