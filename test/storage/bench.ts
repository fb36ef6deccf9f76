import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TreeResource, TreeSource, VolumeResource } from "../../src/core/resource.ts";
import type { Draft } from "../../src/core/step.ts";
import { treeExecutors, treeObserver, treePlanner } from "../../src/resources/tree/index.ts";
import type { RootSnapshot } from "../../src/resources/tree/snapshots/list.ts";
import { rollBack } from "../../src/resources/tree/snapshots/rollback.ts";
import type { Outcome } from "../../src/resources/types.ts";
import type { Working } from "../../src/resources/volume/backends/backend.ts";
import { backendOf } from "../../src/resources/volume/backends/index.ts";
import { recoverVolume, volumeExecutors, volumeObserver, volumePlanner } from "../../src/resources/volume/index.ts";
import { Machine } from "../resources/machine.ts";
import type { Storage } from "./stage.ts";

/** One behaviour's own machine with one volume, on a storage that it shares with the others. */
export class Bench {
  readonly machine = new Machine();
  readonly storage: Storage;
  volume: VolumeResource;
  readonly #volumes: VolumeResource[] = [];

  constructor(storage: Storage, name: string) {
    this.storage = storage;
    this.machine.limits = { ...this.machine.limits, ...storage.limits, paths: [storage.folder] };
    this.volume = this.declare(name);
  }

  /** Another volume beside the first. */
  declare(name: string): VolumeResource {
    const volume: VolumeResource = {
      id: `volume/${name}`,
      kind: "volume",
      name,
      dependsOn: [],
      origin: { document: `Volume/${name}`, file: `desired/volumes/${name}.yaml`, line: 1, column: 1 },
      protect: false,
      onDelete: "retain",
      size_bytes: undefined,
      filesystem: undefined,
      label: undefined,
      mountOptions: [],
      ownership: { owner: "daemon", group: "daemon" },
      mode: 0o751,
      backend: "directory",
      ...this.storage.declare(name),
    };
    this.#volumes.push(volume);
    return volume;
  }

  /** A root in a volume, of the volume's own name. */
  treeIn(volume: VolumeResource, folder: string, source: TreeSource): TreeResource {
    const { name, origin, path: volumePath } = volume;
    const path = join(volumePath, folder);
    return {
      id: `tree/${name}`,
      kind: "tree",
      name,
      identity: `tree:${path}`,
      dependsOn: [volume.id],
      origin,
      protect: false,
      onDelete: "retain",
      volume: volume.id,
      volumePath,
      path,
      source,
      content: "live",
      driftPolicy: "correct",
      laidPaths: [],
    };
  }

  async planTree(tree: TreeResource): Promise<Draft> {
    const { machine } = this;
    const record = machine.records.get(tree.id);
    const observed = await treeObserver.observe(tree, record, machine.observeContext());
    return treePlanner.plan(tree, observed, record, { actionOf: () => undefined, adoptions: new Set() });
  }

  /** Plans and applies a root; then nothing may be left to do. */
  async convergeTree(tree: TreeResource): Promise<Outcome> {
    const draft = await this.planTree(tree);
    const executors: Record<string, unknown> = treeExecutors;
    const outcome = await this.machine.apply(tree, draft, executors[draft.operation] as never);
    const { operation, reason } = await this.planTree(tree);
    if (operation !== "keep") throw new Error(`not converged: ${operation}: ${reason}`);
    return outcome;
  }

  /** Takes a root back to a snapshot, and keeps its record. */
  async rollBack(tree: TreeResource, snapshot: RootSnapshot): Promise<Outcome> {
    this.machine.run++;
    const outcome = await rollBack(tree, snapshot, this.machine.applyContext());
    if (outcome.record !== undefined) this.machine.records.set(tree.id, outcome.record);
    return outcome;
  }

  get backend() {
    return backendOf(this.volume);
  }

