import { RootloomError } from "../core/error.ts";
import type { OwnedRecord, ResourceId } from "../core/resource.ts";
import { applyExitCode } from "../report/exit-code.ts";
import { toJson } from "../report/report.ts";
import { forgiveFailures } from "../resources/artifact/verdict.ts";
import { checkHostPath } from "../resources/limits.ts";
import { whoseIs } from "../resources/marked.ts";
import { type OpenedState, openState } from "../state/state.ts";
import type { Decision } from "../state/types.ts";
import type { CommandContext, CommandName, CommandResult, Decided, Handler } from "./command-types.ts";
import { collect } from "./gc.ts";
import { now } from "./journal.ts";
import { kernelConfigCommand } from "./kernel-config.ts";
import { resolveName } from "./names.ts";
import { runPass } from "./pass.ts";
import { heardBy, passRequest } from "./request.ts";
import { rollbackCommand, snapshotCommand } from "./snapshots.ts";
import type { PassResult, Session } from "./types.ts";
import { standingMounts, unmountAttached, unmountRecorded } from "./unmount.ts";

/**
 * One handler a changing command, used by the command line and by the daemon. The caller holds the
 * state's lock, and runs a pass when `wake` asks for one.
 */
export const handlers: { readonly [C in CommandName]: Handler<C> } = {
  apply: async (session, given, context) => {
    const asked = { approveAll: given.yes, planDigest: given.planDigest ?? undefined, retryStalled: true };
    const result = await runPass(session, passRequest({ ...heardBy(context), ...asked, trigger: "command" }));
    const report = toJson(result);
    return { exitCode: applyExitCode(report), lines: [], report };
  },
  trigger: async (session, given, context) => {
    const { result } = await look(session, context);
    const ids = given.names.map((name) => resolveName(name, knownIds(result, [])));
    return { exitCode: 0, lines: [...forgive(session, result, ids), "a pass was asked for"], wake: "retry" };
  },
  approve,
  adopt,
  forget,
  suspend: async (session, given, context) => {
    const ids = await resolve(session, given.names, context);
    const until = given.until === "" ? "until resumed" : `until ${given.until}`;
    return write(session, ids, (state, id) => {
      state.decide(decision(session, id, "suspend", given, { until: given.until }));
      return `${id} is suspended ${until}`;
    });
  },
  resume: async (session, given, context) => {
    const ids = await resolve(session, given.names, context);
    const done = await write(session, ids, (state, id) => {
      const suspended = state.decisions().some((it) => it.id === id && it.type === "suspend");
      if (!suspended)
        throw new RootloomError(`cannot resume ${id}: it is not suspended`, { hint: "`rootloom status`" });
      state.withdraw(id, "suspend");
      return `${id} is resumed`;
    });
    return { ...done, wake: "pass" };
  },
  unmount: async (session, given, context) => {
    const attached = given.all ? await unmountAttached(session, context.signal) : [];
    const records = standingMounts(session, given, attached.length > 0);
    const ids = records.map(({ id }) => id);
    // The next pass would mount them again: level-triggered means that "not now" must be said, also where one of them is busy.
    const why = given.why === "" ? "unmounted by hand" : given.why;
    const said = await write(session, ids, (state, id) => {
      state.decide(decision(session, id, "suspend", { ...given, why }, {}));
      return `${id} is unmounted and suspended: rootloom resume ${id}`;
    });
    await unmountRecorded(session, records, context.signal);
    return { ...said, lines: [...attached, ...said.lines] };
  },
  snapshot: snapshotCommand,
  rollback: rollbackCommand,
  kernelConfig: kernelConfigCommand,
  gc: async (session, given) => {
    const state = openState(session.host, session.configuration.state, "read");
    try {
      return await collect(session, state, given);
    } finally {
      state.close();
    }
  },
};

/** Of images and kernels that are named: what failed its check is tried once more. */
function forgive(session: Session, { graph }: PassResult, ids: readonly ResourceId[]): readonly string[] {
  const { host, configuration } = session;
  const state = openState(host, configuration.state, "read");
  state.close();
  return graph.resources.flatMap((resource) => {
    if ((resource.kind !== "artifact" && resource.kind !== "kernel") || !ids.includes(resource.id)) return [];
    const { id, path } = resource;
    if (checkHostPath(host.files, path, configuration.limits, configuration.state) !== undefined) return [];
    if (whoseIs(path, { host, instance: state.instance }).state !== "ours") return [];
    return forgiveFailures(host.files, path).map((generation) => `${id}: generation ${generation} is tried once more`);
  });
}

