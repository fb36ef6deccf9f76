import { backoff_ms } from "../core/backoff.ts";
import { asRootloomError, type RootloomError } from "../core/error.ts";
import { execute } from "../pass/commands.ts";
import { runPass } from "../pass/pass.ts";
import { passRequest } from "../pass/request.ts";
import type { PassEvent, PassResult, Session } from "../pass/types.ts";
import { NO_LIMITS } from "../resources/limits.ts";
import { LOCKED, withStateLock } from "../state/lock.ts";
import { serveControl } from "./control.ts";
import type { Log } from "./log.ts";
import { createQueue, type Queue } from "./queue.ts";
import { createWakes, type Trigger, type Wakes } from "./wakes.ts";
import { watchSource } from "./watch.ts";
import { startWatchdog, type Watchdog } from "./watchdog.ts";

/** How long SIGTERM waits for steps that cannot be cancelled. */
const LONGEST_STOP_MS = 15_000;
const LOCK_RETRY_MS = 1_000;
const DEFAULT_INTERVAL_MS = 60_000;

/** Everything the parts of one running daemon share. */
interface Daemon {
  readonly session: () => Session;
  readonly log: Log;
  readonly wakes: Wakes;
  readonly queue: Queue;
  readonly watchdog: Watchdog;
  /** Ends cancellable work. */
  readonly stopping: AbortController;
}

/** What a pass leaves for the next wait: in memory only, so that an idle daemon writes nothing. */
interface Wait {
  readonly longest_ms: number;
  readonly failures: number;
}

/**
 * The service. Returns when it was told to stop, with the exit code.
 * @param reload reads the configuration again (SIGHUP)
 */
export async function runDaemon(first: Session, reload: () => Session, log: Log): Promise<number> {
  const { host } = first;
  let session = first;
  const daemon: Daemon = {
    session: () => session,
    log,
    wakes: createWakes(host.clock),
    queue: createQueue(),
    watchdog: startWatchdog(host),
    stopping: new AbortController(),
  };
  const hangup = (): void => {
    // The host stays: only what was configured may be new.
    session = { host, configuration: configurationOr(session, reload, log) };
    daemon.wakes.wake("hangup");
  };
  // Released last to first, also when one of them cannot be had: anything left would keep the process alive.
  const held: (() => unknown)[] = [
    () => daemon.watchdog.stop(),
    host.events.onSignal("SIGTERM", () => stop(daemon)),
    host.events.onSignal("SIGINT", () => stop(daemon)),
    host.events.onSignal("SIGHUP", hangup),
  ];
  try {
    host.files.makeDirectories(session.configuration.state, 0o700);
    const control = await serveControl(host, `${session.configuration.state}/control.sock`, (request, emit) =>
      answer(daemon, request, emit),
    );
    held.push(() => control.close());
    const watcher = await watchSource(session, daemon.wakes, log);
    held.push(() => watcher.close());
    daemon.wakes.wake("start");
    await host.events.notify("READY=1\nSTATUS=waiting for the first pass");
    await loop(daemon);
    await host.events.notify("STOPPING=1");
    await finishRequests(daemon);
  } finally {
    for (const release of held.reverse()) await release();
  }
  return 0;
}

/** The configuration read anew. Where it is refused, the limits in it may have been meant to be stricter: none of the old ones is kept. */
function configurationOr(current: Session, reload: () => Session, log: Log): Session["configuration"] {
  try {
    return reload().configuration;
  } catch (thrown) {
    const { message, hint } = asRootloomError(thrown);
    log.error({ hint }, `cannot reload, so that only the state directory is allowed until it can: ${message}`);
    return { ...current.configuration, limits: NO_LIMITS };
  }
}

/** Waits for requests from the socket, but not for ever; the timer ends with the wait, or it would keep the process alive. */
async function finishRequests(daemon: Daemon): Promise<void> {
  const { clock } = daemon.session().host;
  const done = new AbortController();
  const limit = clock.sleep(LONGEST_STOP_MS, done.signal).catch(() => undefined);
  await Promise.race([daemon.queue.idle(), limit]);
  done.abort();
}

