import type { TreePath } from "../../core/entry.ts";
import { RootloomError } from "../../core/error.ts";
import type { TreeResource } from "../../core/resource.ts";
import type { Files } from "../../host/ports.ts";
import { identityOf, type MarkerIdentity, sameObject } from "../marker.ts";
import { treePaths } from "../tree/paths.ts";

/** How the root was before a step, where a snapshot was taken. */
interface Before {
  readonly snapshot?: string;
  /** Digest of what overlays had laid into it. */
  readonly laid?: string;
}

/** One step that has succeeded in this very root. */
export interface DoneStep extends Before {
  readonly name: string;
  readonly key: string;
  /** ISO 8601, UTC. */
  readonly finishedAt: string;
  readonly runId: string;
}

/** A step that was begun, and has not succeeded: killed, failed, or running now. */
export interface RunningStep extends Before {
  readonly name: string;
  readonly key: string;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  readonly runId: string;
  /** What was made in the root for its time only, parents first. */
  readonly made: readonly TreePath[];
}

/**
 * `VOLUME/.rootloom/trees/TREE.provision.json`: which steps this root has behind it. It is about one root by its
 * identity, and never stands in the root: a copy of the root has no steps behind it that we know of.
 */
export interface ProvisionNote {
  readonly version: 1;
  readonly instance: string;
  readonly identity: MarkerIdentity;
  readonly done: readonly DoneStep[];
  readonly running?: RunningStep;
  /** False from before the first step until what the steps left was recorded. */
  readonly settled: boolean;
}

type Subject = Pick<TreeResource, "name" | "path" | "volumePath">;

/**
 * The note of the root that stands there now; one of another root reads as an empty one.
 * @throws RootloomError when the file is damaged.
 */
export function readNote(root: Subject, instance: string, files: Files): ProvisionNote {
  const identity = identityOf(files, root.path);
  const empty: ProvisionNote = { version: 1, instance, identity, done: [], settled: true };
  const path = treePaths(root.volumePath, root.name).provision;
  const text = files.readText(path);
  if (text === undefined) return empty;
  const note = parseNote(text);
  if (note === undefined)
    throw new RootloomError(`cannot tell which steps root ${root.name} has behind it: ${path} is damaged`, {
      hint: "restore it from a backup, or move it away: all steps then run again",
    });
  return note.instance === instance && sameObject(note.identity, identity) ? note : empty;
}

/** Whether steps have changed a root since it was last recorded. One that cannot be read says so elsewhere. */
export function isUnsettled(root: Subject, instance: string, files: Files): boolean {
  try {
    return !readNote(root, instance, files).settled;
  } catch {
    return true;
  }
}

export function writeNote(root: Subject, note: ProvisionNote, files: Files): void {
  const { trees, provision } = treePaths(root.volumePath, root.name);
  files.makeDirectories(trees, 0o700);
  files.writeFile(provision, `${JSON.stringify(note, undefined, 2)}\n`, { owner: 0, group: 0, mode: 0o600 });
}

function parseNote(text: string): ProvisionNote | undefined {
  try {
    const note = JSON.parse(text) as ProvisionNote;
    const isStep = ({ name, key }: DoneStep | RunningStep): boolean =>
      typeof name === "string" && typeof key === "string";
    const running = note.running === undefined || (isStep(note.running) && note.running.made.every(isInside));
    const isWhole = note.version === 1 && typeof note.settled === "boolean" && note.done.every(isStep) && running;
    return isWhole && typeof note.identity.inode === "number" ? note : undefined;
  } catch {
    return undefined;
  }
}

/** What is removed later is named here: a path that leads out was not written by us. */
function isInside(path: TreePath): boolean {
  return !path.split("/").some((name) => name === "" || name === "." || name === "..");
}
