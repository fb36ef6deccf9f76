import { type CommandDefinition, textOf } from "./command.ts";
import { DECISION_OPTIONS, decided, send } from "./decide.ts";

export const suspend: CommandDefinition = {
  name: "suspend",
  summary: "leave a resource alone until it is resumed",
  argument: ["<name...>", "kind/name, or the name alone where it is unique"],
  options: [["--until <time>", "2h, 3d, or a date: 2026-12-01T08:00Z"], ...DECISION_OPTIONS],
  examples: [["rootloom suspend tree/debian --until 2h --why 'trying something'", "no pass changes it for two hours"]],
  run: async (context, given) => {
    const session = await context.session();
    const until = await untilText(textOf(given, "until"), session.host.clock.now_ms());
    return send(context, given, { command: "suspend", arguments: { ...decided(context, given), until } });
  },
};

/** ISO 8601 of a date or of a duration from now; empty for none. */
export async function untilText(text: string | undefined, now_ms: number): Promise<string> {
  if (text === undefined) return "";
  const date_ms = /^\d{4}-/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(date_ms)) return new Date(date_ms).toISOString();
  const { durationSeconds } = await import("../configuration.ts");
  return new Date(now_ms + durationSeconds(text, "--until") * 1000).toISOString();
}
