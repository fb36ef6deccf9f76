import type { Call } from "../../src/host/fake/faults.ts";
import type { Random } from "../../src/host/fake/random.ts";
import { POINTS } from "../kills/points.ts";
import { pick } from "./generate.ts";

/** The one moment of a process at which something strikes. */
export interface Trigger {
  readonly isNow: (call: Call, moment: "before" | "after", point: string | undefined) => boolean;
}

/** Any call that can change something, by its number; or a point of the journal. */
export function drawTrigger(random: Random): Trigger {
  return random.chance(0.4) ? atCall(random) : drawPoint(random);
}

/** A point of the journal by its number; or the first of some by name, which reaches rare ones as well. */
export function drawPoint(random: Random): Trigger {
  if (random.chance(0.3)) return atAnyPoint(random.integer(pick([6, 20, 60], random)));
  return atPoint(POINTS.filter(() => random.chance(0.08)));
}

/** At the first of these points that is reached. */
export function atPoint(names: readonly string[]): Trigger {
  return once((_, __, point) => point !== undefined && names.includes(point));
}

function atCall(random: Random): Trigger {
  const at = random.integer(pick([20, 150, 400], random));
  const when = random.chance(0.5) ? "before" : "after";
  return { isNow: (call, moment) => call.index === at && moment === when };
}

function atAnyPoint(number: number): Trigger {
  let left = number;
  return once((_, __, point) => {
    if (point === undefined) return false;
    left -= 1;
    return left < 0;
  });
}

function once(isNow: Trigger["isNow"]): Trigger {
  let isOver = false;
  return {
    isNow: (call, moment, point) => {
      if (isOver || !isNow(call, moment, point)) return false;
      isOver = true;
      return true;
    },
  };
}
