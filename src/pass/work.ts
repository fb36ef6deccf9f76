import { asRootloomError, RootloomError } from "../core/error.ts";
import type { DesiredGraph, Resource, ResourceId, ResourceKind } from "../core/resource.ts";
import type { ApplyContext, Outcome } from "../resources/types.ts";
import { openState } from "../state/state.ts";
import type { State } from "../state/types.ts";
import type { CommandContext } from "./command-types.ts";
import { loadDesired } from "./desired.ts";
import { openStep } from "./journal.ts";
import { resolveName } from "./names.ts";
import { recover } from "./recover.ts";
import { heardBy, passRequest } from "./request.ts";
import { newRunId } from "./result.ts";
import type { Session } from "./types.ts";

/** A declared resource that a command is about. */
export interface Found {
  readonly resource: Resource;
  readonly revision: string;
  readonly graph: DesiredGraph;
}

/** What a person names, among the declared resources of some kinds. */
export async function findDeclared(session: Session, name: string, kinds: readonly ResourceKind[]): Promise<Found> {
  const { graph, snapshot, problems } = await loadDesired(session);
  if (problems.length > 0)
    throw new RootloomError(`cannot tell what ${name} is: the desired state has problems`, {
      hint: "rootloom validate",
    });
  const candidates = graph.resources.filter(({ kind }) => kinds.includes(kind));
  const id = resolveName(
    name,
    candidates.map((candidate) => candidate.id),
  );
  const resource = candidates.find((each) => each.id === id);
  if (resource !== undefined) return { resource, revision: snapshot.revision, graph };
  throw new RootloomError(`cannot find ${name}: nothing declared has that name`);
}

interface Work {
  readonly id: ResourceId;
  readonly operation: "tree.snapshot" | "tree.rollback" | "artifact.rollback" | "kernel.configure";
  readonly revision: string;
}

/** Runs one journaled step that no plan holds; what an earlier kill left is dealt with first. */
export async function workOn(
  session: Session,
  { id, operation, revision }: Work,
  context: CommandContext,
  body: (apply: ApplyContext, state: State) => Promise<Outcome>,
): Promise<void> {
  const { host, configuration } = session;
  const { emit, signal } = context;
  const state = openState(host, configuration.state, "write");
  try {
    const runId = newRunId(host);
    const { state: directory, cache, limits } = configuration;
    const places = { instance: state.instance, state: directory, cache, limits };
    await recover(state, host, places, passRequest({ ...heardBy(context), trigger: "command" }), runId);
    const journal = openStep(state, host, runId, { id, operation });
    const apply: ApplyContext = {
      ...places,
      host,
      network: { offline: true, caFile: undefined },
      signal,
      runId,
      revision,
      owned: (id) => state.record(id),
      effect: journal.effect,
      progress: (message, done = 0, total = 0) => emit({ type: "apply_progress", id, message, done, total }),
      log: (message) => emit({ type: "apply_progress", id, message, done: 0, total: 0 }),
    };
    try {
      journal.finish(await body(apply, state), undefined);
    } catch (thrown) {
      journal.finish(undefined, asRootloomError(thrown));
      throw thrown;
    }
  } finally {
    state.close();
  }
}
