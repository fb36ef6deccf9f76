import { posix } from "node:path";
import { asRootloomError } from "../../core/error.ts";
import type { ProvisionResource } from "../../core/resource.ts";
import { checkHostPath } from "../limits.ts";
import { requireMountable } from "../mount/observe.ts";
import { refusalOf, standing } from "../tree/observe.ts";
import type { ObserveContext, Observer } from "../types.ts";
import { findBack } from "./go-back.ts";
import { type DoneStep, readNote } from "./note.ts";
import type { PackageDifference } from "./packages/adapter.ts";
import { packageDifference } from "./packages/index.ts";

export interface ObservedProvision {
  /** Whether the root stands, and is ours. */
  readonly isThere: boolean;
  /** Why nothing may be run; empty where something may. */
  readonly refusal: string;
  readonly hint: string;
  /** Steps that this very root has behind it, in their order. */
  readonly done: readonly Pick<DoneStep, "name" | "key">[];
  /** The step in whose middle the root is. */
  readonly running: { readonly name: string; readonly startedAt: string } | undefined;
  /** False where steps have changed the root since it was recorded. */
  readonly settled: boolean;
  /** The snapshot that the root is taken back to before the first pending step; empty where it is not. */
  readonly back: string;
  /** By step: what its package list says, and the root's package database does not. */
  readonly packages: Readonly<Record<string, PackageDifference>>;
}

export const provisionObserver: Observer<"provision"> = {
  observe: async (resource, _owned, context) => observeProvision(resource, context),
  observeRemoved: async () => NOTHING,
};

const NOTHING: ObservedProvision = {
  isThere: false,
  refusal: "",
  hint: "",
  done: [],
  running: undefined,
  settled: true,
  back: "",
  packages: {},
};

/** What the root has behind it by its own note, and what is installed in it by its own database. */
export async function observeProvision(
  resource: ProvisionResource,
  context: ObserveContext,
): Promise<ObservedProvision> {
  const { root } = resource;
  const { host, instance, signal } = context;
  const refused = refusalOf(root, context, host.files);
  if (refused.refusal !== "") return { ...NOTHING, ...refused };
  const forbidden = whyForbidden(resource, context);
  const { state, populated } = standing(root, context, host.files);
  if (state !== "ours" || !populated) return { ...NOTHING, ...forbidden };
  const note = readNote(root, instance, host.files);
  const { done, running, settled } = note;
  const packages: Record<string, PackageDifference> = {};
  for (const [index, { name, key, work }] of resource.steps.entries()) {
    // A list that was never worked off differs anyway, and its list command may not be there yet.
    if (work.type !== "packages" || done[index]?.key !== key) continue;
    const difference = await packageDifference(work, root, host, signal);
    if (difference.missing.length + difference.unwanted.length > 0) packages[name] = difference;
  }
  const first = resource.steps.findIndex(({ key }, index) => done[index]?.key !== key);
  const back = first < 0 ? undefined : await findBack(resource, note, first, context);
  return {
    isThere: true,
    refusal: "",
    hint: "",
    ...forbidden,
    done: done.map(({ name, key }) => ({ name, key })),
    running: running === undefined ? undefined : { name: running.name, startedAt: running.startedAt },
    settled,
    back: back?.name ?? "",
    packages,
  };
}

/** The host's limits have the last word: on commands outside of a root, on what is mounted, on files with secrets. */
function whyForbidden(
  { steps, mounts }: ProvisionResource,
  context: ObserveContext,
): Pick<ObservedProvision, "refusal" | "hint"> | undefined {
  const { limits, state, host } = context;
  const outside = steps.find(({ where }) => where === "host");
  if (outside !== undefined && !limits.hostCommands) {
    const file = limits.file === "" ? "/etc/rootloom/limits.yaml" : limits.file;
    const refusal = `step ${outside.name} runs on the host, and this host's limits do not allow that`;
    return { refusal, hint: `set \`hostCommands: true\` in ${file}, or run it in the root` };
  }
  try {
    for (const mount of mounts) requireMountable(mount, context);
    for (const { secrets } of steps)
      for (const path of Object.values(secrets)) {
        const refused = checkHostPath(host.files, posix.normalize(path), limits, state);
        if (refused !== undefined) throw refused;
      }
    return undefined;
  } catch (thrown) {
    const { message, hint = "" } = asRootloomError(thrown);
    return { refusal: message, hint };
  }
}