  /** For calls of the backend itself. */
  working(): Working {
    return this.machine.applyContext();
  }

  async plan(adopted = false): Promise<Draft> {
    const { volume, machine } = this;
    const observed = await volumeObserver.observe(volume, machine.records.get(volume.id), machine.observeContext());
    const adoptions = new Set(adopted ? [volume.id] : []);
    return volumePlanner.plan(volume, observed, machine.records.get(volume.id), {
      actionOf: () => undefined,
      adoptions,
    });
  }

  async planRemoval(): Promise<Draft> {
    const { volume, machine } = this;
    const record = machine.records.get(volume.id);
    if (record === undefined) throw new Error("there is no record");
    return volumePlanner.planRemoval(record, await volumeObserver.observeRemoved(record, machine.observeContext()));
  }

  async apply(draft: Draft): Promise<void> {
    if (draft.operation === "keep") return;
    if (draft.blocked !== undefined) throw new Error(draft.blocked.message);
    if (draft.operation === "forget") {
      this.machine.records.delete(this.volume.id);
      return;
    }
    const executors: Record<string, unknown> = volumeExecutors;
    await this.machine.apply(this.volume, draft, executors[draft.operation] as never);
  }

  /** Plans and applies; then nothing may be left to do. */
  async converge(): Promise<void> {
    await this.apply(await this.plan());
    const { operation, reason } = await this.plan();
    if (operation !== "keep") throw new Error(`not converged: ${operation}: ${reason}`);
  }

  /** What a start after a kill does about the effect at which it came. */
  async recover(effect: string): Promise<void> {
    const { name, backend, path, device } = this.volume;
    const open = { stepId: this.volume.id, operation: "volume.update" as const, effect, runId: "" };
    await recoverVolume({ ...open, details: { name, backend, path, device } }, this.machine.applyContext());
  }

  write(name: string, text: string, volume = this.volume): void {
    mkdirSync(join(volume.path, "data"), { recursive: true });
    writeFileSync(join(volume.path, "data", name), text);
  }

  read(name: string, top = this.volume.path): string | undefined {
    const path = join(top, "data", name);
    return existsSync(path) ? readFileSync(path, "utf8") : undefined;
  }

  unmount(path = this.volume.path): void {
    execFileSync("umount", [path]);
  }

  isMounted(path = this.volume.path): boolean {
    return mountsBelow(path).includes(path);
  }

  /** Unmounts what is left of all volumes of this bench. */
  close(): void {
    for (const top of [this.machine.top, ...this.#volumes.map(({ path }) => path)]) unmountBelow(top);
    this.machine.close();
  }
}

/** Types, modes, owners, names and contents below a directory, our own notes and the filesystem's left out. */
export function treeDigest(top: string): string {
  const hash = createHash("sha256");
  const visit = (path: string, name: string): void => {
    const stat = lstatSync(path);
    const content = stat.isFile() ? readFileSync(path) : stat.isSymbolicLink() ? readlinkSync(path) : "";
    hash.update(`${name} ${stat.mode} ${stat.uid} ${stat.gid} ${stat.mtimeMs} `).update(content).update("\n");
    if (!stat.isDirectory()) return;
    for (const entry of readdirSync(path).sort())
      if (entry !== ".rootloom" && entry !== "lost+found") visit(join(path, entry), `${name}/${entry}`);
  };
  for (const entry of readdirSync(top).sort())
    if (entry !== ".rootloom" && entry !== "lost+found") visit(join(top, entry), entry);
  return hash.digest("hex");
}

export function mountsBelow(top: string): readonly string[] {
  const targets = readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .map((line) => (line.split(" ")[4] ?? "").replaceAll("\\040", " "));
  return targets.filter((target) => target === top || target.startsWith(`${top}/`));
}

export function unmountBelow(top: string): void {
  for (const target of [...mountsBelow(top)].reverse()) execFileSync("umount", [target]);
}
