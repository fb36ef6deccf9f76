import { RootloomError } from "../../core/error.ts";
import type { MountResource } from "../../core/resource.ts";
import type { MountEntry } from "../../host/ports.ts";
import type { ApplyContext, Executor, Outcome } from "../types.ts";
import { mountCommands, propagationCommands, remountCommands } from "./commands.ts";
import { done, failed, unmount, wrong } from "./made.ts";
import { inheritedFlags, optionDifferences } from "./match.ts";
import { findRecorded, observeMount, tmpfsAbove } from "./observe.ts";
import { keepFolder, provideSource } from "./source.ts";
import { makeTarget, refuseAnothersRoot, resolveTarget } from "./target.ts";
import { isCopy, unmountTree } from "./unmount.ts";

/** Mounts, or finds it mounted as declared and records it. */
export const mountMount: Executor<"mount.mount"> = async (step, context) => mountNow(step.arguments.resource, context);

/** Changes options in place where the kernel does that, else unmounts and mounts anew. */
export const remountMount: Executor<"mount.remount"> = async (step, context) => {
  const { resource, unmountFirst } = step.arguments;
  const owned = context.owned(resource.id);
  const { state, target } = observeMount(resource, owned, context);
  if (state === "absent") return mountNow(resource, context);
  refuseForeign(resource, state);
  const resolved = { ...resource, target };
  const entry = state === "outdated" ? undefined : entryAt(context, target);
  if (entry !== undefined && state === "mounted" && hangsOnItsParent(entry, context)) {
    return done(resource, target, entry, context, "still mounted as declared");
  }
  if (entry !== undefined && state === "drifted" && !unmountFirst) {
    const { files } = context.host;
    await context.effect("mount.remount", { target }, () => {
      keepFolder(resource, files);
      const inherited = inheritedFlags(resource, files, files.mounts());
      return runAll([...propagationCommands(resolved), ...remountCommands(resolved, inherited)], context);
    });
    const after = entryAt(context, target);
    if (after !== undefined && differencesOf(resource, after, context).length === 0) {
      return done(resource, target, after, context, "remounted");
    }
  }
  const old = findRecorded(context.host.files, owned) ?? entry;
  if (old !== undefined) await unmount(resource, old, context);
  return { ...(await mountNow(resource, context)), result: `unmounted and mounted again at ${target}` };
};

/** Unmounts what the record tells of, children first; anything else at the target is left alone. */
export const unmountMount: Executor<"mount.unmount"> = async (step, context) => {
  const { record } = step.arguments;
  const entry = findRecorded(context.host.files, record);
  if (entry === undefined) return { record: undefined, result: "not mounted any more" };
  await unmount({ name: record.name, type: String(record.details.type ?? "") }, entry, context);
  return { record: undefined, result: `unmounted from ${entry.target}` };
};

async function mountNow(resource: MountResource, context: ApplyContext): Promise<Outcome> {
  const observed = observeMount(resource, context.owned(resource.id), context);
  if (observed.problem !== undefined)
    throw new RootloomError(observed.problem.message, { hint: observed.problem.hint });
  refuseForeign(resource, observed.state);
  refuseAnothersRoot(resource, context);
  const { files } = context.host;
  const { path: target, exists } = resolveTarget(files, resource);
  const standing = entryAt(context, target);
  if (standing !== undefined) {
    const differences = differencesOf(resource, standing, context);
    if (differences.length === 0) return done(resource, target, standing, context, "already mounted as declared");
    throw new RootloomError(`cannot mount ${target}: ${differences.join(", ")}`, { retry: "transient" });
  }
  provideSource(resource, context);
  if (!exists) {
    const top = tmpfsAbove(resource, target, context);
    await context.effect("mount.make-target", { target }, () => makeTarget(files, resource, target, top));
  }
  const { type, source } = resource;
  await context.effect("mount.mount", { target, type, source }, () => mountOrUndo({ ...resource, target }, context));
  const mounts = files.mounts();
  const there = mounts.filter((entry) => entry.target === target);
  const [entry] = there;
  const why = entry === undefined ? "it is not in the kernel's list" : wrong(resource, there, mounts, context);
  if (entry === undefined || why !== undefined) throw failed(resource, target, why ?? "");
  return done(resource, target, entry, context, `mounted at ${target}`);
}

/** A bind that could not be made read-only must not stay writable. */
async function mountOrUndo(resource: MountResource, context: ApplyContext): Promise<void> {
  try {
    const { files } = context.host;
    await runAll(mountCommands(resource, inheritedFlags(resource, files, files.mounts())), context);
  } catch (thrown) {
    const entry = entryAt(context, resource.target);
    if (entry !== undefined) await unmountTree({ host: context.host }, entry, isCopy);
    throw thrown;
  }
}

async function runAll(commands: readonly (readonly string[])[], context: ApplyContext): Promise<void> {
  for (const [file = "", ...rest] of commands) {
    await context.host.processes.run({ file, arguments: rest, hostNamespace: true, signal: context.signal });
  }
}

/** False when the parent was mounted anew over it: it is then hidden below. */
function hangsOnItsParent(entry: MountEntry, context: ApplyContext): boolean {
  const mounts = context.host.files.mounts();
  const holder = mounts.filter((other) => other !== entry && entry.target.startsWith(`${other.target}/`));
  const nearest = holder.reduce<MountEntry | undefined>(
    (best, other) => (other.target.length >= (best?.target.length ?? 0) ? other : best),
    undefined,
  );
  return nearest === undefined || nearest.id === entry.parent;
}

function refuseForeign(resource: MountResource, state: string): void {
  if (state !== "foreign" && state !== "stacked") return;
  throw new RootloomError(`cannot mount ${resource.target}: another mount is there`, {
    hint: `look with: findmnt ${resource.target}, then unmount by hand what is not wanted`,
  });
}

function differencesOf(
  resource: MountResource,
  entry: MountEntry,
  { host: { files } }: ApplyContext,
): readonly string[] {
  return optionDifferences(resource, entry, inheritedFlags(resource, files, files.mounts()));
}

function entryAt(context: ApplyContext, target: string): MountEntry | undefined {
  return context.host.files.mounts().findLast((entry) => entry.target === target);
}