/** The main loop: wait for a reason, run a pass, decide how long to wait. */
async function loop(daemon: Daemon): Promise<void> {
  let wait: Wait = { longest_ms: DEFAULT_INTERVAL_MS, failures: 0 };
  for (;;) {
    daemon.watchdog.rest();
    const trigger = await daemon.wakes.next(wait.longest_ms);
    if (trigger === "stop" || daemon.stopping.signal.aborted) return;
    wait = await daemon.queue.run(() => guardedPass(daemon, trigger, wait.failures));
  }
}

async function guardedPass(daemon: Daemon, trigger: Trigger, failures: number): Promise<Wait> {
  const { host, configuration } = daemon.session();
  daemon.watchdog.progress();
  try {
    const result = await withStateLock(host, configuration.state, () =>
      runPass(
        daemon.session(),
        passRequest({
          trigger,
          signal: daemon.stopping.signal,
          superseded: () => daemon.wakes.pending("commit"),
          onEvent: (event) => told(daemon, event),
        }),
      ),
    );
    return await afterPass(daemon, result, failures);
  } catch (thrown) {
    return afterError(daemon, asRootloomError(thrown), trigger, failures);
  }
}

async function afterPass(daemon: Daemon, result: PassResult, failures: number): Promise<Wait> {
  const { host } = daemon.session();
  const worked = result.outcomes.filter((outcome) => outcome.status === "done" || outcome.status === "failed").length;
  const { result: verdict, revision, runId, trigger, duration_ms } = result;
  if (worked > 0 || verdict !== "converged")
    daemon.log.info({ runId, revision, trigger, worked, duration_ms }, `pass ${verdict}`);
  for (const problem of result.documentProblems) {
    daemon.log.error(problem, `${problem.file}:${problem.line}:${problem.column}: ${problem.message}`);
  }
  await host.events.notify(`STATUS=${verdict} at ${revision.slice(0, 12)}`);
  if (verdict === "failed") return retryLater(daemon, failures + 1);
  const jitter = 0.9 + Number.parseInt(host.clock.random(2), 16) / 0xffff / 5;
  const interval_s = daemon.session().configuration.interval_s ?? result.graph.policy.interval_s;
  return { longest_ms: interval_s * 1000 * jitter, failures: 0 };
}

function afterError(daemon: Daemon, error: RootloomError, trigger: Trigger, failures: number): Wait {
  if (daemon.stopping.signal.aborted) return { longest_ms: 0, failures };
  if (error.condition === LOCKED) {
    daemon.wakes.wake(trigger, LOCK_RETRY_MS);
    return { longest_ms: DEFAULT_INTERVAL_MS, failures };
  }
  daemon.log.error({ hint: error.hint, retry: error.retry }, error.message);
  return retryLater(daemon, failures + 1);
}

function retryLater(daemon: Daemon, failures: number): Wait {
  const { clock } = daemon.session().host;
  const fraction = Number.parseInt(clock.random(4), 16) / 2 ** 32;
  return { longest_ms: backoff_ms(failures, fraction), failures };
}

/** A command from the socket, in line with the passes; one that needs a pass runs it itself. */
function answer(daemon: Daemon, request: unknown, emit: (event: object) => void): Promise<object> {
  return daemon.queue.run(async () => {
    daemon.watchdog.progress();
    const told = (event: PassEvent): void => {
      daemon.watchdog.progress();
      emit(event);
    };
    return execute(daemon.session(), request, told, daemon.stopping.signal);
  });
}

function told(daemon: Daemon, event: PassEvent): void {
  daemon.watchdog.progress();
  if (event.type === "apply_complete") daemon.log.info({ id: event.id, duration_ms: event.duration_ms }, event.result);
  if (event.type === "apply_errored")
    daemon.log.error({ id: event.id, hint: event.hint, retry: event.retry }, event.message);
}

function stop(daemon: Daemon): void {
  daemon.stopping.abort();
  daemon.wakes.wake("stop");
}
