import { posix } from "node:path";
import { toTreePath } from "../../core/entry.ts";
import { asRootloomError } from "../../core/error.ts";
import type { ArtifactResource } from "../../core/resource.ts";
import type { PackInput, TreeSnapshot } from "../../host/jobs.ts";
import { INCOMPLETE } from "../../pack/tree-snapshot.ts";
import { isWithin } from "../limits.ts";
import { detail } from "../owned.ts";
import type { ApplyContext } from "../types.ts";
import type { VolumeSubject } from "../volume/backends/backend.ts";
import { backendOf } from "../volume/backends/index.ts";
import { subjectOf } from "../volume/observe.ts";

/**
 * Runs a packing that reads all of a root on a snapshot of the root's volume, where its backend takes one of a single
 * moment, so that the image holds no mixture of two. It goes when the packing ends; what a kill leaves the recovery sweeps.
 * Where there are none, and where only what changed is read, a file that changes meanwhile is noticed and read again.
 */
export async function atOneMoment<T extends { readonly notes: readonly string[] }>(
  resource: ArtifactResource,
  input: PackInput,
  context: ApplyContext,
  body: (input: PackInput) => Promise<T>,
): Promise<T> {
  const volume = readsAll(resource, input, context) ? volumeOf(resource, context) : undefined;
  if (volume === undefined) return body(input);
  const { atomic, snapshots } = await backendOf(volume).capabilities(volume, context);
  if (!atomic || snapshots === undefined) return body(input);
  const { name, backend, path, device } = volume;
  return context.effect("artifact.read-snapshot", { name, backend, path, device }, async () => {
    const attached = await attach(resource, volume, context);
    if (attached === undefined) return body(input);
    // After a signal no command runs any more: the next start sweeps.
    const detach = async () => (context.signal.aborted ? undefined : attached.detach());
    try {
      const packed = await body(readFrom(input, attached.snapshot)).finally(detach);
      return { ...packed, notes: [...packed.notes, attached.means] };
    } catch (thrown) {
      if (asRootloomError(thrown).condition !== INCOMPLETE || context.signal.aborted) throw thrown;
      return body(input);
    }
  });
}

/** Whether a packing reads every file: the first one, one of a root that was made anew since, and one by a tool of its own. */
function readsAll({ id, base, format }: ArtifactResource, { previous }: PackInput, { owned }: ApplyContext): boolean {
  if (base.type !== "tree") return false;
  if (format !== "initramfs" || previous === undefined) return true;
  return (owned(base.tree)?.appliedAt ?? "") > (owned(id)?.appliedAt ?? "");
}

function volumeOf({ base }: ArtifactResource, { owned }: ApplyContext): VolumeSubject | undefined {
  if (base.type !== "tree") return undefined;
  const volume = detail(owned(base.tree), "volume");
  const record = volume === "" ? undefined : owned(volume);
  return record === undefined ? undefined : subjectOf(record);
}

interface Attached {
  readonly snapshot: TreeSnapshot;
  readonly means: string;
  readonly detach: () => Promise<void>;
}

/** undefined where there is nothing but the volume itself to be read, or no snapshot could be taken, which is said. */
async function attach(
  { base }: ArtifactResource,
  volume: VolumeSubject,
  context: ApplyContext,
): Promise<Attached | undefined> {
  if (base.type !== "tree") return undefined;
  const { files, clock } = context.host;
  const moment_ms = clock.now_ms();
  const top = files.realPath(base.path) ?? base.path;
  try {
    const attachment = await backendOf(volume).attachReadOnly(volume, undefined, context);
    const { path: read, frozen, means } = attachment;
    if (!frozen) {
      await attachment.detach();
      return undefined;
    }
    const targets = files.mounts().flatMap(({ target }) => (target !== top && isWithin(target, top) ? [target] : []));
    const mounted = targets.map((target) => toTreePath(posix.relative(top, target)));
    const path = posix.join(read, posix.relative(base.volumePath, base.path));
    return { snapshot: { path, moment_ms, mounted }, means, detach: () => attachment.detach() };
  } catch (thrown) {
    context.signal.throwIfAborted();
    context.log(`read without a snapshot: ${asRootloomError(thrown).message}`);
    return undefined;
  }
}

function readFrom(input: PackInput, snapshot: TreeSnapshot): PackInput {
  const layers = input.layers.map((layer) => (layer.type === "tree" ? { ...layer, snapshot } : layer));
  return { ...input, layers };
}
