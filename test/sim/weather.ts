import type { Call, FaultPlan } from "../../src/host/fake/faults.ts";
import { Crash } from "../../src/host/fake/faults.ts";
import type { Random } from "../../src/host/fake/random.ts";
import type { Aim } from "./aim.ts";
import { editWhatIsLaid } from "./deeds.ts";
import { createFailing, type Failing } from "./failing.ts";
import { pick } from "./generate.ts";
import { createPointReader, fileOf } from "./points.ts";
import { STATE } from "./site.ts";
import { atPoint, drawPoint, drawTrigger, type Trigger } from "./trigger.ts";
import { count, note, type World } from "./world.ts";

/** What one process of ours meets: it is drawn once, and strikes at calls or at points of the journal. */
export interface Weather extends FaultPlan {
  readonly name: WeatherKind;
  readonly durations_ms: Readonly<Record<string, number>>;
  readonly outlives: (name: string) => boolean;
  /** What happens to a command: told in words. */
  readonly onCommand: (name: string, what: string) => void;
  readonly attach: (world: World) => void;
  /** The sky clears: space and idle processes come back. */
  readonly clear: () => void;
}

export const WEATHERS = [
  "calm",
  "kill",
  "power",
  "transient errors",
  "permanent error",
  "no space",
  "busy",
  "slow",
  "slow kill",
  "meddling",
] as const;

/** Deaths come more often than all else. */
export function drawWeather(random: Random): WeatherKind {
  return random.chance(0.35) ? pick(["kill", "kill", "power"], random) : pick(WEATHERS, random);
}

export type WeatherKind = (typeof WEATHERS)[number];

/** What weathers do to a world, once they are attached to one. */
interface Strike {
  readonly world: World;
  readonly call: Call;
  readonly point: string | undefined;
}

export function createWeather(
  random: Random,
  name: WeatherKind,
  meddle: (world: World) => void = () => undefined,
): Weather {
  const { trigger, strike } = drawStrike(random, name, meddle);
  const failing = createFailing(random, name);
  // What goes wrong may be followed by a kill: also what mends a failure must be killable.
  const last = failing !== undefined || trigger !== undefined ? drawLast(random, name) : undefined;
  return weatherOf(random, name, { trigger, strike, failing, last });
}

/** A process dies where its run aims at; where that needs some trouble first, this comes, too. */
export function aimed(aim: Aim, random: Random): Weather {
  const here = atPoint([aim.point]);
  if (aim.point.startsWith("artifact.make-room")) {
    const trigger = atPoint(["step artifact.pack begun"]);
    return weatherOf(random, "no space", {
      trigger,
      strike: (at) => fillDisk(at, 400 + random.integer(6000)),
      last: here,
    });
  }
  if (aim.point.startsWith("overlay.give-back")) {
    const strike = ({ world }: Strike): void => editWhatIsLaid(world, random);
    return weatherOf(random, "meddling", { trigger: atPoint(["overlay.lay begun"]), strike, last: here });
  }
  return weatherOf(random, aim.kind, { trigger: here, strike: (at) => crash(at, aim.kind) });
}

/** What strikes, when, and what follows. */
interface Blows {
  readonly trigger: Trigger | undefined;
  readonly strike: (at: Strike) => void;
  readonly failing?: Failing | undefined;
  readonly last?: Trigger | undefined;
}

function weatherOf(random: Random, name: WeatherKind, { trigger, strike, failing, last }: Blows): Weather {
  const points = createPointReader();
  const slow = drawSlowness(random, name);
  const users = { pid: 4711, command: "vi", uses: [] as string[] };
  let world: World | undefined;
  let hasStruck = false;
  const meet = (call: Call, moment: "before" | "after"): void => {
    const point = points.read(call, moment);
    if (world === undefined) return;
    if (point !== undefined && name !== "calm") count(world, "points of the journal passed in bad weather");
    if (trigger?.isNow(call, moment, point) === true) {
      hasStruck = true;
      strike({ world, call, point });
    }
    if ((hasStruck || failing !== undefined) && last?.isNow(call, moment, point) === true)
      crash({ world, call, point }, "kill");
    if (moment === "before" && slow.victim !== undefined) killDuring(world, call, slow.victim, slow.durations_ms);
    if (moment === "before" && name === "busy") countBusy(world, call, users.uses);
    failing?.meet(world, call, moment);
  };
  return {
    name,
    before: (call) => meet(call, "before"),
    after: (call) => meet(call, "after"),
    durations_ms: slow.durations_ms,
    outlives: () => random.chance(0.5),
    onCommand: (command, what) => world !== undefined && count(world, `${what}: ${command}`),
    attach: (to) => {
      world = to;
      if (name !== "busy") return;
      const mounted = to.observer.outside.files.mounts().map(({ target }) => target);
      users.uses.push(...mounted.filter((target) => target !== "/" && random.chance(0.7)));
      users.uses.push(`${STATE}/volumes/one/root/mnt`, `${STATE}/volumes/two/root/proc`);
      to.observer.outside.processes.push(users);
    },
    clear: () => {
      const processes = world?.observer.outside.processes ?? [];
      if (processes.includes(users)) processes.splice(processes.indexOf(users), 1);
      if (name === "no space" && hasStruck) world?.observer.outside.leaveSpace(50 * 1024 ** 3);
    },
  };
}

