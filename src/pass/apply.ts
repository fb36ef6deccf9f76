import { asRootloomError, RootloomError } from "../core/error.ts";
import type { ResourceId } from "../core/resource.ts";
import type { Operation, Plan, Step, StepOf } from "../core/step.ts";
import type { Host } from "../host/ports.ts";
import { executors } from "../resources/effects.ts";
import type { Sights } from "../resources/sights.ts";
import type { SpaceLedger } from "../resources/space.ts";
import type { ApplyContext, Executor, Network, Outcome, Places } from "../resources/types.ts";
import type { State } from "../state/types.ts";
import { openStep } from "./journal.ts";
import type { PassRequest, StepOutcome } from "./types.ts";

export interface ApplyInput {
  readonly plan: Plan;
  readonly host: Host;
  readonly state: State;
  readonly places: Places;
  readonly network: Network;
  readonly space: SpaceLedger;
  readonly runId: string;
  /** How many steps run at once. */
  readonly jobs: number;
  readonly request: PassRequest;
  readonly sights?: Sights | undefined;
}

/** What an ordinary user can do in a state directory of the user's own; all else changes owners or mounts. */
const WITHOUT_ROOT: ReadonlySet<Operation> = new Set<Operation>([
  "artifact.pack",
  "artifact.switch",
  "artifact.delete",
  "link.write",
  "link.delete",
  "environment.write",
  "environment.delete",
  "publish.upload",
  "forget",
]);

/**
 * Runs the steps of a plan: each when all it depends on has ended well, at most `jobs` at once. A
 * failed step stops only what depends on it, near or far. Returns one outcome a step, in the plan's order.
 */
export async function applyPlan(input: ApplyInput): Promise<readonly StepOutcome[]> {
  const running = new Map<ResourceId, Promise<StepOutcome>>();
  const waiting = new Set<ResourceId>();
  const slots = limit(input.jobs);
  for (const step of input.plan.steps) {
    const dependencies = step.dependsOn.flatMap((id) => running.get(id) ?? []);
    running.set(
      step.id,
      Promise.all(dependencies).then((ended) => {
        const failed = ended.find(
          ({ status, step: { id } }) => status === "failed" || status === "interrupted" || waiting.has(id),
        );
        if (step.blocked !== undefined) return ending(step, "skipped", step.blocked.message);
        if (step.operation === "keep") return ending(step, "kept", "as declared");
        if (failed !== undefined) {
          waiting.add(step.id);
          return ending(step, "skipped", `waits for ${failed.step.id}`);
        }
        return slots(() => runStep(step, input));
      }),
    );
  }
  // A journal that cannot be written fails a step's promise itself: even then nothing may go on behind the pass's back.
  const settled = await Promise.allSettled(running.values());
  return settled.map((each) => {
    if (each.status === "rejected") throw each.reason;
    return each.value;
  });
}

async function runStep(step: Step, input: ApplyInput): Promise<StepOutcome> {
  const { request, host, state, runId, plan } = input;
  if (request.signal.aborted || request.superseded()) return ending(step, "interrupted", "interrupted before it began");
  const { id, action, reason } = step;
  request.onEvent({ type: "apply_start", runId, revision: plan.revision, id, action, reason });
  const started_ms = host.clock.elapsed_ms();
  const journal = openStep(state, host, runId, step);
  try {
    requireRoot(step, host);
    const outcome = await execute(step, contextOf(step, input, journal.effect));
    journal.finish(outcome, undefined);
    const duration_ms = Math.round(host.clock.elapsed_ms() - started_ms);
    request.onEvent({ type: "apply_complete", id, result: outcome.result, duration_ms });
    return { ...ending(step, "done", outcome.result), notes: outcome.notes ?? [], duration_ms };
  } catch (thrown) {
    const duration_ms = Math.round(host.clock.elapsed_ms() - started_ms);
    const error = request.signal.aborted ? interrupted(step, thrown) : asRootloomError(thrown);
    journal.finish(undefined, error);
    return { ...failure(step, error, request), duration_ms };
  }
}

function contextOf(step: Step, input: ApplyInput, effect: ApplyContext["effect"]): ApplyContext {
  const { places, network, host, state, runId, plan, request } = input;
  return {
    ...places,
    host,
    space: input.space,
    network,
    signal: request.signal,
    superseded: request.superseded,
    runId,
    revision: plan.revision,
    owned: (id) => state.record(id),
    sights: plan.steps.every(leavesTrees) ? input.sights : undefined,
    effect,
    progress: (message, done = 0, total = 0, unit = undefined) =>
      request.onEvent({ type: "apply_progress", id: step.id, message, done, total, ...(unit && { unit }) }),
    log: (message) => request.onEvent({ type: "apply_progress", id: step.id, message, done: 0, total: 0 }),
  };
}

function leavesTrees({ kind, operation }: Step): boolean {
  return operation === "keep" || kind === "artifact" || kind === "link" || kind === "environment" || kind === "publish";
}

/** Said before anything is begun: half a step of an ordinary user would be in root's way. */
function requireRoot({ operation, id }: Step, host: Host): void {
  if (host.processes.userId === 0 || WITHOUT_ROOT.has(operation)) return;
  throw new RootloomError(`cannot run ${operation} of ${id}: it needs root`, {
    hint: "run it as root; without root only a root that is a tarball without a volume is packed",
    retry: "waiting",
    condition: "NeedsRoot",
  });
}

/** The table pairs each operation with its own arguments; a step carries both together. */
function execute(step: Step, context: ApplyContext): Promise<Outcome> {
  if (step.operation === "keep") throw new RootloomError(`cannot run ${step.id}: there is nothing to do`);
  const executor = executors[step.operation] as Executor<Operation>;
  return executor(step as StepOf<Operation>, context);
}

function ending(step: Step, status: StepOutcome["status"], result: string): StepOutcome {
  return { step, status, result, notes: [], error: undefined, duration_ms: 0 };
}

function failure(step: Step, error: RootloomError, request: PassRequest): StepOutcome {
  const { message, retry, details, condition } = error;
  const hint = error.hint ?? "";
  request.onEvent({ type: "apply_errored", id: step.id, message, hint, retry });
  const status = request.signal.aborted || condition === "Superseded" ? "interrupted" : "failed";
  return { ...ending(step, status, message), error: { message, hint, retry, details, condition } };
}

function interrupted(step: Step, thrown: unknown): RootloomError {
  return new RootloomError(`${step.operation} of ${step.id} was interrupted`, {
    hint: "the next pass takes it up again",
    retry: "transient",
    cause: thrown,
  });
}

/** At most `width` bodies run at once; the rest wait in the order in which they came. */
function limit(width: number): <T>(body: () => Promise<T>) => Promise<T> {
  let free = Math.max(1, width);
  const waiting: (() => void)[] = [];
  return async (body) => {
    if (free > 0) free -= 1;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await body();
    } finally {
      const next = waiting.shift();
      if (next === undefined) free += 1;
      else next();
    }
  };
}
