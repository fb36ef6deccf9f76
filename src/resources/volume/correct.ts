import { posix } from "node:path";
import { RootloomError } from "../../core/error.ts";
import type { VolumeResource } from "../../core/resource.ts";
import { isWithin } from "../limits.ts";
import type { ApplyContext } from "../types.ts";
import { backendOf } from "./backends/index.ts";
import { type Correction, differences } from "./differences.ts";
import { mountOf } from "./mounted.ts";
import { sweepNotes } from "./notes.ts";
import { type ObservedVolume, volumeObserver } from "./observe.ts";
import { requireOwnership } from "./owner.ts";
import { reasonNotToUpdate } from "./plan.ts";
import { markTop } from "./top.ts";

/**
 * Corrects a volume of ours until nothing differs: looks, corrects what it sees, and looks again, so that a kill at any
 * point leaves only what the next look sees. What an unmounted volume holds is seen by the second look.
 * @throws RootloomError when a correction was made and its difference is still there.
 */
export async function correct(resource: VolumeResource, context: ApplyContext): Promise<ObservedVolume> {
  const done = new Set<string>();
  for (;;) {
    const observed = await observeOurs(resource, context);
    const found = differences(resource, observed);
    const again = found.find(({ reason }) => done.has(reason));
    if (again !== undefined)
      throw new RootloomError(`cannot update volume ${resource.name}: ${again.reason}, also after its correction`, {
        hint: `look at ${observed.place} by hand`,
      });
    if (found.length === 0) {
      // Those that the recovery could not see, since it was not mounted then.
      sweepNotes(resource, context, context.host.files);
      return observed;
    }
    for (const { reason } of found) done.add(reason);
    for (const correction of new Set(found.map((difference) => difference.correction)))
      await corrections[correction](resource, context);
  }
}

/** Puts options in force that the kernel does not list, so that no look sees them missing. */
export async function remount(resource: VolumeResource, context: ApplyContext): Promise<void> {
  const backend = backendOf(resource);
  if (!backend.mounts) return;
  const entry = mountOf(context.host.files, resource.path, await backend.observe(resource, context));
  if (entry === undefined) return;
  const { path: target, mountOptions: options } = resource;
  await context.effect("volume.remount", { target, options }, () => backend.remount(resource, entry, context));
}

/** A volume that is ours, with nothing about it that a person has to put right. */
async function observeOurs(resource: VolumeResource, context: ApplyContext): Promise<ObservedVolume> {
  const owned = context.owned(resource.id);
  const observed = await volumeObserver.observe(resource, owned, context);
  const { state, what, place, refusal, hint } = observed;
  if (refusal !== "") throw new RootloomError(`cannot update volume ${resource.name}: ${refusal}`, { hint });
  if (state !== "ours")
    throw new RootloomError(`cannot update volume ${resource.name}: ${place} is ${what === "" ? "not there" : what}`, {
      hint: "plan again",
    });
  const blocked = reasonNotToUpdate(resource, observed);
  if (blocked !== undefined) throw new RootloomError(blocked.message, { hint: blocked.hint });
  return observed;
}

type Correct = (resource: VolumeResource, context: ApplyContext) => Promise<void>;

const corrections: { readonly [C in Correction]: Correct } = {
  mount: async (resource, context) => {
    await context.effect("volume.mount", { target: resource.path, device: resource.device }, async () => {
      makeMountPoint(resource, context);
      await backendOf(resource).attach(resource, context);
      requireVisible(resource, context);
    });
  },
  remount,
  mark: async (resource, context) => {
    requireVisible(resource, context);
    await context.effect("volume.mark", { path: resource.path }, () =>
      markTop(resource, context, { path: resource.path }),
    );
  },
  resize: async (resource, context) => {
    const details = { path: resource.path, device: resource.device, size: String(resource.size_bytes ?? "") };
    await context.effect("volume.resize", details, () => backendOf(resource).resize(resource, context));
  },
  label: async (resource, context) => {
    const details = { path: resource.path, device: resource.device, label: resource.label ?? "" };
    await context.effect("volume.label", details, () => backendOf(resource).relabel(resource, context));
  },
  attributes: async (resource, context) => {
    const { files } = context.host;
    requireVisible(resource, context);
    const numbers = requireOwnership(files, resource);
    await context.effect("volume.update", { path: resource.path }, () =>
      files.setAttributes(resource.path, { ...numbers, mode: resource.mode }),
    );
  },
};

/** An empty directory to mount on: nothing that stands there is covered. */
function makeMountPoint({ name, path }: VolumeResource, { host, state }: ApplyContext): void {
  const { files } = host;
  if (files.stat(path) !== undefined) return;
  const parent = posix.dirname(path);
  if (isWithin(parent, state)) files.makeDirectories(parent);
  else if (files.realPath(parent) === undefined)
    throw new RootloomError(`cannot mount volume ${name}: ${parent} is not there`, { hint: `make ${parent}` });
  files.makeDirectory(path, { owner: 0, group: 0, mode: 0o755 });
}

/** What is mounted in the host's namespace is written through ours: both must see one filesystem there. */
function requireVisible(resource: VolumeResource, { host }: ApplyContext): void {
  if (!backendOf(resource).mounts) return;
  const { files } = host;
  const parent = files.realPath(posix.dirname(resource.path)) ?? "/";
  if (files.stat(resource.path)?.device !== files.stat(parent)?.device) return;
  throw new RootloomError(
    `cannot use volume ${resource.name}: what is mounted at ${resource.path} cannot be seen here`,
    {
      hint: "run in the host's mount namespace, or in one that receives its mounts",
    },
  );
}
