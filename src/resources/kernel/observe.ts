import { posix } from "node:path";
import { asRootloomError } from "../../core/error.ts";
import type { KernelResource, OwnedRecord } from "../../core/resource.ts";
import type { ObservedCheck } from "../boot-check.ts";
import { checkHostPath } from "../limits.ts";
import { whoseIs } from "../marked.ts";
import { detail } from "../owned.ts";
import type { ObserveContext, Observer } from "../types.ts";
import { CURRENT, kernelDamage, listKernels, readKernel } from "./generations.ts";
import { observeKernelCheck } from "./health.ts";
import { kernelGeneration, kernelInputs } from "./inputs.ts";

export interface ObservedKernel {
  readonly state: "absent" | "foreign" | "ours";
  /** Completes "it is ..." for a foreign directory. */
  readonly whose: string;
  /** Where `current` points, when a kernel of ours stands there; else empty. */
  readonly current: string;
  /** What is wrong with it; empty when it is whole. */
  readonly damage: string;
  /** What it was built from. */
  readonly built: Readonly<Record<string, string>>;
  /** What it would be built from now; undefined when that cannot be told. */
  readonly inputs: Readonly<Record<string, string>> | undefined;
  /** Generation that these inputs would make. */
  readonly wanted: string;
  readonly generations: number;
  /** What is known of the health of `wanted`; undefined where no check is declared. */
  readonly check?: ObservedCheck | undefined;
  readonly problem:
    | { readonly message: string; readonly hint: string; readonly condition: "Refused" | "Waiting" }
    | undefined;
}

const NOTHING: ObservedKernel = {
  state: "absent",
  whose: "",
  current: "",
  damage: "",
  built: {},
  inputs: undefined,
  wanted: "",
  generations: 0,
  problem: undefined,
};

export const kernelObserver: Observer<"kernel"> = {
  observe: async (resource, _owned, context) => observeKernel(resource, context),
  observeRemoved: observeRemovedKernel,
};

/** Compares what the current kernel was built from with what it would be built from now. */
export async function observeKernel(
  resource: KernelResource,
  context: Omit<ObserveContext, "owned">,
): Promise<ObservedKernel> {
  const refused = whyForbidden(resource, context);
  if (refused !== undefined) return { ...NOTHING, problem: { ...refused, condition: "Refused" } };
  const found = await observeDirectory(resource.path, context);
  if (found.state === "foreign") return found;
  try {
    const { inputs, toolchain } = await kernelInputs(resource, context);
    const wanted = kernelGeneration(inputs);
    return { ...found, inputs, wanted, check: observeKernelCheck(resource, wanted, toolchain, context.host) };
  } catch (thrown) {
    context.signal?.throwIfAborted();
    const { message, hint = "", retry } = asRootloomError(thrown);
    if (retry === "transient") throw thrown;
    return { ...found, problem: { message, hint, condition: retry === "waiting" ? "Waiting" : "Refused" } };
  }
}

/** The host's limits have the last word: on where it is put, and on whether anything of the commit's is run outside of a root. */
export function whyForbidden(
  { name, path, buildIn }: Pick<KernelResource, "name" | "path" | "buildIn">,
  { host, limits, state }: Pick<ObserveContext, "host" | "limits" | "state">,
): { readonly message: string; readonly hint: string } | undefined {
  const refused = checkHostPath(host.files, path, limits, state);
  if (refused !== undefined) return { message: refused.message, hint: refused.hint ?? "" };
  if (limits.hostCommands || buildIn !== undefined) return undefined;
  const file = limits.file === "" ? "/etc/rootloom/limits.yaml" : limits.file;
  const message = `cannot build kernel ${name}: it is made on the host, and this host's limits do not allow that`;
  return { message, hint: `build it inside of a root (\`buildIn\`), or set \`hostCommands: true\` in ${file}` };
}

async function observeRemovedKernel(record: OwnedRecord, context: ObserveContext): Promise<ObservedKernel> {
  const path = detail(record, "path");
  const refused = checkHostPath(context.host.files, path, context.limits, context.state);
  if (refused !== undefined)
    return { ...NOTHING, problem: { message: refused.message, hint: refused.hint ?? "", condition: "Refused" } };
  const generations = listKernels(context.host.files, path, context.instance).length;
  return { ...NOTHING, ...whoseIs(path, context), generations };
}

async function observeDirectory(path: string, context: Omit<ObserveContext, "owned">): Promise<ObservedKernel> {
  const { host, instance, cache, signal } = context;
  const whose = whoseIs(path, context);
  if (whose.state !== "ours") return { ...NOTHING, ...whose };
  const place = host.files.stat(posix.join(path, CURRENT));
  if (place !== undefined && place.type !== "symlink")
    return { ...NOTHING, state: "foreign", whose: `in the way: its ${CURRENT} is a ${place.type}, not a link` };
  const current = host.files.readLink(posix.join(path, CURRENT)) ?? "";
  const report = readKernel(host.files, path, current);
  if (report === undefined || report.instance !== instance) return { ...NOTHING, state: "ours" };
  const damage = await kernelDamage(host, path, report, { cache, signal });
  return { ...NOTHING, state: "ours", current, damage, built: report.inputs };
}
