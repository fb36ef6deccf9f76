import { expect, it } from "vitest";
import { Crash } from "../../../src/host/fake/faults.ts";
import { createFakeHost, type FakeHost } from "../../../src/host/fake/host.ts";
import type { Working } from "../../../src/resources/volume/backends/backend.ts";
import { leftSnapshots, markSnapshot, snapshotFolder } from "../../../src/resources/volume/backends/copies.ts";
import { directoryBackend } from "../../../src/resources/volume/backends/directory.ts";

const volume = { name: "one", backend: "directory", path: "/srv/one", device: "" } as const;
const folder = snapshotFolder(volume);
const name = "20261121T080000Z-one";

const workingOn = (host: FakeHost): Working =>
  ({ host, instance: "a".repeat(32), runId: "20261121T090000Z-0badcafe", state: "/srv" }) as unknown as Working;

/** A host with one snapshot of three files. */
function hostWithSnapshot(): FakeHost {
  const host = createFakeHost({ seed: 1 });
  const path = `${folder}/${name}`;
  for (const file of ["a", "b", "c"]) host.outside.writeFile(`${path}/${file}`, Buffer.from(file));
  markSnapshot(volume, { name, path, marker: `${path}.json` }, workingOn(host));
  return host;
}

it("a snapshot that is a copy goes with its marker", async () => {
  const host = hostWithSnapshot();
  const working = workingOn(host);
  expect((await directoryBackend.snapshots(volume, working)).map((each) => each.name)).toEqual([name]);
  await directoryBackend.removeSnapshot(volume, name, working);
  expect(host.files.list(folder)).toEqual([]);
});

it("half of a snapshot, which a killed removal left, is none that a root could be taken back to; the next one sweeps it", async () => {
  let removed = 0;
  const after = ({ name: call }: { readonly name: string }) => {
    if (call === "files/removing" && ++removed === 2) throw new Crash("kill");
  };
  const dying = hostWithSnapshot().restart({ faults: { after } });
  await expect(directoryBackend.removeSnapshot(volume, name, workingOn(dying))).rejects.toThrow("crashed");
  const next = dying.restart({ faults: {} });
  expect(await directoryBackend.snapshots(volume, workingOn(next))).toEqual([]);
  expect(leftSnapshots(folder, workingOn(next))).toHaveLength(1);
});
