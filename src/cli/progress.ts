import type { Clock } from "../host/ports.ts";
import type { PassEvent } from "../pass/types.ts";
import { durationText, painter } from "../report/paint.ts";
import type { Output } from "./output.ts";

export interface Progress {
  readonly event: (event: PassEvent) => void;
  /** Takes the progress line away. */
  readonly end: () => void;
}

/** A bar is drawn for work that has run this long; shorter work only flickers. */
const PATIENCE_MS = 2000;
const REDRAW_MS = 100;
const BAR_COLUMNS = 24;

/** What runs now: one line redrawn on a terminal, one line a step elsewhere. Always on standard error. */
export function showProgress(output: Output, clock: Clock): Progress {
  return output.errorTerminal ? drawnProgress(output, clock) : plainProgress(output);
}

function plainProgress(output: Output): Progress {
  return {
    event: (event) => {
      if (event.type === "apply_start") output.error(`${event.id}: ${event.action}: ${event.reason}\n`);
      if (event.type === "apply_errored") output.error(`${event.id}: error: ${event.message}\n`);
    },
    end: () => undefined,
  };
}

function drawnProgress(output: Output, clock: Clock): Progress {
  const paint = painter(output.color);
  const started = new Map<string, number>();
  let drawn_ms = Number.NEGATIVE_INFINITY;
  let shown = false;
  const clear = () => {
    if (shown) output.error("\r\x1b[2K");
    shown = false;
  };
  const draw = (text: string) => {
    if (clock.elapsed_ms() - drawn_ms < REDRAW_MS) return;
    drawn_ms = clock.elapsed_ms();
    output.error(`\r\x1b[2K${text.slice(0, Math.max(20, (output.width || 80) - 1))}`);
    shown = true;
  };
  return {
    event: (event) => {
      if (event.type === "apply_start") {
        started.set(event.id, clock.elapsed_ms());
        draw(`… ${event.id}: ${event.action}`);
      } else if (event.type === "apply_progress") {
        const running_ms = clock.elapsed_ms() - (started.get(event.id) ?? clock.elapsed_ms());
        draw(`… ${event.id}: ${event.message}${running_ms < PATIENCE_MS ? "" : ` ${bar(event, running_ms)}`}`);
      } else if (event.type === "apply_complete") {
        clear();
        output.error(`${paint("green", "✓")} ${event.id} ${event.result} (${durationText(event.duration_ms)})\n`);
      } else if (event.type === "apply_errored") {
        clear();
        output.error(`${paint("red", "✗")} ${event.id}: ${event.message}\n`);
      }
    },
    end: clear,
  };
}

/** `████░░░░ 42% 12.4 s`; only the time where the total is not known. */
export function bar(event: { readonly done: number; readonly total: number }, running_ms: number): string {
  if (event.total <= 0) return durationText(running_ms);
  const share = Math.min(1, Math.max(0, event.done / event.total));
  const full = Math.round(share * BAR_COLUMNS);
  const percent = `${Math.floor(share * 100)}%`;
  return `${"█".repeat(full)}${"░".repeat(BAR_COLUMNS - full)} ${percent} ${durationText(running_ms)}`;
}
