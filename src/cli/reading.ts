import type { Clock } from "../host/ports.ts";
import type { Output } from "./output.ts";
import { bar } from "./progress.ts";

/** How far one reading of a file is. */
export interface Reading {
  readonly progress: (done_bytes: number, total_bytes: number) => void;
  /** Takes the line away. */
  readonly end: () => void;
}

const PATIENCE_MS = 2000;
const REDRAW_MS = 100;

/**
 * A bar on standard error for a reading that takes longer than two seconds. None where that is no terminal, or where
 * what is read is listed on the same terminal meanwhile.
 */
export function showReading(output: Output, clock: Clock, what: string, listed = false): Reading {
  if (!output.errorTerminal || (listed && output.terminal)) return { progress: () => undefined, end: () => undefined };
  const begun_ms = clock.elapsed_ms();
  let drawn_ms = Number.NEGATIVE_INFINITY;
  return {
    progress: (done, total) => {
      const now_ms = clock.elapsed_ms();
      if (now_ms - begun_ms < PATIENCE_MS || now_ms - drawn_ms < REDRAW_MS) return;
      drawn_ms = now_ms;
      const text = `… ${bar({ done, total, unit: "bytes" }, now_ms - begun_ms)}: ${what}`;
      output.error(`\r\x1b[2K${text.slice(0, Math.max(20, (output.width || 80) - 1))}`);
    },
    end: () => {
      if (drawn_ms > 0) output.error("\r\x1b[2K");
    },
  };
}
