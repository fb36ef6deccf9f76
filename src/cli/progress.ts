import type { Clock } from "../host/ports.ts";
import type { PassEvent } from "../pass/types.ts";
import { durationText, painter, sizeText } from "../report/paint.ts";
import type { Output } from "./output.ts";

export interface Progress {
  readonly event: (event: PassEvent) => void;
  /** Takes the progress line away. */
  readonly end: () => void;
}

/** A bar is drawn for work that has run this long; shorter work only flickers. */
const PATIENCE_MS = 2000;
const REDRAW_MS = 100;
const BAR_COLUMNS = 16;

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
  const started = new Map<string, Phase>();
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
        const now_ms = clock.elapsed_ms();
        started.set(event.id, { message: "", begun_ms: now_ms, step_ms: now_ms });
        draw(`… ${event.id}: ${event.action}`);
      } else if (event.type === "apply_progress") {
        const now_ms = clock.elapsed_ms();
        const before = started.get(event.id) ?? { message: "", begun_ms: now_ms, step_ms: now_ms };
        // What is left is reckoned from where this part of the work began.
        const phase =
          before.message === event.message ? before : { ...before, message: event.message, begun_ms: now_ms };
        started.set(event.id, phase);
        const text = now_ms - phase.step_ms < PATIENCE_MS ? "" : ` ${bar(event, now_ms - phase.begun_ms)}`;
        draw(`… ${event.id}: ${event.message}${text}`);
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

/** Part of a step's work: its message, when it began, and when the step did. */
interface Phase {
  readonly message: string;
  readonly begun_ms: number;
  readonly step_ms: number;
}

/** `████░░░░ 42%, 12.1 MiB of 28.8 MiB, 12.4 s, 17.1 s left`; only the time where the total is not known. */
export function bar(
  event: { readonly done: number; readonly total: number; readonly unit?: "bytes" },
  running_ms: number,
): string {
  if (event.total <= 0) return durationText(running_ms);
  const share = Math.min(1, Math.max(0, event.done / event.total));
  const full = Math.round(share * BAR_COLUMNS);
  const percent = `${Math.floor(share * 100)}%`;
  const bytes = event.unit === "bytes" ? [`${sizeText(event.done)} of ${sizeText(event.total)}`] : [];
  const left =
    running_ms >= 1000 && share > 0 && share < 1 ? [`${durationText((running_ms * (1 - share)) / share)} left`] : [];
  const facts = [percent, ...bytes, durationText(running_ms), ...left].join(", ");
  return `${"█".repeat(full)}${"░".repeat(BAR_COLUMNS - full)} ${facts}`;
}
