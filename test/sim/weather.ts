import { RootloomError } from "../../src/core/error.ts";
import { type ErrnoCode, ErrnoError } from "../../src/host/fake/errno.ts";
import { type Call, Crash, type FaultPlan } from "../../src/host/fake/faults.ts";
import type { Random } from "../../src/host/fake/random.ts";
import { failure } from "../../src/host/real/failure.ts";
import { pick } from "./generate.ts";
import { STATE } from "./site.ts";
import { count, note, type World } from "./world.ts";

/** What one process of ours meets: it is drawn once, and strikes by the number of the call. */
export interface Weather extends FaultPlan {
  readonly name: WeatherKind;
  readonly durations_ms: Readonly<Record<string, number>>;
  readonly outlives: (name: string) => boolean;
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
export type WeatherKind = (typeof WEATHERS)[number];

/** Calls that an input or output error can end, by the name in the summary. */
const FAILING: readonly RegExp[] = [
  /^files\.(writeFile|rename|openWriter|makeDirectory|removeFile|removeTree|writeLink)$/,
  /^files\/(written|synced|renamed)$/,
  /^tree\.|^writer\./,
  /^stores\.transaction/,
  /^processes\.run/,
  /^jobs\.run/,
];
const CODES: readonly ErrnoCode[] = ["EIO", "ENOSPC", "EBUSY", "EROFS"];

export function createWeather(
  random: Random,
  name: WeatherKind,
  meddle: (world: World) => void = () => undefined,
): Weather {
  const strike = pick([20, 150, 500, 1200], random);
  const at = random.integer(strike);
  const when = random.chance(0.5) ? "before" : "after";
  const failing = pick(FAILING, random);
  const code = pick(CODES, random);
  const victim = random.integer(5);
  let matched = 0;
  let begun = -1;
  let world: World | undefined;
  const use = (what: string): void => {
    if (world !== undefined) count(world, what);
  };
  const crash = (call: Call, kind: "kill" | "power"): never => {
    use(kind);
    if (world !== undefined) note(world, `${kind} ${when} call ${call.index} (${call.name} ${call.arguments[0]})`);
    world?.watch.crashPoints.add(`${when} ${pointOf(call)}`);
    throw new Crash(kind);
  };
  const error = (call: Call): never => {
    use(`${name}: ${call.name.split("/")[0]}`);
    if (world !== undefined)
      note(world, `${code} at call ${call.index} (${call.name} ${call.arguments[0]?.slice(0, 80)})`);
    throw errorFor(call, code);
  };
  const meet = (call: Call, moment: "before" | "after"): void => {
    const isHere = call.index === at && moment === when;
    if (isHere && (name === "kill" || name === "slow kill")) crash(call, "kill");
    if (isHere && name === "power") crash(call, "power");
    if (isHere && name === "meddling" && world !== undefined) meddle(world);
    if (isHere && name === "no space" && world !== undefined) {
      use("no space");
      note(world, `the disk is full from call ${call.index} on`);
      world.observer.outside.leaveSpace(random.integer(20_000));
      begun = call.index;
    }
    if (moment === "after" || !failing.test(call.name)) return;
    matched += 1;
    if (name === "transient errors" && matched % 7 === victim) error(call);
    if (name === "permanent error" && matched >= victim * 4) error(call);
  };
  const users = { pid: 4711, command: "vi", uses: [`${STATE}/volumes/one/root/mnt`, `${STATE}/volumes/two/root/proc`] };
  return {
    name,
    before: (call) => meet(call, "before"),
    after: (call) => meet(call, "after"),
    durations_ms: name.startsWith("slow") ? slowness(random) : {},
    outlives: () => random.chance(0.5),
    attach: (to) => {
      world = to;
      if (name !== "busy") return;
      use("busy");
      to.observer.outside.processes.push(users);
    },
    clear: () => {
      const processes = world?.observer.outside.processes ?? [];
      if (processes.includes(users)) processes.splice(processes.indexOf(users), 1);
      if (begun >= 0) world?.observer.outside.leaveSpace(50 * 1024 ** 3);
    },
  };
}

/** Some take longer than the patience that they meet. */
function slowness(random: Random): Readonly<Record<string, number>> {
  const ms = (): number => pick([0, 50, 5_000, 70_000], random);
  return { mount: ms(), umount: ms(), tar: ms(), mmdebstrap: ms(), sh: ms() };
}

function errorFor(call: Call, code: ErrnoCode): Error {
  if (call.name.startsWith("processes.run")) {
    const file = /"file":"([^"]*)"/.exec(call.arguments[0] ?? "")?.[1] ?? "it";
    return new RootloomError(`cannot run ${file}: exit 1: ${code}`, code === "EBUSY" ? { retry: "transient" } : {});
  }
  return failure("use", call.arguments[0] ?? "", new ErrnoError(code, call.arguments[0] ?? ""));
}

/** A crash point without what differs between runs: names, numbers, digests. */
function pointOf(call: Call): string {
  const text = call.name.startsWith("stores.run") ? (call.arguments[0] ?? "").split(" ").slice(0, 3).join(" ") : "";
  const path = call.name.startsWith("files") ? (call.arguments.at(-1) ?? "").replace(/[0-9a-fTZ-]{8,}/g, "*") : "";
  const file = /"file":"([^"]*)"/.exec(call.arguments[0] ?? "")?.[1] ?? "";
  return [call.name, text, path.split("/").slice(4).join("/"), file].filter((word) => word !== "").join(" ");
}
