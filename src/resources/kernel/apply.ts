import { RootloomError } from "../../core/error.ts";
import type { KernelResource, OwnedRecord } from "../../core/resource.ts";
import { takeLease } from "../lease.ts";
import { checkHostPath } from "../limits.ts";
import { makeMarked, removeMarked, requireAllowed, sweepTemporaries, sweepWork, whoseIs } from "../marked.ts";
import { detail, recordOf } from "../owned.ts";
import { orRetainFailed } from "../retention.ts";
import { withSpace } from "../space.ts";
import type { ApplyContext, Executor, OpenEffect, Outcome } from "../types.ts";
import { type KernelReport, kernelDamage, listKernels, readKernel } from "./generations.ts";
import { requireHealthyKernel } from "./health.ts";
import { type EmbeddedImage, kernelGeneration, kernelInputs } from "./inputs.ts";
import { makeKernel } from "./make.ts";
import { whyForbidden } from "./observe.ts";
import { placeKernel, switchKernel } from "./place.ts";
import { placeNeed } from "./room.ts";
import { provideKernelSource } from "./source.ts";
import { closeWorkshop, openWorkshop, removeWorkshop } from "./workshop.ts";

/** Make takes all jobs of the host's budget: one kernel after the other. */
let last: Promise<unknown> = Promise.resolve();

/** Configures, checks and makes a kernel. What stands whole from the same inputs is not made again. */
export const buildKernel: Executor<"kernel.build"> = async (step, context) => {
  const turn = last.then(
    () => whileRootStands(step.arguments.resource, context, build),
    () => whileRootStands(step.arguments.resource, context, build),
  );
  last = turn;
  return turn;
};

/** Removes all that was built, and what it was made in; only while it is still ours. */
export const deleteKernel: Executor<"kernel.delete"> = async (step, context) => {
  const { record } = step.arguments;
  const { name } = record;
  const path = detail(record, "path");
  requireAllowed(path, context);
  if (whoseIs(path, context).state !== "absent")
    await context.effect("kernel.delete", { path }, () => removeMarked({ kind: "kernel", name, path }, context));
  await removeWorkshop(name, context);
  return { record: undefined, result: "deleted" };
};

export const kernelExecutors = { "kernel.build": buildKernel, "kernel.delete": deleteKernel };

/** A kill leaves folders with names of their own, which are swept; what has its name is whole. */
export async function recoverKernel(open: OpenEffect, context: ApplyContext): Promise<void> {
  const record = context.owned(open.stepId);
  const path = detail(record, "path");
  if (path === "" || checkHostPath(context.host.files, path, context.limits, context.state) !== undefined) return;
  await sweepTemporaries({ kind: "kernel", name: record?.name ?? "", path }, context);
  if (whoseIs(path, context).state === "ours") await sweepWork(path, context);
}

/** The root that builds is entered and changed by nobody meanwhile. */
async function whileRootStands(
  resource: KernelResource,
  context: ApplyContext,
  body: (resource: KernelResource, context: ApplyContext) => Promise<Outcome>,
): Promise<Outcome> {
  const { buildIn, name } = resource;
  if (buildIn === undefined) return body(resource, context);
  const lease = await takeLease(context.host, context.state, buildIn.tree.slice("tree/".length), "shared");
  if ("holders" in lease)
    throw new RootloomError(`cannot build kernel ${name}: somebody is in ${buildIn.tree}: ${lease.holders}`, {
      hint: "it is built as soon as they leave",
      retry: "waiting",
      condition: "Waiting",
    });
  try {
    return await body(resource, context);
  } finally {
    lease.release();
  }
}

async function build(resource: KernelResource, context: ApplyContext): Promise<Outcome> {
  context.signal.throwIfAborted();
  const forbidden = whyForbidden(resource, context);
  if (forbidden !== undefined)
    throw new RootloomError(forbidden.message, { hint: forbidden.hint, condition: "Refused" });
  const known = await kernelInputs(resource, context);
  const { inputs, initramfs } = known;
  if (resource.initramfs !== undefined && initramfs === undefined)
    throw new RootloomError(
      `cannot embed ${resource.initramfs.artifact} in kernel ${resource.name}: it is not packed yet`,
      {
        hint: `see ${resource.initramfs.artifact}`,
        retry: "waiting",
        condition: "ImageMissing",
      },
    );
  const generation = kernelGeneration(inputs);
  await makeMarked(resource, context);
  await sweepWork(resource.path, context);
  const whole = await wholeKernel(resource, generation, context);
  if (whole !== undefined) {
    const health = await requireChecked(resource, whole, initramfs, context);
    await switchKernel(resource, generation, context);
    const result = `found built as generation ${generation}`;
    return { record: recordNow(resource, whole, context), result, notes: [health ?? []].flat() };
  }
  const source = await provideKernelSource(resource, context);
  const workshop = await openWorkshop(resource, known, source, context);
  const made = await context.effect("kernel.make", { name: resource.name }, () =>
    makeKernel(resource, initramfs, workshop, context).finally(() => {
      if (!context.signal.aborted) closeWorkshop(workshop, context);
    }),
  );
  requireUnchanged(resource, inputs, (await kernelInputs(resource, context)).inputs);
  const what = { generation, inputs, config: made.config };
  const report = await withSpace(context, placeNeed(resource, workshop, context.host.files), () =>
    placeKernel(resource, what, workshop, context).catch(async (thrown: unknown) => {
      if (!context.signal.aborted) await sweepWork(resource.path, context);
      throw thrown;
    }),
  );
  const health = await requireChecked(resource, report, initramfs, context);
  await switchKernel(resource, generation, context);
  const notes = [
    `Linux ${report.release} for ${report.architecture}, ${report.size_bytes} bytes`,
    `its log: ${made.log}`,
    `its configuration in short, fit to be committed: ${resource.path}/${generation}/defconfig`,
    ...[health ?? []].flat(),
  ];
  return { record: recordNow(resource, report, context), result: `built as generation ${generation}`, notes };
}

function requireChecked(
  resource: KernelResource,
  report: KernelReport,
  initramfs: EmbeddedImage | undefined,
  context: ApplyContext,
) {
  const check = () => requireHealthyKernel(resource, report, initramfs, context);
  return orRetainFailed(resource, report.generation, listKernels, context, check);
}

async function wholeKernel(
  { path }: KernelResource,
  generation: string,
  context: ApplyContext,
): Promise<KernelReport | undefined> {
  const { host, instance, cache, signal } = context;
  const report = readKernel(host.files, path, generation);
  if (report?.instance !== instance) return undefined;
  return (await kernelDamage(host, path, report, { cache, signal })) === "" ? report : undefined;
}

function requireUnchanged(
  { name }: KernelResource,
  before: Readonly<Record<string, string>>,
  after: Readonly<Record<string, string>>,
): void {
  const changed = Object.keys(after).filter((input) => before[input] !== after[input]);
  if (changed.length === 0) return;
  throw new RootloomError(`cannot take kernel ${name}: its ${changed.join(", ")} changed while it was made`, {
    hint: "it is made again",
    retry: "transient",
  });
}

function recordNow(
  resource: KernelResource,
  report: KernelReport,
  { runId, revision, host }: ApplyContext,
): OwnedRecord {
  const { path } = resource;
  const { generation, release, architecture, size_bytes, inputs } = report;
  const facts = { runId, revision, now_ms: host.clock.now_ms() };
  const checked = resource.bootCheck === undefined ? {} : { checked: true };
  const details = { path, generation, release, architecture, size_bytes, ...checked };
  return recordOf(resource, facts, { inputs, details });
}
