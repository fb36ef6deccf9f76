import { RootloomError } from "../core/error.ts";
import { suggest } from "../documents/nearest.ts";
import { applyExitCode } from "../report/exit-code.ts";
import { toJson } from "../report/report.ts";
import { withStateLock } from "../state/lock.ts";
import type { CommandArguments, CommandContext, CommandName, CommandResult, Handler } from "./command-types.ts";
import { handlers } from "./handlers.ts";
import { runPass } from "./pass.ts";
import { heardBy, passRequest } from "./request.ts";
import type { PassEvent, Session } from "./types.ts";

export type { CommandArguments, CommandName, CommandResult } from "./command-types.ts";

/** A changing command as plain data: the same on the command line and over the control socket. */
export type Request = {
  readonly [C in CommandName]: { readonly command: C; readonly arguments: CommandArguments[C] };
}[CommandName];

type Shape = "boolean" | "number" | "string" | "a list of strings" | "string or null";
const decided = { names: "a list of strings", who: "string", why: "string" } as const;
const shapes: { readonly [C in CommandName]: { readonly [A in keyof CommandArguments[C]]: Shape } } = {
  apply: { yes: "boolean", planDigest: "string or null" },
  trigger: { names: "a list of strings" },
  approve: decided,
  adopt: decided,
  forget: decided,
  suspend: { ...decided, until: "string" },
  resume: decided,
  unmount: { ...decided, all: "boolean" },
  snapshot: decided,
  rollback: { ...decided, snapshot: "string", yes: "boolean" },
  kernelConfig: { ...decided, write: "boolean" },
  gc: { age_days: "number", limit_bytes: "number", keptRoots: "boolean", yes: "boolean", dryRun: "boolean" },
};

/**
 * Executes a changing command here, under the state's lock, with the pass that it asks for behind it. What
 * came over a socket is checked first.
 * @throws RootloomError, with condition "Locked" when another holds the lock.
 */
export async function execute(
  session: Session,
  request: unknown,
  emit: (event: PassEvent) => void,
  signal: AbortSignal,
): Promise<CommandResult> {
  const { command, arguments: given } = parseRequest(request);
  const { host, configuration } = session;
  const context: CommandContext = { emit, signal, superseded: () => false };
  return withStateLock(host, configuration.state, async () => {
    // The table pairs each command with its own arguments; `parseRequest` has checked that they belong together.
    const handler = handlers[command] as Handler<CommandName>;
    const result = await handler(session, given, context);
    if (result.wake === undefined || result.exitCode !== 0) return result;
    const trigger = command === "trigger" ? "trigger" : "command";
    const asked = { trigger, retryStalled: result.wake === "retry" };
    const report = toJson(await runPass(session, passRequest({ ...heardBy(context), ...asked })));
    return { ...result, report, exitCode: applyExitCode(report) };
  });
}

/** @throws RootloomError that names what is not as it should be. */
export function parseRequest(value: unknown): Request {
  const { command, arguments: given } = asObject(value);
  if (typeof command !== "string" || !Object.hasOwn(shapes, command)) {
    const name = typeof command === "string" ? command.slice(0, 100) : typeof command;
    throw new RootloomError(`cannot understand the request: there is no command ${name}`, {
      hint: suggest(name, Object.keys(shapes), "see rootloom --help"),
    });
  }
  const expected: Readonly<Record<string, Shape>> = shapes[command as CommandName];
  const values = asObject(given);
  const wrong = Object.entries(expected).find(([name, shape]) => !fits(values[name], shape));
  if (wrong !== undefined) {
    throw new RootloomError(`cannot understand the request ${command}: ${wrong[0]} is not ${wrong[1]}`);
  }
  return value as Request;
}

function asObject(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}

function fits(value: unknown, shape: Shape): boolean {
  if (shape === "a list of strings") return Array.isArray(value) && value.every((item) => typeof item === "string");
  if (shape === "string or null") return value === null || typeof value === "string";
  return typeof value === shape && (shape !== "number" || Number.isFinite(value));
}
