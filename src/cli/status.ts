import type { Session } from "../pass/types.ts";
import type { Status } from "../report/status.ts";
import { type CommandDefinition, flagOf, textOf } from "./command.ts";

const POLL_MS = 500;

export const status: CommandDefinition = {
  name: "status",
  summary: "show what the last passes found; looks at the state only",
  options: [
    ["--json", "one JSON document"],
    ["--wait", "wait until it is Ready or Stalled"],
    ["--timeout <time>", "how long to wait (default 5m)"],
  ],
  examples: [
    ["rootloom status", "exit code 0: Ready, 2: not Ready, 3: timed out, 4: Stalled"],
    ["rootloom status --wait --timeout 10m", "after a commit, until the daemon has converged"],
  ],
  run: async (context, given) => {
    const session = await context.session();
    const { durationSeconds } = await import("../configuration.ts");
    const { statusJson, statusText, verdictOf } = await import("../report/status.ts");
    const { statusExitCode } = await import("../report/exit-code.ts");
    const { clock } = session.host;
    const until_ms = clock.elapsed_ms() + durationSeconds(textOf(given, "timeout") ?? "5m", "--timeout") * 1000;
    const commit = flagOf(given, "wait") ? await committedTree(session) : undefined;
    // Ready of an older commit says nothing about this one: a pass has to see it first.
    const isBehind = ({ conditions }: Status) =>
      commit !== undefined &&
      conditions.some(({ object, observedGeneration }) => object === "host" && observedGeneration !== commit);
    const waiting = (found: Status) =>
      flagOf(given, "wait") && (verdictOf(found) === "NotReady" || found.busy !== "" || isBehind(found));
    let found = await readStatus(session);
    while (waiting(found) && clock.elapsed_ms() < until_ms) {
      await clock.sleep(POLL_MS);
      found = await readStatus(session);
    }
    if (flagOf(given, "json")) context.output.document(statusJson(found));
    else context.output.write(statusText(found, context.output));
    if (waiting(found) && isBehind(found))
      context.output.error("no pass has seen the current commit yet: is the daemon running? rootloom doctor\n");
    return waiting(found) ? 3 : statusExitCode(verdictOf(found));
  },
};

/** Hash of the tree that the next pass would see; undefined where it cannot be read, which the status says itself. */
async function committedTree({ host, configuration }: Session): Promise<string | undefined> {
  const { locate } = await import("../source/locate.ts");
  try {
    const { location } = await locate(host, configuration.source);
    return (await host.git.resolve(location))?.treeHash;
  } catch {
    return undefined;
  }
}

async function readStatus(session: Session): Promise<Status> {
  const { openState } = await import("../state/state.ts");
  const { describeHolders, lockPath } = await import("../state/lock.ts");
  const { host, configuration } = session;
  const state = openState(host, configuration.state, "read");
  try {
    const held = host.stores.holders(lockPath(configuration.state)).length > 0;
    const busy = held ? describeHolders(host, configuration.state) : "";
    const now_ms = host.clock.now_ms();
    const decisions = state.decisions().filter(({ until }) => until === "" || Date.parse(until) > now_ms);
    return { conditions: state.conditions(), lastRun: state.runs(1)[0], decisions, busy };
  } finally {
    state.close();
  }
}
