import { RootloomError } from "../../core/error.ts";
import type { MountResource } from "../../core/resource.ts";
import { parseMounts } from "../../host/mountinfo.ts";
import type { MountEntry } from "../../host/ports.ts";
import { recordOf } from "../owned.ts";
import type { ApplyContext, Executor, Outcome } from "../types.ts";
import { mountCommands, propagationCommands, remountCommands } from "./commands.ts";
import { factsOf, isSourceOf, optionDifferences } from "./match.ts";
import { findRecorded, observeMount, requireMountable, tmpfsAbove } from "./observe.ts";
import { mountInputs } from "./plan.ts";
import { privateScript } from "./private.ts";
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
    await context.effect("mount.remount", { target }, () =>
      runAll([...propagationCommands(resolved), ...remountCommands(resolved)], context),
    );
    const after = entryAt(context, target);
    if (after !== undefined && optionDifferences(resource, after).length === 0) {
      return done(resource, target, after, context, "remounted");
    }
  }
  const old = findRecorded(context.host.files.mounts(), owned) ?? entry;
  if (old !== undefined) await unmount(resource, old, context);
  return { ...(await mountNow(resource, context)), result: `unmounted and mounted again at ${target}` };
};

/** Makes a private mount once, below those above it, in a namespace that ends with it, and reads the kernel's list there. */
export const proveMount: Executor<"mount.prove"> = async (step, context) => {
  const { resource } = step.arguments;
  const above = resource.above ?? [];
  const { files, processes } = context.host;
  // It may have been a host mount until this commit.
  const old = findRecorded(files.mounts(), context.owned(resource.id));
  if (old !== undefined) await unmount(resource, old, context);
  requireMountable(resource, context);
  checkSourceIsThere(resource, context);
  const target = resolveTarget(files, resource).path;
  const { stdout } = await context.effect("mount.prove", { target }, () =>
    processes.run({
      file: "sh",
      arguments: ["-c", `${privateScript(context.host, [...above, resource])}\nexec cat /proc/self/mountinfo`],
      privateNamespace: true,
      signal: context.signal,
    }),
  );
  const mounts = parseMounts(stdout);
  // An rbind above may have brought one to the same place; ours covers it.
  const there = mounts.filter((it) => it.target === target).slice(above.some((it) => it.type === "rbind") ? -1 : 0);
  const [entry] = there;
  const why = entry === undefined ? "it is not in the kernel's list" : wrong(resource, there, mounts, context);
  if (why !== undefined) throw failed(resource, target, why);
  return {
    record: recordOf(resource, facts(context), {
      inputs: mountInputs(resource),
      details: { target, within: resource.within, namespace: "private" },
    }),
    result: `proved in a namespace of its own: ${target}`,
  };
};

/** Unmounts what the record tells of, children first; anything else at the target is left alone. */
export const unmountMount: Executor<"mount.unmount"> = async (step, context) => {
  const { record } = step.arguments;
  const entry = findRecorded(context.host.files.mounts(), record);
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
    const differences = optionDifferences(resource, standing);
    if (differences.length === 0) return done(resource, target, standing, context, "already mounted as declared");
    throw new RootloomError(`cannot mount ${target}: ${differences.join(", ")}`, { retry: "transient" });
  }
  checkSourceIsThere(resource, context);
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
    await runAll(mountCommands(resource), context);
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

async function unmount(
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
  return findRecorded([child], context.owned(`mount/${parent}${below}`)) !== undefined;
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

function wrong(
  resource: MountResource,
  there: readonly MountEntry[],
  mounts: readonly MountEntry[],
  context: ApplyContext,
): string | undefined {
  const [entry] = there;
  if (there.length !== 1 || entry === undefined) return `${there.length} mounts are there`;
  if (!isSourceOf(context.host.files, mounts, resource, entry)) return `${entry.type} of ${entry.source} is there`;
  const differences = optionDifferences(resource, entry);
  return differences.length === 0 ? undefined : differences.join(", ");
}

function refuseForeign(resource: MountResource, state: string): void {
  if (state !== "foreign" && state !== "stacked") return;
  throw new RootloomError(`cannot mount ${resource.target}: another mount is there`, {
    hint: `look with: findmnt ${resource.target}, then unmount by hand what is not wanted`,
  });
}

function checkSourceIsThere(resource: MountResource, context: ApplyContext): void {
  const isBind = resource.type === "bind" || resource.type === "rbind";
  if (!isBind || context.host.files.realPath(resource.source) !== undefined) return;
  throw new RootloomError(`cannot mount ${resource.target}: its source ${resource.source} is not there`, {
    hint: "make the directory, or declare the volume that holds it",
    retry: "waiting",
    condition: "SourceMissing",
  });
}

function entryAt(context: ApplyContext, target: string): MountEntry | undefined {
  return context.host.files.mounts().findLast((entry) => entry.target === target);
}

function done(
  resource: MountResource,
  target: string,
  entry: MountEntry,
  context: ApplyContext,
  result: string,
): Outcome {
  const details = { target, within: resource.within, namespace: "host", ...factsOf(entry) };
  return { record: recordOf(resource, facts(context), { inputs: mountInputs(resource), details }), result };
}

function facts(context: ApplyContext): { runId: string; revision: string; now_ms: number } {
  return { runId: context.runId, revision: context.revision, now_ms: context.host.clock.now_ms() };
}

function failed(resource: MountResource, target: string, why: string): RootloomError {
  return new RootloomError(`cannot mount ${target}: it was mounted, but ${why}`, {
    hint: `check the mount's type, source and options (${resource.type}, ${resource.source})`,
  });
}