async function approve(session: Session, given: Decided, context: CommandContext): Promise<CommandResult> {
  const { result } = await look(session, context);
  const steps = new Map(result.plan.steps.map((step) => [step.id, step]));
  const ids = given.names.map((name) => resolveName(name, [...steps.keys()]));
  for (const id of ids) {
    const step = steps.get(id);
    if (step?.blocked?.condition === "ApprovalRequired") continue;
    const why = step?.blocked?.message ?? (step?.operation === "keep" ? "it is as declared" : "its step needs none");
    throw new RootloomError(`cannot approve ${id}: nothing of it waits for approval (${why})`, {
      hint: "see what waits: rootloom plan",
    });
  }
  const done = await write(session, ids, (state, id) => {
    const step = steps.get(id);
    state.decide(decision(session, id, "approve", given, { digest: step?.digest ?? "" }));
    return `${id} is approved: ${step?.reason ?? ""}`;
  });
  return { ...done, wake: "pass" };
}

async function adopt(session: Session, given: Decided, context: CommandContext): Promise<CommandResult> {
  const { result, records } = await look(session, context);
  const ids = given.names.map((name) => resolveName(name, knownIds(result, [])));
  for (const id of ids) {
    // A recorded one may have been exchanged for somebody else's: then it can be adopted anew.
    const isExchanged = result.plan.steps.some((step) => step.id === id && step.action === "adopt");
    if (isExchanged || !records.some((record) => record.id === id)) continue;
    throw new RootloomError(`cannot adopt ${id}: it is ours already`, { hint: `see it: rootloom explain ${id}` });
  }
  const done = await write(session, ids, (state, id) => {
    state.decide(decision(session, id, "adopt", given, {}));
    return `${id} is adopted by the next pass`;
  });
  return { ...done, wake: "pass" };
}

async function forget(session: Session, given: Decided, context: CommandContext): Promise<CommandResult> {
  const { result, records } = await look(session, context);
  const ids = given.names.map((name) => resolveName(name, knownIds(result, records)));
  for (const id of ids) {
    const declared = result.graph.resources.find((resource) => resource.id === id);
    if (declared === undefined) continue;
    const { file, line } = declared.origin;
    throw new RootloomError(`cannot forget ${id}: it is declared in ${file}:${line}`, {
      hint: `remove the declaration in a commit first, or leave it alone for now: rootloom suspend ${id}`,
    });
  }
  const done = await write(session, ids, (state, id) => {
    state.decide(decision(session, id, "forget", given, {}));
    return `${id} is forgotten by the next pass; its data and its marker stay`;
  });
  return { ...done, wake: "pass" };
}

async function look(
  session: Session,
  context: CommandContext,
): Promise<{ readonly result: PassResult; readonly records: readonly OwnedRecord[] }> {
  const { signal, superseded } = context;
  const result = await runPass(session, passRequest({ trigger: "command", mode: "plan", signal, superseded }));
  const [problem] = result.documentProblems;
  if (problem !== undefined) {
    throw new RootloomError(`cannot plan: ${problem.file}:${problem.line}:${problem.column}: ${problem.message}`, {
      hint: "see all problems: rootloom validate",
    });
  }
  const state = openState(session.host, session.configuration.state, "read");
  try {
    return { result, records: state.records() };
  } finally {
    state.close();
  }
}

async function resolve(
  session: Session,
  names: readonly string[],
  context: CommandContext,
): Promise<readonly ResourceId[]> {
  const { result, records } = await look(session, context);
  return names.map((name) => resolveName(name, knownIds(result, records)));
}

function knownIds(result: PassResult, records: readonly OwnedRecord[]): readonly ResourceId[] {
  return [...new Set([...result.graph.resources, ...records].map(({ id }) => id))];
}

async function write(
  session: Session,
  ids: readonly ResourceId[],
  each: (state: OpenedState, id: ResourceId) => string,
): Promise<CommandResult> {
  const state = openState(session.host, session.configuration.state, "write");
  try {
    return { exitCode: 0, lines: ids.map((id) => each(state, id)) };
  } finally {
    state.close();
  }
}

function decision(
  session: Session,
  id: ResourceId,
  type: Decision["type"],
  given: Pick<Decided, "who" | "why">,
  rest: Partial<Pick<Decision, "digest" | "until">>,
): Decision {
  const { who, why } = given;
  return { id, type, digest: "", until: "", ...rest, who, why, at: now(session.host) };
}
