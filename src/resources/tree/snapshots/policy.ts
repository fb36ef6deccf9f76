import { asRootloomError } from "../../../core/error.ts";
import type { SnapshotPolicy, TreeResource } from "../../../core/resource.ts";
import type { ApplyContext } from "../../types.ts";
import { listSnapshots, type RootSnapshot } from "./list.ts";
import { removeSnapshot } from "./remove.ts";
import { takeSnapshot } from "./take.ts";

/** Takes the snapshot that the policy of a root asks for before a change of it, and lets the oldest go. Returns lines for the report. */
export async function snapshotBefore(
  tree: TreeResource,
  change: SnapshotPolicy["before"][number],
  context: ApplyContext,
  alone = false,
): Promise<readonly string[]> {
  const { snapshots: policy } = tree;
  if (policy === undefined || !policy.before.includes(change)) return [];
  const note = `before ${change}`;
  const taken = await takeSnapshot(tree, { reason: change, note, who: "policy", alone }, context);
  return [`${taken.name} was taken before (${taken.means})`, ...(await prune(tree, policy.keep, context))];
}

/**
 * Removes the oldest snapshots that were taken of themselves, beyond those that are kept. A person's stay, and so do those
 * of which nothing is noted, and those that a mount or a clone uses. A failure is said, and is none of the step's.
 */
async function prune(tree: TreeResource, keep: number, context: ApplyContext): Promise<readonly string[]> {
  const found = await listSnapshots(tree, context);
  const own = found.filter(({ reason }) => reason !== "person" && reason !== "");
  const notes: string[] = [];
  for (const snapshot of own.slice(0, Math.max(0, own.length - keep))) {
    const details = { path: tree.path, name: snapshot.name };
    const note = await context.effect("tree.prune", details, () => removeOne(tree, snapshot, context));
    notes.push(note);
  }
  return notes;
}

async function removeOne(tree: TreeResource, snapshot: RootSnapshot, context: ApplyContext): Promise<string> {
  const { name } = snapshot;
  try {
    await removeSnapshot(tree, snapshot, context);
    return `snapshot ${name} was removed: ${tree.snapshots?.keep} are kept`;
  } catch (thrown) {
    return `snapshot ${name} stays: ${asRootloomError(thrown).message}`;
  }
}
