import type { TextOptions } from "../report/paint.ts";

/** Standard output and standard error of one command, and how text is shown there. */
export interface Output extends TextOptions {
  /** True when standard output is a terminal. */
  readonly terminal: boolean;
  /** True when standard error is a terminal: progress is drawn there. */
  readonly errorTerminal: boolean;
  readonly write: (text: string) => void;
  /** One JSON document, indented. */
  readonly document: (value: unknown) => void;
  /** One JSON line. */
  readonly line: (value: unknown) => void;
  readonly error: (text: string) => void;
}

export interface Stream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
  on(event: "error", handler: (error: NodeJS.ErrnoException) => void): unknown;
}

/**
 * Writes to the two streams. A reader that went away (EPIPE) ends the output, never the work: an
 * apply whose output is piped to `head` still converges.
 */
export function createOutput(out: Stream, error: Stream, options: { readonly color: boolean }): Output {
  let open = true;
  out.on("error", (problem) => {
    open = false;
    if (problem.code !== "EPIPE") error.write(`error: cannot write the output: ${problem.message}\n`);
  });
  error.on("error", () => undefined);
  const write = (text: string): void => {
    if (open) out.write(text);
  };
  return {
    terminal: out.isTTY === true,
    errorTerminal: error.isTTY === true,
    color: options.color && out.isTTY === true,
    width: out.isTTY === true ? (out.columns ?? 80) : 0,
    write,
    document: (value) => write(`${JSON.stringify(value, undefined, 2)}\n`),
    line: (value) => write(`${JSON.stringify(value)}\n`),
    error: (text) => void error.write(text),
  };
}
