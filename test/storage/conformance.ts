import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TreeResource, VolumeResource } from "../../src/core/resource.ts";
import type { Draft } from "../../src/core/step.ts";
import type { Host } from "../../src/host/ports.ts";
import { listSnapshots } from "../../src/resources/tree/snapshots/list.ts";
import { takeSnapshot } from "../../src/resources/tree/snapshots/take.ts";
import { Bench, mountsBelow, treeDigest } from "./bench.ts";
import type { Stage, Storage } from "./stage.ts";

/** More than any step has effects, and any creation has calls. */
const LIVES_MAX = 60;

/** Calls of the ports that change something, or may. */
const CHANGES =
  "run rename writeFile makeDirectory makeDirectories setAttributes openWriter removeFile syncFilesystem".split(" ");

type Check = (bench: Bench) => Promise<void>;

/**
 * What every backend of a volume does, shown against the real thing: one list for all of them. A behaviour that a backend
 * cannot have stands in its stage with the reason.
 */
export const behaviours: Readonly<Record<string, Check>> = {
  "creates with owner, mode and marker, and a second pass keeps all": async (bench) => {
    const draft = await bench.plan();
    assert.equal(draft.operation, "volume.create");
    await bench.converge();
    const { uid, gid, mode } = statSync(bench.volume.path);
    assert.deepEqual({ uid, gid, mode: mode & 0o7777 }, { uid: 1, gid: 1, mode: 0o751 });
    assert.equal(statSync(join(bench.volume.path, ".rootloom")).mode & 0o7777, 0o700);
    assert.deepEqual(bench.storage.leftovers(), []);
  },
  "grows, and takes a smaller size than declared for drift": async (bench) => {
    await bench.converge();
    bench.write("file", "kept");
    bench.volume = { ...bench.volume, size_bytes: bench.storage.larger_bytes };
    const draft = await bench.plan();
    assert.match(draft.reason, /^size is .* is declared$/);
    assert.equal(draft.cause, "intentional");
    await bench.apply(draft);
    assert.equal((await bench.plan()).operation, "keep");
    assert.equal(bench.read("file"), "kept");
    assert.ok(
      ((await bench.backend.observe(bench.volume, bench.working())).size_bytes ?? 0) >= bench.storage.larger_bytes,
    );
  },
  "finishes a growth that was interrupted": async (bench) => {
    await bench.converge();
    const device = await bench.backend.observe(bench.volume, bench.working());
    bench.storage.extend?.(bench.volume, bench.storage.larger_bytes);
    bench.volume = { ...bench.volume, size_bytes: bench.storage.larger_bytes };
    const seen = await bench.backend.observe(bench.volume, bench.working());
    assert.equal(Math.round((seen.size_bytes ?? 0) / 2 ** 20), Math.round((device.size_bytes ?? 0) / 2 ** 20));
    await bench.converge();
  },
  "refuses to shrink": async (bench) => {
    await bench.converge();
    bench.volume = { ...bench.volume, size_bytes: (bench.volume.size_bytes ?? 0) - 64 * 2 ** 20 };
    const draft = await bench.plan();
    assert.match(draft.blocked?.message ?? "", /^cannot shrink volume .*: size is 320\.0 MiB/);
    await assert.rejects(bench.apply({ ...draft, blocked: undefined } as never), /cannot shrink/);
  },
  "refuses what is not ours, and leaves it alone": async (bench) => {
    await bench.storage.makeForeign(bench.volume);
    const before = bench.storage.bytes?.(bench.volume);
    const draft = await bench.plan();
    assert.equal(draft.operation, "volume.adopt");
    assert.match(draft.blocked?.message ?? "", /^cannot use volume .*not made by Rootloom$/);
    const create = { operation: "volume.create", arguments: { resource: bench.volume }, action: "create" } as const;
    await assert.rejects(bench.apply({ ...create, cause: "intentional", reason: "" }), /cannot create volume/);
    assert.equal(bench.storage.bytes?.(bench.volume), before);
  },
  "adopts after showing what it is, and keeps what is in it": async (bench) => {
    await bench.storage.makeForeign(bench.volume);
    const draft = await bench.plan(true);
    const about = (draft.details ?? []).join("\n");
    assert.match(about, /^type: /);
    assert.match(about, bench.storage.unseen ? /^in it: unknown/m : /in it: .*precious/);
    bench.volume = { ...bench.volume, size_bytes: undefined, label: undefined };
    await bench.apply(await bench.plan(true));
    assert.equal((await bench.plan()).operation, "keep");
    assert.equal(readFileSync(join(bench.volume.path, "precious"), "utf8"), "theirs");
  },
  "changes its label": async (bench) => {
    await bench.converge();
    bench.volume = { ...bench.volume, label: "two" };
    const draft = await bench.plan();
    assert.equal(draft.reason, "label is one, two is declared");
    await bench.apply(draft);
    assert.equal((await bench.plan()).operation, "keep");
  },
  "puts owner and mode back": async (bench) => {
    await bench.converge();
    bench.machine.host.files.setAttributes(bench.volume.path, { owner: 0, group: 0, mode: 0o777 });
    const draft = await bench.plan();
    assert.equal(draft.cause, "corrective");
    assert.equal(draft.reason, "mode is 0777, 0751 is declared; owner is 0:0, daemon:daemon is declared");
    await bench.converge();
  },
  "takes a snapshot that stays as it was, and removes it": async (bench) => {
    await bench.converge();
    bench.write("file", "before");
    const digest = treeDigest(bench.volume.path);
    const working = bench.working();
    const { name } = await bench.backend.snapshot(bench.volume, "first", working);
    bench.write("file", "after");
    await bench.backend.snapshot(bench.volume, "second", working);
    assert.deepEqual(
      (await bench.backend.snapshots(bench.volume, working)).map((each) => each.name),
      [name, "second"],
    );
    const attached = await bench.backend.attachReadOnly(bench.volume, "first", working);
    assert.equal(treeDigest(attached.path), digest);
    await attached.detach();
    await bench.backend.removeSnapshot(bench.volume, "first", working);
    await bench.backend.removeSnapshot(bench.volume, "first", working);
    assert.deepEqual(
      (await bench.backend.snapshots(bench.volume, working)).map((each) => each.name),
      ["second"],
    );
    assert.equal((await bench.plan()).operation, "keep");
  },
  "is rolled back to the tree of a snapshot, and keeps the present and every snapshot": async (bench) => {
    await isRolledBack(bench);
  },
  "clones a snapshot into a volume with the same tree": async (bench) => {
    const { digest } = await clone(bench);
    assert.equal(treeDigest(bench.volume.path), digest);
    assert.deepEqual(readdirSync(join(bench.volume.path, ".rootloom")), ["volume.json"]);
  },
  "keeps a clone independent of its origin": async (bench) => {
    const { origin, digest } = await clone(bench);
    bench.write("file", "changed in the origin", origin);
    assert.equal(treeDigest(bench.volume.path), digest);
    bench.write("file", "changed in the clone");
    assert.equal(bench.read("file", origin.path), "changed in the origin");
  },
  "is made as a clone of its origin's volume, with the root in it": async (bench) => {
    await isMadeAsClone(bench);
  },
  "keeps a snapshot while it is mounted": async (bench) => {
    await bench.converge();
    bench.write("file", "before");
    const { backend, volume } = bench;
    await backend.snapshot(volume, "first", bench.working());
    const attached = await backend.attachReadOnly(volume, "first", bench.working());
    const place = `${bench.machine.top}/seen`;
    mkdirSync(place);
    execFileSync("mount", ["--bind", attached.path, place]);
    await assert.rejects(backend.removeSnapshot(volume, "first", bench.working()));
    assert.equal(bench.read("file", place), "before");
    execFileSync("umount", [place]);
    await attached.detach();
    await backend.removeSnapshot(volume, "first", bench.working());
    assert.deepEqual(await backend.snapshots(volume, bench.working()), []);
  },
  "is read by two at once, and what a killed reading left goes": async (bench) => {
    await bench.converge();
    bench.write("file", "before");
    const { backend, volume } = bench;
    const attach = () => backend.attachReadOnly(volume, undefined, bench.working());
    const [one, two] = await Promise.all([attach(), attach()]);
    await one.detach();
    assert.equal(bench.read("file", two.path), "before");
    bench.machine.run++;
    await backend.sweep(volume, bench.working());
    assert.deepEqual(await backend.snapshots(volume, bench.working()), []);
    assert.deepEqual(mountsBelow(join(bench.machine.state, "attached")), []);
    assert.deepEqual(bench.storage.leftovers(), []);
    assert.equal(bench.read("file"), "before");
  },
  "attaches the live volume to be read at one moment": async (bench) => {
    await bench.converge();
    bench.write("file", "before");
    const attached = await bench.backend.attachReadOnly(bench.volume, undefined, bench.working());
    bench.write("file", "after");
    assert.equal(bench.read("file", attached.path), attached.frozen ? "before" : "after");
    await attached.detach();
    assert.deepEqual(await bench.backend.snapshots(bench.volume, bench.working()), []);
  },
  "attaches a dirty volume to be read, without a write": async (bench) => {
    await bench.converge();
    bench.write("file", "early");
    bench.unmount();
    await bench.storage.soil?.(bench.volume);
    const before = bench.storage.bytes?.(bench.volume);
    const attached = await bench.backend.attachReadOnly(bench.volume, undefined, bench.working());
    assert.equal(bench.read("file", attached.path), "early");
    await attached.detach();
    assert.equal(bench.storage.bytes?.(bench.volume), before);
  },
  "keeps data and marker when its declaration goes and nothing else was said": async (bench) => {
    await bench.converge();
    bench.write("file", "kept");
    const draft = await bench.planRemoval();
    assert.equal(draft.operation, "forget");
    await bench.apply(draft);
    assert.equal(bench.read("file"), "kept");
    assert.equal((await bench.plan()).reason, "its record was lost; its marker is ours");
  },
  "is destroyed only when told, says what goes, and leaves nothing": async (bench) => {
    bench.volume = { ...bench.volume, onDelete: "destroy" };
    await bench.converge();
    await bench.backend.snapshot(bench.volume, "first", bench.working());
    const draft = await bench.planRemoval();
    assert.match(draft.destroys ?? "", /^all data (below|of) /);
    await bench.apply(draft);
    assert.equal((await bench.backend.observe(bench.volume, bench.working())).state, "absent");
    assert.equal(existsSync(bench.volume.path), false);
    assert.deepEqual(bench.storage.leftovers(), []);
  },
  "is neither destroyed nor forgotten while it is protected": async (bench) => {
    bench.volume = { ...bench.volume, onDelete: "destroy", protect: true };
    await bench.converge();
    assert.match((await bench.planRemoval()).blocked?.message ?? "", /it is protected$/);
  },
  "is taken back by its marker when the store is lost": async (bench) => {
    await bench.converge();
    bench.write("file", "kept");
    bench.machine.records.clear();
    const draft = await bench.plan();
    assert.equal(draft.reason, "its record was lost; its marker is ours");
    await bench.converge();
    assert.equal(bench.read("file"), "kept");
  },
  "takes a copy made by hand for foreign, marker and all": async (bench) => {
    await bench.converge();
    if (bench.backend.mounts) bench.unmount();
    bench.volume = await bench.storage.copyByHand(bench.volume);
    bench.machine.records.clear();
    const draft = await bench.plan();
    assert.equal(draft.operation, "volume.adopt");
    assert.match(draft.blocked?.message ?? "", /a copy: its marker names another object$/);
  },
  "takes the volume of another installation for foreign": async (bench) => {
    await bench.converge();
    const stranger = { ...bench.working(), instance: "f".repeat(32) };
    const found = await bench.backend.observe(bench.volume, stranger);
    assert.equal(found.state, "foreign");
    assert.match(found.what, /made by another installation \(01234567\)/);
  },
  "mounts again what was unmounted by hand": async (bench) => {
    await bench.converge();
    bench.write("file", "kept");
    bench.unmount();
    const draft = await bench.plan();
    assert.equal(draft.cause, "corrective");
    assert.equal(draft.reason, `it is not mounted at ${bench.volume.path}`);
    await bench.converge();
    assert.equal(bench.read("file"), "kept");
  },
  "puts drifted mount options back": async (bench) => {
    bench.volume = { ...bench.volume, mountOptions: ["nodev", "noexec"] };
    await bench.converge();
    execFileSync("mount", ["--internal-only", "-o", "remount,exec,nosuid", bench.volume.path]);
    const draft = await bench.plan();
    assert.equal(draft.cause, "corrective");
    assert.match(draft.reason, /noexec is declared and not in force/);
    await bench.converge();
  },
  "refuses a second mount on its own, and one of somebody else's": async (bench) => {
    await bench.converge();
    const { path } = bench.volume;
    execFileSync("mount", ["-t", "tmpfs", "theirs", path]);
    assert.match((await bench.plan()).blocked?.message ?? "", /has 2 mounts on each other$/);
    bench.unmount();
    bench.unmount();
    execFileSync("mount", ["-t", "tmpfs", "theirs", path]);
    assert.match((await bench.plan()).blocked?.message ?? "", /has tmpfs of theirs mounted on it$/);
    bench.unmount();
    await bench.converge();
  },
  "does not cover what lies in its mount point": async (bench) => {
    await bench.converge();
    bench.unmount();
    mkdirSync(bench.volume.path, { recursive: true });
    writeFileSync(join(bench.volume.path, "note"), "theirs");
    const draft = await bench.plan();
    assert.match(draft.blocked?.message ?? "", /holds 1 entry that a mount would hide$/);
    await assert.rejects(bench.apply({ ...draft, blocked: undefined } as never), /a mount would hide/);
    rmSync(join(bench.volume.path, "note"));
    await bench.converge();
  },
  "names the process that keeps it from being unmounted": async (bench) => {
    bench.volume = { ...bench.volume, onDelete: "destroy" };
    await bench.converge();
    const sleeper: ChildProcess = spawn("sleep", ["60"], { cwd: bench.volume.path });
    const gone = new Promise((resolve) => sleeper.once("exit", resolve));
    try {
      const draft = await bench.planRemoval();
      await assert.rejects(bench.apply(draft), new RegExp(`it is in use by ${sleeper.pid} \\(sleep\\)`));
      assert.equal(bench.isMounted(), true);
    } finally {
      sleeper.kill();
      await gone;
    }
    await bench.apply(await bench.planRemoval());
    assert.equal(existsSync(bench.volume.path), false);
  },
  "is not deleted while a root in it is to be kept": async (bench) => {
    bench.volume = { ...bench.volume, onDelete: "destroy" };
    await bench.converge();
    mkdirSync(join(bench.volume.path, ".rootloom/trees"));
    writeFileSync(join(bench.volume.path, ".rootloom/trees/kept.json"), "{}");
    const draft = await bench.planRemoval();
    assert.match(draft.blocked?.message ?? "", /tree\/kept in it is to be kept$/);
    await assert.rejects(bench.apply({ ...draft, blocked: undefined } as never), /it still holds kept/);
    assert.equal((await bench.plan()).operation, "keep");
  },
  "is refused where the host's limits do not allow it": async (bench) => {
    bench.machine.limits = { ...bench.machine.limits, paths: [], pools: [], volumeGroups: [], devices: [] };
    assert.match((await bench.plan()).blocked?.message ?? "", /this host's limits do not allow it$/);
  },
  "survives a kill between any two effects": async (bench) => {
    await killEverywhere(bench);
  },
  "leaves nothing when its creation is killed at any call": async (bench) => {
    const { volume, backend } = bench;
    for (let last = 1; last <= LIVES_MAX; last += 1) {
      const working = { ...bench.working(), host: dyingHost(bench.machine.host, last) };
      const done = await backend.create(volume, working).then(
        () => true,
        () => false,
      );
      await bench.recover("volume.create");
      assert.deepEqual(bench.storage.leftovers(), []);
      const { state } = await backend.observe(volume, bench.working());
      assert.equal(state, done ? "ours" : "absent", `killed at call ${last}`);
      if (done) break;
    }
    await bench.converge();
  },
  "completes a deletion that was killed after its unmount": async (bench) => {
    bench.volume = { ...bench.volume, onDelete: "destroy" };
    await bench.converge();
    bench.unmount();
    assert.match((await bench.planRemoval()).blocked?.message ?? "", /it is not mounted at/);
    await bench.recover("volume.delete");
    assert.equal((await bench.planRemoval()).operation, "forget");
    assert.equal(existsSync(bench.volume.path), false);
  },
};

/** Runs one behaviour on a fresh machine and volume of a storage. */
export async function show(storage: Storage, behaviour: string): Promise<void> {
  const bench = new Bench(storage, `v${Object.keys(behaviours).indexOf(behaviour)}`);
  try {
    await behaviours[behaviour]?.(bench);
  } finally {
    bench.close();
  }
}

/** The matrix of behaviours by backend as Markdown, with what a backend cannot do below it. */
export function matrixText(stages: readonly Stage[]): string {
  const notes = [...new Set(stages.flatMap(({ cannot }) => Object.values(cannot)))];
  const cell = ({ cannot }: Stage, behaviour: string): string => {
    const note = cannot[behaviour];
    return note === undefined ? "yes" : `no (${notes.indexOf(note) + 1})`;
  };
  const row = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const names = Object.keys(behaviours);
  const shown = stages.reduce((sum, { cannot }) => sum + names.filter((name) => !(name in cannot)).length, 0);
  return [
    row(["behaviour", ...stages.map(({ name }) => name)]),
    row(["---", ...stages.map(() => "---")]),
    ...names.map((name) => row([name, ...stages.map((stage) => cell(stage, name))])),
    "",
    ...notes.map((note, index) => `${index + 1}. ${note}`),
    "",
    `${names.length} behaviours, ${stages.length} backends: ${shown} shown, ${names.length * stages.length - shown} that cannot be.`,
  ].join("\n");
}

/** A root in a volume, back to one snapshot and forward again to a newer one, which the first rollback left alone. */
async function isRolledBack(bench: Bench): Promise<void> {
  await bench.converge();
  const { machine, volume } = bench;
  const tree = await makeRoot(bench, volume);
  const take = () => takeSnapshot(tree, { reason: "person", note: "", who: "", alone: true }, machine.applyContext());
  const before = { digest: treeDigest(tree.path), snapshot: await take() };
  writeFileSync(join(tree.path, "etc/mine"), "changed");
  rmSync(join(tree.path, "bin"), { recursive: true });
  mkdirSync(join(tree.path, "usr/bin"), { recursive: true });
  const after = { digest: treeDigest(tree.path), snapshot: await take() };
  let present = after;
  for (const target of [before, after]) {
    const { notes: [note = ""] = [] } = await bench.rollBack(tree, target.snapshot);
    assert.equal(treeDigest(tree.path), target.digest);
    const [, kept = ""] = /^the root that gave way is kept at (.*)$/.exec(note) ?? [];
    assert.equal(treeDigest(join(kept, "root")), present.digest);
    assert.deepEqual(
      (await listSnapshots(tree, machine.applyContext())).map(({ name }) => name),
      [before.snapshot.name, after.snapshot.name],
    );
    assert.equal((await bench.planTree(tree)).operation, "keep");
    present = target;
  }
  assert.deepEqual(mountsBelow(join(machine.state, "attached")), []);
  assert.deepEqual(bench.storage.leftovers(), []);
}

/** A root that is taken as it is, with `etc/mine` in it. */
async function makeRoot(bench: Bench, volume: VolumeResource): Promise<TreeResource> {
  const root = join(volume.path, "root");
  for (const name of ["bin", "etc"]) mkdirSync(join(root, name), { recursive: true });
  writeFileSync(join(root, "etc/mine"), "same");
  const tree = bench.treeIn(volume, "root", { type: "existing" });
  await bench.convergeTree(tree);
  return tree;
}

/** A volume with a file in it, and a clone of its snapshot, which becomes the bench's volume. */
async function clone(bench: Bench) {
  await bench.converge();
  const origin = bench.volume;
  bench.write("file", "same");
  writeFileSync(join(origin.path, "top"), "same");
  writeFileSync(join(origin.path, ".rootloom/note"), "of the origin");
  const digest = treeDigest(origin.path);
  const working = bench.working();
  await bench.backend.snapshot(origin, "first", working);
  const target = bench.declare(`${origin.name}-clone`);
  await bench.backend.cloneFrom({ volume: origin, snapshot: "first", note: "" }, target, working);
  bench.volume = target;
  await bench.converge();
  return { origin, digest };
}

/** A volume that is declared for a clone of a root that is alone in another one, killed before and after each effect. */
async function isMadeAsClone(bench: Bench): Promise<void> {
  await bench.converge();
  const origin = bench.volume;
  const tree = await makeRoot(bench, origin);
  const root = tree.path;

  bench.machine.killAt = () => false;
  const { backend } = bench;
  const target = bench.declare(`${origin.name}-of`);
  bench.volume = { ...target, cloneOf: { volume: origin, tree, means: "clone" } };
  const clone = bench.treeIn(bench.volume, "root", { type: "clone", tree: tree.id, ...placeOf(tree), means: "clone" });
  assert.match((await bench.plan()).reason, /^new: a clone of volume\/.*, with tree\/.* in it$/);
  await diesEverywhere(
    bench,
    () => bench.plan(),
    ({ operation }) => operation === "keep",
  );
  const { operation, reason } = await bench.planTree(clone);
  assert.equal(`${operation}: ${reason}`, `tree.create: it came with its volume: a clone of ${tree.id}`);
  const { notes = [] } = await bench.convergeTree(clone);
  assert.deepEqual(notes, [`a clone of ${tree.id}`]);
  assert.equal(treeDigest(clone.path), treeDigest(root));
  writeFileSync(join(root, "etc/mine"), "of the origin");
  assert.equal(readFileSync(join(clone.path, "etc/mine"), "utf8"), "same");
  assert.deepEqual(readdirSync(clone.volumePath).filter(isOfRoot), ["root"]);
  assert.equal(existsSync(join(clone.volumePath, ".rootloom/clone.json")), false);
  const left = await backend.snapshots(origin, bench.working());
  assert.equal(left.length, backend.clonesHold ? 1 : 0);
  assert.deepEqual(bench.storage.leftovers(), []);
}

const isOfRoot = (name: string): boolean => name !== ".rootloom" && name !== "lost+found";
const placeOf = ({ path, volumePath }: TreeResource) => ({ path, volumePath });

/** A life of a volume, of which each step is killed before and after each of its effects. */
async function killEverywhere(bench: Bench): Promise<void> {
  const declared = bench.volume;
  const larger = { ...declared, size_bytes: declared.size_bytes && bench.storage.larger_bytes };
  const relabelled = { ...larger, label: declared.label && "two", mode: 0o700, onDelete: "destroy" as const };
  const changed = bench.backend.mounts ? { ...relabelled, mountOptions: ["nodev"] } : relabelled;
  for (const volume of [declared, changed]) {
    bench.volume = volume;
    await diesEverywhere(
      bench,
      () => bench.plan(),
      ({ operation }) => operation === "keep",
    );
    if (volume === declared) bench.write("file", "kept");
    assert.equal(bench.read("file"), "kept");
  }
  await diesEverywhere(
    bench,
    () => bench.planRemoval(),
    ({ operation }) => operation === "forget",
  );
  assert.equal((await bench.backend.observe(bench.volume, bench.working())).state, "absent");
  assert.equal(existsSync(bench.volume.path), false);
  assert.deepEqual(bench.storage.leftovers(), []);
}

/** Applies what is planned, over and over, each time killed at the next effect's begin or end that it has not died at. */
async function diesEverywhere(
  bench: Bench,
  plan: () => Promise<Draft>,
  isDone: (draft: Draft) => boolean,
): Promise<void> {
  const { machine } = bench;
  const died: string[] = [];
  machine.killAt = (point) => !died.includes(point) && died.push(point) > 0;
  for (let life = 0; life < LIVES_MAX; life += 1) {
    const draft = await plan();
    if (isDone(draft)) break;
    try {
      await bench.apply(draft);
    } catch (thrown) {
      if (!(thrown instanceof Error) || !thrown.message.startsWith("killed")) throw thrown;
      await bench.recover(machine.effects.at(-1) ?? "");
    }
  }
  machine.killAt = () => false;
  assert.ok(died.length >= 2, "it died nowhere");
  assert.equal(isDone(await plan()), true, `not done after dying at ${died.join(", ")}`);
}

/** The host, of which the call number `last` of those that change something does not return: a kill inside an effect. */
function dyingHost(host: Host, last: number): Host {
  let calls = 0;
  const deadly = (name: string): boolean => CHANGES.includes(name) && ++calls >= last;
  const dying = <T extends object>(port: T): T =>
    new Proxy(port, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== "function") return value;
        return (...given: unknown[]) => {
          if (deadly(String(name))) throw new Error(`killed at ${String(name)}`);
          return Reflect.apply(value, target, given);
        };
      },
    });
  return { ...host, files: dying(host.files), processes: dying(host.processes) };
}
