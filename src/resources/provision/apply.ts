import { RootloomError } from "../../core/error.ts";
import type { ProvisionResource, ProvisionStep } from "../../core/resource.ts";
import { provisionEstimate_bytes } from "../../core/space.ts";
import { takeLease } from "../lease.ts";
import { recordOf } from "../owned.ts";
import type { SpaceNeed } from "../space.ts";
import { withSpace } from "../space.ts";
import { check, requireOurs } from "../tree/apply.ts";
import { recordChanged } from "../tree/recorded.ts";
import { listSnapshots } from "../tree/snapshots/list.ts";
import { snapshotBefore } from "../tree/snapshots/policy.ts";
import type { ApplyContext, Executor } from "../types.ts";
import { goBack, takenBefore } from "./go-back.ts";
import { type ProvisionNote, readNote, writeNote } from "./note.ts";
import { type ObservedProvision, observeProvision } from "./observe.ts";
import { keepSourceManifest } from "./own-paths.ts";
import { pendingSteps, provisionInputs } from "./plan.ts";
import { findResolvConf, makeMissing, removeMade } from "./resolv-conf.ts";
import { runStep } from "./run.ts";

/**
 * Runs the steps that the root does not have behind it, one after another, while nobody else is in it. Each is noted when
 * it is begun and when it has succeeded; at the end the root is recorded as it is then.
 */
export const runProvision: Executor<"provision.run"> = async (step, context) => {
  const { resource } = step.arguments;
  const { root } = resource;
  check(root, context);
  requireOurs(root, context, "provision");
  const lease = await takeLease(context.host, context.state, root.name, "alone");
  if ("holders" in lease)
    throw new RootloomError(`cannot provision root ${root.name}: ${lease.holders} is in it or packs it`, {
      hint: "it goes on when they have left it",
      retry: "waiting",
      condition: "RootInUse",
    });
  try {
    // What was planned may be older than what stands there now: a volume was mounted, the root was made.
    const found = await observeProvision(resource, context);
    if (found.refusal !== "") throw new RootloomError(found.refusal, { hint: found.hint });
    tidyUp(resource, found, context);
    const notes = [...(await takeBack(resource, found, context))];
    const observed = notes.length === 0 ? found : await observeProvision(resource, context);
    const { steps } = pendingSteps(resource, observed);
    for (const index of steps) notes.push(...(await runOne(resource, index, context)));
    await settle(resource, context);
    return { record: recordNow(resource, context), result: resultOf(resource, steps), notes };
  } finally {
    lease.release();
  }
};

export const provisionExecutors = { "provision.run": runProvision };

async function runOne(resource: ProvisionResource, index: number, context: ApplyContext): Promise<readonly string[]> {
  const { root } = resource;
  const { host, runId } = context;
  const { files } = host;
  const step = resource.steps[index];
  if (step === undefined) return [];
  refuseSuperseded(resource, step, context);
  const taken = await snapshotBefore(root, "provision", context, true);
  const resolvConf = resolvConfOf(resource, step, context);
  const made = resolvConf?.missing ?? [];
  const { name, key } = step;
  const before = readNote(root, context.instance, files);
  const done = before.done[index]?.key === key ? before.done : before.done.slice(0, index);
  const from = await takenBefore(root, taken, context);
  const running = { name, key, startedAt: now(context), runId, made, ...from };
  const begun: ProvisionNote = { ...before, done, running, settled: false };
  await context.effect("provision.begin", { path: root.path, step: name }, () => {
    if (before.settled && before.done.length === 0) keepSourceManifest(root, context);
    writeNote(root, begun, files);
    if (resolvConf !== undefined) makeMissing(root, resolvConf, files);
  });
  const log = await context
    .effect("provision.step", { path: root.path, step: name }, () =>
      withSpace(context, spaceOf(resource, step), () => runStep(resource, step, resolvConf, context)),
    )
    .finally(() => removeMade(root, made, files));
  const { running: _, ...rest } = begun;
  const entry = { name, key, finishedAt: now(context), runId, ...from };
  await context.effect("provision.finish", { path: root.path, step: name }, () => {
    // What the step left is on disk before the note says that it is done.
    files.syncFilesystem(root.path);
    writeNote(root, { ...rest, done: placed(done, index, entry) }, files);
  });
  return [...taken, `step ${name} is done; its log: ${log}`];
}

function spaceOf({ root }: ProvisionResource, { name, work }: ProvisionStep): SpaceNeed {
  const packages = work.type === "packages" ? work.install.length : 0;
  return { path: root.path, needed_bytes: provisionEstimate_bytes(packages), what: `run step ${name} of ${root.name}` };
}

function placed(done: ProvisionNote["done"], index: number, entry: ProvisionNote["done"][number]) {
  return index < done.length ? done.with(index, entry) : [...done, entry];
}

/** Records the root as its steps have left it, so that only what changes from now on is drift. */
async function settle(resource: ProvisionResource, context: ApplyContext): Promise<void> {
  const { root, steps } = resource;
  const { files } = context.host;
  const note = readNote(root, context.instance, files);
  if (note.settled && note.running === undefined && note.done.length <= steps.length) return;
  await context.effect("provision.record", { path: root.path }, async () => {
    await recordChanged(root, context);
    const { running: _, ...rest } = note;
    const done = note.done
      .slice(0, steps.length)
      .map((each, index) => ({ ...each, name: steps[index]?.name ?? each.name }));
    writeNote(root, { ...rest, done, settled: true }, files);
  });
}

async function takeBack(resource: ProvisionResource, { back }: ObservedProvision, context: ApplyContext) {
  const { root } = resource;
  const snapshot = back === "" ? undefined : (await listSnapshots(root, context)).find(({ name }) => name === back);
  return snapshot === undefined ? [] : [await goBack(root, snapshot, context)];
}

/** What a killed step had for its own time only. */
function tidyUp(resource: ProvisionResource, { running }: ObservedProvision, context: ApplyContext): void {
  if (running === undefined) return;
  const { files } = context.host;
  removeMade(resource.root, readNote(resource.root, context.instance, files).running?.made ?? [], files);
}

function resolvConfOf({ root, resolvConf }: ProvisionResource, { where }: ProvisionStep, { host }: ApplyContext) {
  const isThere = host.files.realPath("/etc/resolv.conf") !== undefined;
  return resolvConf === "host" && where === "root" && isThere ? findResolvConf(root, host.files) : undefined;
}

/** Between two steps is a safe point: a newer commit takes over there. */
function refuseSuperseded({ name }: ProvisionResource, step: ProvisionStep, context: ApplyContext): void {
  context.signal.throwIfAborted();
  if (context.superseded?.() !== true) return;
  throw new RootloomError(`cannot go on with step ${step.name} of root ${name}: a newer commit is waiting`, {
    hint: "the next pass goes on from here",
    retry: "transient",
    condition: "Superseded",
  });
}

function recordNow(resource: ProvisionResource, { runId, revision, host }: ApplyContext) {
  const { path, volumePath } = resource.root;
  const facts = { runId, revision, now_ms: host.clock.now_ms() };
  return recordOf(resource, facts, { inputs: provisionInputs(resource), details: { path, volumePath } });
}

function resultOf({ steps }: ProvisionResource, run: readonly number[]): string {
  if (run.length === 0) return "found done, and recorded";
  const names = run.map((index) => steps[index]?.name ?? "");
  return `carried out: ${names.slice(0, 3).join(", ")}${names.length > 3 ? ` and ${names.length - 3} more` : ""}`;
}

function now({ host }: ApplyContext): string {
  return new Date(host.clock.now_ms()).toISOString();
}
