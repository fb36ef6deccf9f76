import { POINTS } from "../kills/points.ts";

/**
 * The one point of the journal at which a run tries to die, beside all that meets it by chance: neighbouring seeds have
 * others, so that the rare ones are not left to luck. What leads there is done on purpose (`toward.ts`).
 */
export interface Aim {
  readonly point: string;
  readonly kind: "kill" | "power";
  hit: boolean;
}

/** What the generator makes nothing of: these have tests of their own on the real kernel. */
const NOT_GENERATED = /^(step )?(kernel\.|provision\.|publish\.|artifact\.read-snapshot)/;
const AIMS = POINTS.filter((point) => !NOT_GENERATED.test(point));

/** The point with the highest number for this seed: a point that is new takes a few seeds of each other one, and moves none. */
export function aimOf(seed: number): Aim {
  const point = AIMS.reduce((best, each) => (weight(seed, each) > weight(seed, best) ? each : best));
  return { point, kind: weight(seed, "kind") % 3 === 0 ? "power" : "kill", hit: false };
}

/** `overlay.lay` of `overlay.lay begun` and of `step overlay.lay recorded`. */
export function subjectOf({ point }: Aim): string {
  return point.replace(/^step /, "").replace(/ \w+$/, "");
}

/** FNV-1a, with the last bits mixed once more. */
function weight(seed: number, text: string): number {
  let hash = 0x811c9dc5;
  for (const character of `${seed} ${text}`) hash = Math.imul(hash ^ character.charCodeAt(0), 0x01000193);
  return Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) >>> 0;
}
