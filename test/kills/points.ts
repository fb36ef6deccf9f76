import { appendFileSync, readFileSync } from "node:fs";
import { EFFECTS, type EffectName } from "../../src/core/effect.ts";
import { RootloomError } from "../../src/core/error.ts";
import type { Database, Host, SqlValue } from "../../src/host/ports.ts";
import { executors } from "../../src/resources/effects.ts";

/**
 * Every point of the journal at which a daemon can be killed, as the program itself lists its effects and operations:
 * `begun`: the intent is durable and nothing else was done; `done`: the effect was made and its outcome is lost;
 * `step ... unrecorded` and `step ... recorded`: before and after a step's end is durable together with its record.
 */
export const POINTS: readonly string[] = [...pointsOf(EFFECTS), ...endsOf(Object.keys(executors))];

/**
 * Only a volume with a filesystem of its own has these, and those of `site.ts` are directories: `root/volume/kill` comes
 * to each of them, and `root/kills-points` to every other one, whatever is added to the list of the program.
 */
export const OF_LOOP_VOLUMES: readonly EffectName[] = [
  "volume.mount",
  "volume.remount",
  "volume.mark",
  "volume.resize",
  "volume.label",
];

/** Only a volume that has snapshots of one moment comes to it: `root/pack-snapshot` kills there. */
const OF_SNAPSHOTS: readonly EffectName[] = ["artifact.read-snapshot"];

/** Only a kernel comes to these: `root/kernel-kill` kills there. */
export const OF_KERNELS: readonly EffectName[] = EFFECTS.filter((name) => name.startsWith("kernel."));

/** Only an image that is published comes to these: `root/publish/kill` kills there. */
export const OF_PUBLISHING: readonly EffectName[] = EFFECTS.filter((name) => name.startsWith("publish."));

/** Only a command of its own comes to these: `root/snapshots` kills there. */
const OF_COMMANDS: readonly EffectName[] = ["tree.snapshot", "tree.prune"];

/** Points that the site of `site.ts` does not come to, and the tests named above do. */
export const ELSEWHERE: ReadonlySet<string> = new Set([
  ...pointsOf([...OF_KERNELS, ...OF_LOOP_VOLUMES, ...OF_PUBLISHING, ...OF_SNAPSHOTS, ...OF_COMMANDS]),
  ...endsOf(["kernel.build", "kernel.delete", "publish.upload"]),
]);

/** Just before and just after each of these effects. */
export function pointsOf(effects: readonly EffectName[]): readonly string[] {
  return effects.flatMap((name) => [`${name} begun`, `${name} done`]);
}

/** Just before and just after the end of a step with each of these operations is recorded. */
export function endsOf(operations: readonly string[]): readonly string[] {
  return operations.flatMap((name) => [`step ${name} unrecorded`, `step ${name} recorded`]);
}

/** Where a daemon dies: at the first point that is not in the file yet, or only at one; it writes the point there first. */
export interface Deaths {
  readonly file: string;
  /** Only at points that match; empty: at each one once. */
  readonly only: string;
}

/**
 * What else goes wrong in each life, until one died before and one after the effect that answers it: there is no other
 * way to come to these points.
 */
export interface Trouble {
  /** A laid file that somebody edits just when it is about to be laid again: `overlay.give-back`. */
  readonly edited: string;
  /** The disk of the images is full when an image is packed: `artifact.make-room`. */
  readonly full: boolean;
}

/** The host, whose process dies at a point of the journal: nothing in the program knows of it. */
export function dyingHost(host: Host, deaths: Deaths, trouble: Trouble): Host {
  const died = new Set(readFileSync(deaths.file, "utf8").split("\n"));
  const only = new RegExp(deaths.only);
  const isTroubled = (effect: string): boolean => !died.has(`${effect} begun`) || !died.has(`${effect} done`);
  const reach = (point: string): void => {
    if (point === "overlay.lay begun" && trouble.edited !== "" && isTroubled("overlay.give-back"))
      appendFileSync(trouble.edited, "edited\n");
    if (died.has(point) || !only.test(point)) return;
    appendFileSync(deaths.file, `${point}\n`);
    process.kill(process.pid, "SIGKILL");
  };
  const open: Host["stores"]["open"] = (path, mode) => {
    const database = host.stores.open(path, mode);
    return database === undefined || mode === "read" ? database : dyingDatabase(database, reach);
  };
  const run: Host["jobs"]["run"] = async (name, input, options) => {
    if (name === "pack" && trouble.full && isTroubled("artifact.make-room")) {
      throw new RootloomError("cannot pack: the disk is full", { condition: "NoSpace", retry: "waiting" });
    }
    return host.jobs.run(name, input, options);
  };
  return { ...host, stores: { ...host.stores, open }, jobs: { ...host.jobs, run } };
}

/** Knows the journal's rows by its own statements; were these others, no point would be reached, and the tests would fail. */
function dyingDatabase(database: Database, reach: (point: string) => void): Database {
  const effects = new Map<SqlValue | undefined, string>();
  const steps = new Map<SqlValue | undefined, string>();
  let after: string | undefined;
  const run: Database["run"] = (sql, ...values) => {
    database.run(sql, ...values);
    if (sql.startsWith("insert into steps")) steps.set(values[0], `step ${values[3]}`);
    if (sql.startsWith("insert into effects")) {
      effects.set(values[0], String(values[2]));
      after = `${values[2]} begun`;
    }
    if (sql.startsWith("update effects") && effects.has(values[1])) reach(`${effects.get(values[1])} done`);
    const step = sql.startsWith("update steps") ? steps.get(values[3]) : undefined;
    if (step === undefined) return;
    reach(`${step} unrecorded`);
    after = `${step} recorded`;
  };
  const transaction: Database["transaction"] = (body) => {
    after = undefined;
    const result = database.transaction(body);
    if (after !== undefined) reach(after);
    return result;
  };
  return { ...database, run, transaction };
}
