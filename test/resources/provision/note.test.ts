import { cpSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { isUnsettled, type ProvisionNote, readNote, writeNote } from "../../../src/resources/provision/note.ts";
import { Machine } from "../machine.ts";

let machine: Machine;
beforeEach(() => {
  machine = new Machine();
  mkdirSync(join(machine.state, "v/root"), { recursive: true });
});
afterEach(() => machine.close());

const root = () => ({ name: "r", path: join(machine.state, "v/root"), volumePath: join(machine.state, "v") });
const read = (): ProvisionNote => readNote(root(), machine.instance, machine.host.files);
const file = (): string => join(machine.state, "v/.rootloom/trees/r.provision.json");
const step = { name: "a", key: "k", finishedAt: "2026-01-01T00:00:00.000Z", runId: "r1" };
const written = (more: Partial<ProvisionNote> = {}): void =>
  writeNote(root(), { ...read(), done: [step], settled: false, ...more }, machine.host.files);

it("a root without a note has no steps behind it, and is settled", () => {
  expect(read()).toMatchObject({ done: [], settled: true });
});

it("a note is of the very root that it was written for: not of a copy in its place, not of another installation's", () => {
  written();
  expect([read().done, isUnsettled(root(), machine.instance, machine.host.files)]).toEqual([[step], true]);
  expect(readNote(root(), "f".repeat(32), machine.host.files).done).toEqual([]);
  renameSync(root().path, `${root().path}.old`);
  cpSync(`${root().path}.old`, root().path, { recursive: true });
  expect(read().done).toEqual([]);
  rmSync(`${root().path}.old`, { recursive: true });
});

it.each([
  ["no JSON", "{"],
  ["another version", '{"version": 2}'],
  [
    "a step without a key",
    JSON.stringify({ version: 1, identity: { inode: 1 }, done: [{ name: "a" }], settled: true }),
  ],
  [
    "a path that leads out",
    JSON.stringify({
      ...{ version: 1, identity: { inode: 1 }, done: [], settled: true },
      running: { name: "a", key: "k", made: ["../x"] },
    }),
  ],
])("a note that is %s is damaged, says so, and counts as unsettled: nothing is put right by it", (_, text) => {
  written();
  writeFileSync(file(), text);
  expect(read).toThrow(/cannot tell which steps root r has behind it: .*r\.provision\.json is damaged/);
  expect(isUnsettled(root(), machine.instance, machine.host.files)).toBe(true);
});
