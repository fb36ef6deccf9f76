import { asRootloomError, RootloomError } from "../core/error.ts";
import { type PlanInput, plan } from "../core/plan.ts";
import type { Plan } from "../core/step.ts";
import { planners } from "../resources/index.ts";
import { type BegunSights, beginSights } from "../resources/sights.ts";
import { createSpaceLedger } from "../resources/space.ts";
import type { Network, Places } from "../resources/types.ts";
import { type OpenedState, openState } from "../state/state.ts";
import type { State } from "../state/types.ts";
import { deletionLimit, readDecisions, rememberDeletionLimit, settle, withdrawOvertaken } from "./decisions.ts";
import { type Desired, loadDesired, sha256 } from "./desired.ts";
import { observeAll, prepareObservers } from "./observe.ts";
import { beginRun, type Ended, type Run, record, recordSourceFailure, resultOf } from "./result.ts";
import type { PassRequest, PassResult, Session } from "./types.ts";

/**
 * One pass: load, compile, observe, plan, apply, record. With mode `plan` it ends after planning and
 * leaves the host and the state byte for byte as they were. For mode `apply` the caller holds the state's lock.
 * @throws RootloomError when the source or the store cannot be read at all, or a plan file is out of
 * date; problems of documents and failures of steps are part of the result.
 */
export async function runPass(session: Session, request: PassRequest): Promise<PassResult> {
  const run = beginRun(session, request);
  session.host.jobs.prepare(request.mode === "plan" ? "looks" : "all");
  const sights = beginSights(session.host, session.configuration, request.signal);
  const loading = loadDesired(session, request.mode === "plan" ? "known" : "read");
  prepareObservers();
  const desired = await loading.catch((thrown) => sourceFailed(session, request, run, thrown));
  // To start a command stops all threads for some milliseconds: where something may be packed, git looks when that is done.
  const telling = request.mode === "plan" ? desired.status() : undefined;
  const state = openState(session.host, session.configuration.state, request.mode === "apply" ? "write" : "read");
  try {
    const ended =
      desired.problems.length > 0
        ? invalid(desired)
        : await reconcile(session, request, run.runId, desired, state, sights);
    const result = resultOf(session, run, desired, await (telling ?? desired.status()), ended, state);
    if (request.mode === "apply") record(session, state, result);
    return result;
  } finally {
    state.close();
  }
}

async function reconcile(
  session: Session,
  request: PassRequest,
  runId: string,
  desired: Desired,
  state: OpenedState,
  sights: BegunSights,
): Promise<Ended> {
  const { host } = session;
  const { graph } = desired;
  const places = placesOf(session, state);
  const effects = request.mode === "apply" ? await import("./effects.ts") : undefined;
  if (effects !== undefined && (await effects.recover(state, host, places, request, runId))) sights.forget();
  sights.expect(graph.resources);
  if (request.mode === "apply") withdrawOvertaken(state, graph);
  const owned = state.records();
  const network = networkOf(session.configuration.network, graph.policy.offline);
  const context = { ...places, host, network, signal: request.signal, owned: (id: string) => state.record(id), sights };
  const observations = await observeAll(graph.resources, owned, context);
  const input = planInput(session, request, desired, state);
  const planned = plan({ ...input, ...observations, owned });
  if (effects === undefined) return { plan: planned, outcomes: [] };
  refuseOutdated(request, planned);
  const { jobs } = graph.policy;
  const space = createSpaceLedger(host.files, () => effects.collectForRoom(session, state, graph));
  const outcomes = await effects.applyPlan({
    plan: planned,
    host,
    state,
    places,
    network,
    space,
    runId,
    jobs,
    request,
    sights,
  });
  settle(state, outcomes);
  rememberDeletionLimit(state, graph.policy.maxDeletions, input.maxDeletions, planned);
  const changed = outcomes.some((outcome) => outcome.status === "done");
  const notes = changed && !request.signal.aborted ? await effects.collectAfterwards(session, state, graph) : [];
  return { plan: planned, outcomes, notes };
}

function planInput(
  session: Session,
  request: PassRequest,
  desired: Desired,
  state: State,
): Omit<PlanInput, "observed" | "unobserved" | "owned"> {
  const { snapshot, graph } = desired;
  return {
    revision: snapshot.revision,
    treeHash: snapshot.treeHash,
    desired: graph,
    decisions: readDecisions(state, session.host, graph, request.retryStalled),
    maxDeletions: deletionLimit(state, graph.policy.maxDeletions, session.configuration.limits.maxDeletions),
    approveAll: request.approveAll,
    planners,
    digest: sha256,
  };
}

/** Missing or invalid desired state plans nothing (DESIGN, rule 4). */
function invalid(desired: Desired): Ended {
  const { revision, treeHash } = desired.snapshot;
  const empty: Plan = { revision, treeHash, steps: [], problems: [], digest: "" };
  return { plan: empty, outcomes: [] };
}

function sourceFailed(session: Session, request: PassRequest, run: Run, thrown: unknown): never {
  if (request.mode === "apply" && !request.signal.aborted) recordSourceFailure(session, run, asRootloomError(thrown));
  throw thrown;
}

function refuseOutdated(request: PassRequest, planned: Plan): void {
  if (request.planDigest === undefined || request.planDigest === planned.digest) return;
  throw new RootloomError("cannot apply the plan file: the commit or the host has changed since it was made", {
    hint: "make a new one: rootloom plan --out FILE",
  });
}

/** The commit can only be stricter than the host. */
function networkOf(network: Network | undefined, offline: boolean): Network {
  return { caFile: network?.caFile, offline: offline || network?.offline === true };
}

function placesOf(session: Session, state: State): Places {
  const { state: directory, cache, limits } = session.configuration;
  return { instance: state.instance, state: directory, cache, limits };
}
