import type { CommandArguments } from "../pass/commands.ts";
import { type CliContext, type CommandDefinition, flagOf, type Given, textOf } from "./command.ts";
import type { Request } from "./request.ts";

/** Options of every command that keeps somebody's word. */
export const DECISION_OPTIONS: NonNullable<CommandDefinition["options"]> = [
  ["--why <text>", "kept with the decision"],
  ["--json", "one JSON line an event, change_summary last"],
];

/** Who says so, and why. */
export function decided(context: CliContext, given: Given): CommandArguments["approve"] {
  return { names: given.names, who: context.who, why: textOf(given, "why") ?? "" };
}

/** Sends a request, shows what came of it, and returns the exit code. */
export async function send(context: CliContext, given: Given, request: Request): Promise<number> {
  const session = await context.session();
  const { runRequest } = await import("./run-request.ts");
  return (await runRequest(context, session, request, flagOf(given, "json"))).exitCode;
}