/** What strikes once, and when. */
function drawStrike(
  random: Random,
  name: WeatherKind,
  meddle: (world: World) => void,
): { readonly trigger: Trigger | undefined; readonly strike: (at: Strike) => void } {
  switch (name) {
    case "kill":
    case "power":
      return { trigger: drawTrigger(random), strike: (at) => crash(at, name) };
    case "no space": {
      const left_bytes = random.integer(pick([400, 20_000], random));
      const trigger = random.chance(0.4) ? atPoint(["step artifact.pack begun"]) : drawTrigger(random);
      return { trigger, strike: (at) => fillDisk(at, left_bytes) };
    }
    case "meddling": {
      // Somebody edits just what is being laid, when it has been looked at.
      if (random.chance(0.15))
        return { trigger: atPoint(["overlay.lay begun"]), strike: ({ world }) => editWhatIsLaid(world, random) };
      return { trigger: drawTrigger(random), strike: ({ world }) => meddle(world) };
    }
    default:
      return { trigger: undefined, strike: () => undefined };
  }
}

/** The kill that follows what struck first. */
function drawLast(random: Random, name: WeatherKind): Trigger | undefined {
  if (name === "kill" || name === "power" || !random.chance(0.4)) return undefined;
  if (name === "no space" && random.chance(0.5)) return atPoint([pickMoment("artifact.make-room", random)]);
  if (name === "meddling" && random.chance(0.5)) return atPoint([pickMoment("overlay.give-back", random)]);
  return drawPoint(random);
}

function pickMoment(effect: string, random: Random): string {
  return `${effect} ${pick(["begun", "done"], random)}`;
}

function crash({ world, call, point }: Strike, kind: "kill" | "power"): never {
  count(world, kind);
  note(world, `${kind} at call ${call.index} (${call.name} ${call.arguments[0]}) ${point ?? ""}`);
  if (point !== undefined) world.watch.crashPoints.add(point);
  if (point === world.aim.point) world.aim.hit = true;
  world.watch.crashCalls.add(callOf(call));
  throw new Crash(kind);
}

function fillDisk({ world, call }: Strike, left_bytes: number): void {
  count(world, "no space");
  note(world, `the disk is full from call ${call.index} on, but for ${left_bytes} bytes`);
  world.observer.outside.leaveSpace(left_bytes);
}

/** Kills our process while a command of it runs. */
function killDuring(world: World, call: Call, victim: string, durations_ms: Readonly<Record<string, number>>): void {
  if (call.name !== "processes.run" || fileOf(call) !== victim) return;
  const { host } = world;
  const later = world.observer.clock.sleep((durations_ms[victim] ?? 0) / 2);
  void later.then(() => {
    if (!host.isAlive) return;
    count(world, "kill");
    note(world, `kill while ${victim} runs`);
    world.watch.crashCalls.add(`while ${victim} runs`);
    host.crash("kill");
  });
}

function countBusy(world: World, call: Call, uses: readonly string[]): void {
  if (call.name !== "processes.run" || fileOf(call) !== "umount") return;
  if (uses.some((path) => call.arguments[0]?.includes(`"${path}"`))) count(world, "busy: umount");
}

interface Slowness {
  readonly durations_ms: Readonly<Record<string, number>>;
  /** The command during which our process is killed. */
  readonly victim: string | undefined;
}

/** Some take longer than the patience that they meet. */
function drawSlowness(random: Random, name: WeatherKind): Slowness {
  if (!name.startsWith("slow")) return { durations_ms: {}, victim: undefined };
  const ms = (): number => pick([0, 50, 5_000, 70_000, 7_500_000], random);
  const durations_ms = { mount: ms(), umount: ms(), tar: ms(), mmdebstrap: ms(), sh: ms(), "mkfs.ext4": ms() };
  if (name === "slow") return { durations_ms, victim: undefined };
  const victim = pick(Object.keys(durations_ms), random);
  return { durations_ms: { ...durations_ms, [victim]: pick([50, 5_000], random) }, victim };
}

/** A crash point without what differs between runs: names, numbers, digests. */
function callOf(call: Call): string {
  const text = call.name.startsWith("stores.run") ? (call.arguments[0] ?? "").split(" ").slice(0, 3).join(" ") : "";
  const path = call.name.startsWith("files") ? (call.arguments.at(-1) ?? "").replace(/[0-9a-fTZ-]{8,}/g, "*") : "";
  return [call.name, text, path.split("/").slice(4).join("/"), fileOf(call)].filter((word) => word !== "").join(" ");
}
