import { RootloomError } from "../../core/error.ts";
import type { MountResource } from "../../core/resource.ts";
import type { MountEntry } from "../../host/ports.ts";
import { recordOf } from "../owned.ts";
import type { ApplyContext, Outcome } from "../types.ts";
import { backingFile, factsOf, inheritedFlags, isSourceOf, optionDifferences } from "./match.ts";
import { findRecorded } from "./observe.ts";
import { mountInputs } from "./plan.ts";
import { isImageFile } from "./types.ts";
import { isCopy, unmountTree } from "./unmount.ts";

/** Unmounts one of ours with its children that are ours; anything else in it stops that. */
export async function unmount(
  resource: Pick<MountResource, "name"> & { readonly type: string },
  entry: MountEntry,
  context: ApplyContext,
): Promise<void> {
  await context.effect("mount.unmount", { target: entry.target }, () =>
    unmountTree(context, entry, (child, mounts) => {
      if (resource.type === "rbind" && isCopy(child, mounts)) return true;
      return isOwnChild(resource.name, child.target.slice(entry.target.length), child, context);
    }),
  );
}

/** Mounts of one root are named `ROOT:TARGET`: that is how a child finds its record, also on a replaced root. */
function isOwnChild(parent: string, below: string, child: MountEntry, context: ApplyContext): boolean {
  return findRecorded(context.host.files, context.owned(`mount/${parent}${below}`), [child]) !== undefined;
}

/**
 * What differs between what is mounted at a target and what is declared; undefined where nothing does.
 * @param isGone for what ended with its namespace: its loop device may be another's by now.
 */
export function wrong(
  resource: MountResource,
  there: readonly MountEntry[],
  mounts: readonly MountEntry[],
  context: Pick<ApplyContext, "host">,
  isGone = false,
): string | undefined {
  const [entry] = there;
  if (there.length !== 1 || entry === undefined) return `${there.length} mounts are there`;
  const { files } = context.host;
  const isRight = isGone && isImageFile(resource) ? entry.type === resource.type : undefined;
  if (!(isRight ?? isSourceOf(files, mounts, resource, entry))) return `${entry.type} of ${entry.source} is there`;
  const differences = optionDifferences(resource, entry, inheritedFlags(resource, files, mounts));
  return differences.length === 0 ? undefined : differences.join(", ");
}

/** The record of a mount that stands, and what is said of it. */
export function done(
  resource: MountResource,
  target: string,
  entry: MountEntry,
  context: ApplyContext,
  result: string,
): Outcome {
  const file = backingFile(context.host.files, entry);
  const told = { target, within: resource.within, namespace: "host", ...factsOf(entry) };
  const details = file === undefined ? told : { ...told, file };
  return { record: recordOf(resource, facts(context), { inputs: mountInputs(resource), details }), result };
}

export function facts(context: ApplyContext): { runId: string; revision: string; now_ms: number } {
  return { runId: context.runId, revision: context.revision, now_ms: context.host.clock.now_ms() };
}

/** Of a mount that came out otherwise than declared. */
export function failed(resource: MountResource, target: string, why: string): RootloomError {
  return new RootloomError(`cannot mount ${target}: it was mounted, but ${why}`, {
    hint: `check the mount's type, source and options (${resource.type}, ${resource.source})`,
  });
}
