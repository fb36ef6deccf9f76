import type { Logger } from "pino";

/** syslog priorities, which journald takes from `<N>` in front of a line. */
const PRIORITIES: readonly (readonly [level: number, priority: number])[] = [
  [60, 2],
  [50, 3],
  [40, 4],
  [30, 6],
  [0, 7],
];

/** JSON lines on standard error; for journald each begins with its priority. */
export async function createLog(options: {
  readonly level: string;
  readonly journal: boolean;
  readonly write: (text: string) => void;
}): Promise<Logger> {
  const { default: pino } = await import("pino");
  const destination = {
    write: (line: string): void => options.write(options.journal ? withPriority(line) : line),
  };
  return pino({ level: options.level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, destination);
}

/** `{"level":30,...}` -> `<6>{"level":30,...}`. */
export function withPriority(line: string): string {
  const level = Number(/^\{"level":(\d+)/.exec(line)?.[1] ?? 30);
  const priority = PRIORITIES.find(([least]) => level >= least)?.[1] ?? 6;
  return `<${priority}>${line}`;
}
