import type { Report } from "../report/report.ts";
import type { PassEvent, Session } from "./types.ts";

export interface Decided {
  readonly names: readonly string[];
  /** Who says so, and why: kept with the decision. */
  readonly who: string;
  readonly why: string;
}

/** Every command that changes something, with its arguments: plain data, the same here and over the control socket. */
export interface CommandArguments {
  readonly apply: { readonly yes: boolean; readonly planDigest: string | null };
  readonly trigger: { readonly names: readonly string[] };
  readonly approve: Decided;
  readonly adopt: Decided;
  readonly forget: Decided;
  /** `until`: ISO 8601, or empty for "until resumed". */
  readonly suspend: Decided & { readonly until: string };
  readonly resume: Decided;
  readonly unmount: Decided & { readonly all: boolean };
  /** `why` is its note. */
  readonly snapshot: Decided;
  /** `snapshot`: its name or how that begins; empty for the newest. */
  readonly rollback: Decided & { readonly snapshot: string; readonly yes: boolean };
  /** `write`: the file beside the document is rewritten; else only told how it would be. */
  readonly kernelConfig: Decided & { readonly write: boolean };
  readonly gc: {
    readonly age_days: number;
    readonly limit_bytes: number;
    readonly keptRoots: boolean;
    readonly yes: boolean;
    readonly dryRun: boolean;
  };
}
export type CommandName = keyof CommandArguments;

export interface CommandContext {
  readonly emit: (event: PassEvent) => void;
  readonly signal: AbortSignal;
  readonly superseded: () => boolean;
}

/** What came of a command. Plain data. */
export interface CommandResult {
  readonly exitCode: number;
  /** For a person. */
  readonly lines: readonly string[];
  /** The pass it was, or that followed it. */
  readonly report?: Report;
  /** A pass should follow now: `retry` tries stalled steps again too. */
  readonly wake?: "pass" | "retry";
}

export type Handler<C extends CommandName> = (
  session: Session,
  given: CommandArguments[C],
  context: CommandContext,
) => Promise<CommandResult>;
