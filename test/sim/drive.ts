import { runDaemon } from "../../src/daemon/loop.ts";
import { Crash } from "../../src/host/fake/faults.ts";
import type { FakeHost } from "../../src/host/fake/host.ts";
import { execute, type Request } from "../../src/pass/commands.ts";
import { runPass } from "../../src/pass/pass.ts";
import { passRequest } from "../../src/pass/request.ts";
import type { PassRequest, PassResult } from "../../src/pass/types.ts";
import { withStateLock } from "../../src/state/lock.ts";
import { checkLiving, livingThings } from "./living.ts";
import { type Site, STATE } from "./site.ts";
import { createWeather, type Weather } from "./weather.ts";
import { note, restart, sessionOf, type World } from "./world.ts";

const DAY_MS = 24 * 3_600_000;

/** One pass in a process of its own, under a weather; undefined where the process died or could not even begin. */
export async function onePass(world: World, weather: Weather): Promise<PassResult | undefined> {
  const host = restart(world, weather);
  return watched(world, weather, "pass", async () => host.runUntil(passNow(world, host), DAY_MS));
}

export async function calmPass(world: World): Promise<PassResult | undefined> {
  return onePass(world, createWeather(world.random, "calm"));
}

/** A command of a person, in a process of its own; undefined where it was refused or died. */
export async function command(world: World, weather: Weather, request: Request): Promise<number | undefined> {
  const host = restart(world, weather);
  const session = sessionOf(world, host);
  const run = () => execute(session, request, () => undefined, new AbortController().signal);
  world.watch.person(request.command);
  const done = await watched(world, weather, request.command, async () => host.runUntil(run(), DAY_MS));
  world.watch.person("");
  return done?.exitCode;
}

/** The daemon for a while, then told to stop, unless it died before. */
export async function daemon(
  world: World,
  weather: Weather,
  duration_ms: number,
  meanwhile: () => void,
): Promise<void> {
  const host = restart(world, weather);
  const session = sessionOf(world, host);
  const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };
  await watched(world, weather, "daemon", async () => {
    let ended = false;
    const running = runDaemon(session, () => session, quiet).finally(() => {
      ended = true;
    });
    running.catch(() => undefined);
    await host.advance(duration_ms / 2);
    meanwhile();
    host.hint("/srv/config/.git/refs/heads/main");
    await host.advance(duration_ms / 2);
    if (!ended && host.isAlive) host.signal("SIGTERM");
    return host.runUntil(running, DAY_MS);
  });
}

/** Two processes at once: whoever has no lock must not do anything. */
export async function twoAtOnce(world: World, weather: Weather): Promise<void> {
  const host = restart(world, weather);
  const rival = world.observer.beside({ faults: world.watch.around({}, () => rival.processes.pid) });
  await watched(world, weather, "two at once", async () => {
    const rivals = [host, rival].map((each) => passNow(world, each).catch(() => undefined));
    const both = await host.runUntil(Promise.all(rivals), DAY_MS);
    return both[0];
  });
  rival.crash("kill");
}

function passNow(world: World, host: FakeHost): Promise<PassResult> {
  const session = sessionOf(world, host);
  return withStateLock(session.host, STATE, () => runPass(session, requestOf(world)));
}

function requestOf(world: World): PassRequest {
  return passRequest({
    trigger: "command",
    retryStalled: true,
    onEvent: (event) => {
      if (event.type === "apply_start") note(world, `  ${event.action} ${event.id}: ${event.reason}`);
      else if (event.type === "apply_errored") note(world, `  failed ${event.id}: ${event.message}`);
    },
  });
}

/** Runs something of the program between two looks at what it must not lose. */
async function watched<T>(
  world: World,
  weather: Weather,
  what: string,
  work: () => Promise<T>,
): Promise<T | undefined> {
  const before = livingThings(world);
  const removed = new Map(world.watch.removals);
  const commits = world.history.length;
  note(world, `${what} (${weather.name})`);
  let result: T | undefined;
  try {
    result = await work();
  } catch (thrown) {
    if (!(thrown instanceof Crash)) note(world, `  ended: ${thrown instanceof Error ? thrown.message : thrown}`);
    else if (world.host.isAlive) throw thrown;
  }
  await world.observer.settle();
  weather.clear();
  checkLiving(world, before);
  checkRemovals(world, removed, world.history.slice(commits - 1));
  world.watch.checkCanaries();
  return result;
}

/** No run deletes more than the greatest limit that was committed while it went on. */
function checkRemovals(world: World, before: ReadonlyMap<string, number>, sites: readonly Site[]): void {
  const most = Math.max(...sites.map(({ maxDeletions }) => maxDeletions));
  for (const [run, count] of world.watch.removals) {
    if (before.get(run) === count || count <= most) continue;
    world.watch.report("prune", `run ${run} deleted ${count}, at most ${most} were allowed`);
  }
}
