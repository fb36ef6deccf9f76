import { createHash } from "node:crypto";
import { canonicalJson } from "../../core/digest.ts";
import type { ProvisionResource, TreeResource } from "../../core/resource.ts";
import { isWithin } from "../limits.ts";
import { readLaid } from "../overlay/laid.ts";
import { removeDirectory } from "../remove.ts";
import { treePaths } from "../tree/paths.ts";
import { listSnapshots, type RootSnapshot } from "../tree/snapshots/list.ts";
import { rollBack } from "../tree/snapshots/rollback.ts";
import { takeSnapshot } from "../tree/snapshots/take.ts";
import type { ApplyContext, ObserveContext } from "../types.ts";
import type { ProvisionNote } from "./note.ts";

/**
 * The snapshot that was taken before a step ran the last time, where the root can be taken back to it before the step runs
 * again: a managed root whose policy takes one before each step, nothing of the host mounted in it, and nothing else laid
 * into it since. Writes nothing.
 */
export async function findBack(
  { root }: ProvisionResource,
  note: ProvisionNote,
  first: number,
  context: ObserveContext,
): Promise<RootSnapshot | undefined> {
  const begun = note.done[first] ?? note.running;
  const isAsked = root.content === "managed" && root.snapshots?.before.includes("provision") === true;
  if (begun?.snapshot === undefined || !isAsked || root.path === root.volumePath) return undefined;
  const { files } = context.host;
  const top = files.realPath(root.path) ?? root.path;
  if (files.mounts().some(({ target }) => isWithin(target, top))) return undefined;
  if (begun.laid !== laidDigest(root, context) || context.owned(root.volume) === undefined) return undefined;
  return (await listSnapshots(root, context)).find(({ name }) => name === begun.snapshot);
}

/**
 * Takes the root back: the present one is snapshotted, as the policy asks before each change, and a copy of the snapshot's
 * root takes its place. Returns a line for the report. The caller holds the root's lease.
 */
export async function goBack(root: TreeResource, snapshot: RootSnapshot, context: ApplyContext): Promise<string> {
  const { host } = context;
  const { kept } = treePaths(root.volumePath, root.name);
  const note = `before going back to ${snapshot.name}`;
  const present = await takeSnapshot(root, { reason: "provision", note, who: "policy", alone: true }, context);
  const before = new Set(host.files.list(kept) ?? []);
  await rollBack(root, snapshot, context);
  // Kept as a snapshot, it need not be kept once more.
  for (const name of host.files.list(kept) ?? []) if (!before.has(name)) await removeDirectory(host, `${kept}/${name}`);
  return `the root was first taken back to ${snapshot.name}; as it was before that it is ${present.name}`;
}

/** What overlays have laid into a root: a snapshot from before a change of that would bring the older files back. */
export function laidDigest(root: TreeResource, { host, instance }: Pick<ObserveContext, "host" | "instance">): string {
  const place = { treePath: root.path, volumePath: root.volumePath, tree: root.name, overlay: "" };
  const { overlays } = readLaid(host.files, place, instance);
  return createHash("sha256").update(canonicalJson(overlays)).digest("hex");
}

/** The note's own words of the snapshot that was just taken before a step. */
export async function takenBefore(
  root: TreeResource,
  lines: readonly string[],
  context: ApplyContext,
): Promise<{ readonly snapshot?: string; readonly laid?: string }> {
  if (lines.length === 0) return {};
  const newest = (await listSnapshots(root, context)).at(-1);
  return newest === undefined ? {} : { snapshot: newest.name, laid: laidDigest(root, context) };
}
