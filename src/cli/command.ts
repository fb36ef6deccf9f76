import type { Flags } from "../configuration.ts";
import { RootloomError } from "../core/error.ts";
import type { Session } from "../pass/types.ts";
import type { Output } from "./output.ts";

/** One command of the command line: one file each. Libraries are imported inside `run`, so that `--help` costs nothing. */
export interface CommandDefinition {
  readonly name: string;
  readonly summary: string;
  /** `[name...]`, `<root>`: what stands behind the command. */
  readonly argument?: readonly [syntax: string, summary: string];
  readonly options?: readonly (readonly [syntax: string, summary: string])[];
  /** At least one command line that can be pasted, each with what it does. */
  readonly examples: readonly (readonly [line: string, what: string])[];
  /** Returns the exit code. */
  readonly run: (context: CliContext, given: Given) => Promise<number>;
}

/** What was typed for one command. */
export interface Given {
  readonly names: readonly string[];
  readonly options: Readonly<Record<string, unknown>>;
}

/** What every command is given of the world. */
export interface CliContext {
  readonly output: Output;
  /** The user, for decisions that are kept. */
  readonly who: string;
  /** Where relative paths begin. */
  readonly directory: string;
  readonly nodeVersion: string;
  /** TERM, for shells in roots. */
  readonly terminalType: string;
  /** Whether standard error goes to journald, which reads a priority in front of each line. */
  readonly journal: boolean;
  /** The host and its configuration; `flags` are laid over those that were given. */
  readonly session: (flags?: Flags) => Promise<Session>;
  /** Reads the configuration anew each time it is called: what SIGHUP does to the daemon. */
  readonly opener: () => Promise<(flags?: Flags) => Session>;
}

/** A switch: `--json`. */
export function flagOf(given: Given, name: string): boolean {
  return given.options[name] === true;
}

/** An option with a value: `--out FILE`. */
export function textOf(given: Given, name: string): string | undefined {
  const value = given.options[name];
  return typeof value === "string" ? value : undefined;
}

/** A whole number above zero: `--limit 20`. */
export function numberOf(given: Given, name: string): number | undefined {
  const text = textOf(given, name);
  if (text === undefined) return undefined;
  const number = Number(text);
  if (Number.isInteger(number) && number > 0) return number;
  throw new RootloomError(`cannot read --${name} ${text}: it is not a whole number above zero`);
}

/** The first name, which commander has made sure is there. */
export function nameOf(given: Given): string {
  return given.names[0] ?? "";
}
