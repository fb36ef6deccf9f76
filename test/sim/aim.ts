import { POINTS } from "../kills/points.ts";

/**
 * The one point of the journal at which a run tries to die, beside all that meets it by chance: each seed has another one,
 * so that the rare ones are not left to luck. What leads there is done on purpose (`toward.ts`).
 */
export interface Aim {
  readonly point: string;
  readonly kind: "kill" | "power";
  hit: boolean;
}

export function aimOf(seed: number): Aim {
  // A step that shares no divisor with their number, so that neighbouring seeds have different ones.
  const point = POINTS[(seed * STRIDE) % POINTS.length] ?? "";
  return { point, kind: Math.floor(seed / POINTS.length) % 3 === 2 ? "power" : "kill", hit: false };
}

/** `overlay.lay` of `overlay.lay begun` and of `step overlay.lay recorded`. */
export function subjectOf({ point }: Aim): string {
  return point.replace(/^step /, "").replace(/ \w+$/, "");
}

const STRIDE = [61, 59, 53, 47].find((stride) => POINTS.length % stride !== 0) ?? 1;
