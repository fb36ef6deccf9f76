import { RootloomError } from "../../src/core/error.ts";
import { type ErrnoCode, ErrnoError } from "../../src/host/fake/errno.ts";
import type { Call } from "../../src/host/fake/faults.ts";
import type { Random } from "../../src/host/fake/random.ts";
import { failure } from "../../src/host/real/failure.ts";
import { pick } from "./generate.ts";
import { fileOf } from "./points.ts";
import type { WeatherKind } from "./weather.ts";
import { count, note, type World } from "./world.ts";

/** Calls and commands that end with an error, for a while or for good. */
export interface Failing {
  /** @throws the error that the call ends with, before it did anything or after it did all. */
  readonly meet: (world: World, call: Call, moment: "before" | "after") => void;
}

/** Calls that an input or output error can end; what a store has committed it never takes back. */
const CALLS: readonly RegExp[] = [
  /^files\.(writeFile|rename|openWriter|makeDirectory|removeFile|removeTree|writeLink)$/,
  /^files\/(written|synced|renamed)$/,
  /^tree\.|^writer\./,
  /^stores\.transaction/,
  /^jobs\.run/,
];
const COMMANDS = ["mount", "umount", "tar", "mmdebstrap", "sh", "mkfs.ext4", "losetup", "blkid"];
const CODES: readonly ErrnoCode[] = ["EIO", "ENOSPC", "EBUSY", "EROFS"];

/** undefined where the weather lets nothing fail. */
export function createFailing(random: Random, name: WeatherKind): Failing | undefined {
  if (name !== "transient errors" && name !== "permanent error") return undefined;
  const command = random.chance(0.4) ? pick(COMMANDS, random) : undefined;
  const calls = pick(CALLS, random);
  const when = random.chance(0.6) ? "before" : "after";
  const code = pick(CODES, random);
  const victim = random.integer(5);
  let matched = 0;
  const isMatch = (call: Call): boolean =>
    command === undefined ? calls.test(call.name) : call.name === "processes.run" && fileOf(call) === command;
  const isDue = (): boolean => {
    if (command !== undefined) return name === "permanent error" || matched <= 1 + (victim % 2);
    return name === "permanent error" ? matched >= victim * 4 : matched % 7 === victim;
  };
  return {
    meet: (world, call, moment) => {
      const allowed = call.name.startsWith("stores.") ? "before" : when;
      if (moment !== allowed || !isMatch(call)) return;
      matched += 1;
      if (!isDue()) return;
      count(world, `${name}: ${command ?? call.name.split("/")[0]}`);
      note(world, `${code} ${when} call ${call.index} (${call.name} ${call.arguments[0]?.slice(0, 80)})`);
      throw errorFor(call, code);
    },
  };
}

function errorFor(call: Call, code: ErrnoCode): Error {
  if (call.name.startsWith("processes.run")) {
    const retry = code === "EBUSY" ? ({ retry: "transient" } as const) : {};
    return new RootloomError(`cannot run ${fileOf(call)}: exit 1: ${code}`, retry);
  }
  return failure("use", call.arguments[0] ?? "", new ErrnoError(code, call.arguments[0] ?? ""));
}
