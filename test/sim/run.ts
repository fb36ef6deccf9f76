import { createRandom, type Random } from "../../src/host/fake/random.ts";
import { doDeed } from "./deeds.ts";
import type { DeliberateFault } from "./deliberate.ts";
import { calmPass, daemon, onePass, twoAtOnce } from "./drive.ts";
import { editSite, pick } from "./generate.ts";
import { commandAtWill, help } from "./people.ts";
import { settle } from "./settle.ts";
import { renderSite } from "./site.ts";
import { toward } from "./toward.ts";
import type { Violation } from "./watch.ts";
import { aimed, createWeather, drawWeather, type Weather } from "./weather.ts";
import { commitFiles, commitSite, count, createWorld, note, type World } from "./world.ts";

/** One thing that happens in a run. All that is random about it comes from its own seed, so that a history can be shortened. */
export interface Happening {
  readonly type:
    | "edit"
    | "revert"
    | "empty"
    | "break"
    | "pass"
    | "daemon"
    | "deed"
    | "clock"
    | "person"
    | "two"
    | "toward";
  readonly seed: number;
}

export interface RunResult {
  readonly seed: number;
  readonly history: readonly Happening[];
  readonly violations: readonly Violation[];
  readonly trace: readonly string[];
  readonly counts: ReadonlyMap<string, number>;
  readonly crashPoints: ReadonlySet<string>;
  readonly crashCalls: ReadonlySet<string>;
  readonly calls: number;
  readonly duration_ms: number;
}

/** How often each comes, of a hundred. */
const ODDS: readonly (readonly [Happening["type"], number])[] = [
  ["pass", 36],
  ["edit", 26],
  ["deed", 22],
  ["person", 5],
  ["daemon", 5],
  ["revert", 3],
  ["empty", 2],
  ["break", 2],
  ["clock", 2],
  ["two", 2],
];

/** What happens in the run of a seed. */
export function historyOf(seed: number): readonly Happening[] {
  const random = createRandom(seed * 7919 + 1);
  const one = (type: Happening["type"]): Happening => ({ type, seed: random.integer(0x7fffffff) });
  const history = Array.from({ length: random.integer(4) }, () => one(drawType(random)));
  // What leads to the point that this run aims at, and what may come to it: a pass, or what a person says.
  history.splice(random.integer(history.length + 1), 0, one("toward"), one("pass"), one("person"));
  return history;
}

/**
 * One whole run: a machine, its people and a history, then a host that is left to settle, and what must hold.
 * @param history instead of the seed's own: what is left of it when a failure is being shrunk
 */
export async function runSeed(
  seed: number,
  options: { readonly fault?: DeliberateFault | undefined; readonly history?: readonly Happening[] } = {},
): Promise<RunResult> {
  const begun_ms = performance.now();
  const history = options.history ?? historyOf(seed);
  const uninstall = options.fault?.install?.();
  const world = createWorld(seed, options.fault);
  try {
    for (const happening of history) await happen(world, happening);
    await settle(world);
  } catch (thrown) {
    world.watch.report("error", thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown));
  } finally {
    uninstall?.();
    world.host.crash("kill");
  }
  const { violations, crashPoints, crashCalls } = world.watch;
  return {
    seed,
    history,
    violations,
    trace: world.trace,
    counts: world.counts,
    crashPoints,
    crashCalls,
    calls: world.watch.calls(),
    duration_ms: performance.now() - begun_ms,
  };
}

async function happen(world: World, { type, seed }: Happening): Promise<void> {
  const random = createRandom(seed);
  count(world, `happening: ${type}`);
  switch (type) {
    case "pass":
      await onePass(world, weatherOf(world, random));
      return;
    case "daemon":
      return daemon(world, weatherOf(world, random), 1_000 + random.integer(200_000), () => meddle(world, random));
    case "two":
      return twoAtOnce(world, createWeather(random, "slow"));
    case "toward":
      return toward(world, random);
    case "person":
      return person(world, random);
    case "deed":
      doDeed(world, random);
      return world.observer.settle();
    case "clock":
      return jump(world, random);
    default:
      return commit(world, random, type);
  }
}

function commit(world: World, random: Random, type: "edit" | "revert" | "empty" | "break"): void {
  if (type === "edit") {
    let site = world.site;
    for (let edits = 1 + random.integer(3); edits > 0; edits -= 1) site = editSite(site, random);
    commitSite(world, site, "an edit");
  } else if (type === "revert") commitSite(world, pick(world.history, random), "back to an earlier one");
  else if (type === "empty") {
    commitFiles(world, new Map(), "everything removed");
    world.committed = "empty";
  } else {
    const files = new Map(renderSite(world.site, world.tarballs));
    const victim = pick(
      [...files.keys()].filter((path) => path.endsWith(".yaml")),
      random,
    );
    files.set(victim, random.chance(0.5) ? "kind: [" : "apiVersion: rootloom/v1\nkind: Nothing\n");
    commitFiles(world, files, `${victim} is broken`);
    world.committed = "broken";
  }
}

/** In the middle of a pass: a commit arrives, or somebody does something. */
function meddle(world: World, random: Random): void {
  if (random.chance(0.5)) doDeed(world, random);
  else if (random.chance(0.15)) setClock(world, random);
  else commit(world, random, pick(["edit", "revert", "empty", "break"], random));
}

/** Somebody looks, does most of what the program asks for, and now and then something that nobody asked for. */
async function person(world: World, random: Random): Promise<void> {
  const weather = (): Weather => weatherOf(world, random);
  if (random.chance(0.3)) await commandAtWill(world, random, weather());
  await help(world, await calmPass(world), weather, () => random.chance(0.4));
}

async function jump(world: World, random: Random): Promise<void> {
  setClock(world, random);
  await world.observer.advance(random.integer(10_000));
}

function setClock(world: World, random: Random): void {
  const change_ms = pick([-3_600_000, 3_600_000, 86_400_000 * 40, -1_000], random);
  note(world, `the clock jumps by ${change_ms} ms`);
  world.observer.outside.jumpClock(change_ms);
}

function weatherOf(world: World, random: Random): Weather {
  if (!world.aim.hit && random.chance(0.6)) return aimed(world.aim, random);
  return createWeather(random, drawWeather(random), (world) => meddle(world, random));
}

function drawType(random: Random): Happening["type"] {
  let left = random.integer(ODDS.reduce((sum, [, odds]) => sum + odds, 0));
  for (const [type, odds] of ODDS) {
    if (left < odds) return type;
    left -= odds;
  }
  return "pass";
}
