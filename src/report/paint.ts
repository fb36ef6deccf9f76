import { styleText } from "node:util";

export { sizeText } from "../core/size.ts";

/** How text is shown: colours, and the width of a line in columns (0: never wrapped). */
export interface TextOptions {
  readonly color: boolean;
  readonly width: number;
}

export type Style = "bold" | "dim" | "red" | "green" | "yellow" | "cyan";
export type Paint = (style: Style, text: string) => string;

/** Colours text, or leaves it as it is where colour is off: the caller knows whether it writes to a terminal. */
export function painter(color: boolean): Paint {
  if (!color) return (_style, text) => text;
  return (style, text) => styleText(style, text, { validateStream: false });
}

/** Rows as aligned columns; the last column is wrapped to the width below itself. Styles come after alignment. */
export function table(
  rows: readonly (readonly string[])[],
  options: TextOptions & {
    readonly indent?: number;
    readonly style?: (cell: string, row: number, column: number) => string;
  },
): readonly string[] {
  const indent = " ".repeat(options.indent ?? 0);
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(0, ...rows.map((row) => (column < row.length - 1 ? (row[column] ?? "").length : 0))),
  );
  const style = options.style ?? ((cell) => cell);
  return rows.flatMap((row, index) => {
    const head = row.slice(0, -1).map((cell, column) => style(cell.padEnd(widths[column] ?? 0), index, column));
    const offset = indent.length + widths.slice(0, row.length - 1).reduce((sum, width) => sum + width + 2, 0);
    const [first = "", ...rest] = wrap(row.at(-1) ?? "", options.width === 0 ? 0 : options.width - offset);
    const last = (line: string) => style(line, index, row.length - 1);
    return [
      `${indent}${[...head, last(first)].join("  ")}`.trimEnd(),
      ...rest.map((line) => `${" ".repeat(offset)}${last(line)}`),
    ];
  });
}

/** Words in lines of at most `width`; a width below 24 leaves the text in one line, since it would only tear it. */
export function wrap(text: string, width: number): readonly string[] {
  if (width < 24 || text.length <= width) return [text];
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

/** `340 ms`, `12.4 s`, `3 min 5 s`. */
export function durationText(duration_ms: number): string {
  if (duration_ms < 1000) return `${Math.round(duration_ms)} ms`;
  if (duration_ms < 60_000) return `${(duration_ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(duration_ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}
