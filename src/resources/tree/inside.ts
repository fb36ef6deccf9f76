import { RootloomError } from "../../core/error.ts";
import type { TreeResource } from "../../core/resource.ts";
import { isWithin } from "../limits.ts";
import type { ApplyContext } from "../types.ts";

type Subject = Pick<TreeResource, "name" | "path">;

/** Targets of everything that is mounted at a tree's top or below it. */
export function mountsInside(tree: Subject, { host }: Pick<ApplyContext, "host">): readonly string[] {
  return host.files.mounts().flatMap(({ target }) => (isWithin(target, tree.path) ? [target] : []));
}

export function requireNothingMounted(tree: Subject, context: ApplyContext): void {
  const mounted = mountsInside(tree, context)[0];
  if (mounted !== undefined) throw inUse(tree, "delete", mounted, `rootloom unmount ${tree.name}`);
}

/**
 * Mounts of ours move along with the old root, and their own steps mount them anew; anybody else's must not move.
 * Returns the targets of ours.
 */
export function requireOnlyOwnMounts(tree: Subject, context: ApplyContext, verb = "replace"): readonly string[] {
  const mounts = mountsInside(tree, context);
  const own = mounts.filter((target) => context.owned(`mount/${tree.name}:${target.slice(tree.path.length)}`));
  const foreign = mounts.find((target) => target === tree.path || !own.some((above) => isWithin(target, above)));
  if (foreign !== undefined) throw inUse(tree, verb, foreign, `umount ${foreign}`);
  return own;
}

function inUse(tree: Subject, verb: string, target: string, hint: string): RootloomError {
  return new RootloomError(`cannot ${verb} tree ${tree.name}: something is mounted at ${target}`, {
    hint,
    retry: "waiting",
    condition: "Mounted",
  });
}
