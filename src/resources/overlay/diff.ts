/** Text above this is not compared line by line. */
export const DIFF_LIMIT_BYTES = 64 * 1024;

const CONTEXT_LINES = 2;
const LINES_MAX = 60;
/** Above this many line pairs the changed middle is shown whole, old then new: the table would be too large. */
const PAIRS_MAX = 1_000_000;

/**
 * Lines of a unified diff from what stands on the host (`-`) to what is declared (`+`), without file
 * headers; at most 60 lines. Undefined when either side is too long or is not text.
 */
export function lineDiff(standing: Uint8Array, declared: Uint8Array): readonly string[] | undefined {
  const before = textLines(standing);
  const after = textLines(declared);
  if (before === undefined || after === undefined) return undefined;
  const lines = unified(edits(before, after));
  if (lines.length <= LINES_MAX) return lines;
  return [...lines.slice(0, LINES_MAX), `... ${lines.length - LINES_MAX} more lines`];
}

interface Edit {
  readonly mark: " " | "-" | "+";
  readonly line: string;
}

function textLines(bytes: Uint8Array): readonly string[] | undefined {
  if (bytes.length > DIFF_LIMIT_BYTES || bytes.includes(0)) return undefined;
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    const lines = text.split("\n");
    if (lines.at(-1) === "") lines.pop();
    else lines.push("(no newline at the end)");
    // Control characters of a file must not reach a terminal.
    return lines.map((line) => line.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, "?"));
  } catch {
    return undefined;
  }
}

function edits(before: readonly string[], after: readonly string[]): readonly Edit[] {
  let head = 0;
  while (head < before.length && head < after.length && before[head] === after[head]) head += 1;
  let tail = 0;
  const shorter = Math.min(before.length, after.length) - head;
  while (tail < shorter && before[before.length - 1 - tail] === after[after.length - 1 - tail]) tail += 1;
  const same = (lines: readonly string[]): Edit[] => lines.map((line) => ({ mark: " ", line }));
  return [
    ...same(before.slice(0, head)),
    ...middle(before.slice(head, before.length - tail), after.slice(head, after.length - tail)),
    ...same(before.slice(before.length - tail)),
  ];
}

/** The longest common subsequence of what is left between equal heads and tails. */
function middle(before: readonly string[], after: readonly string[]): readonly Edit[] {
  if (before.length * after.length > PAIRS_MAX) return [...marked("-", before), ...marked("+", after)];
  const lengths = commonLengths(before, after);
  const width = after.length + 1;
  const result: Edit[] = [];
  let i = 0;
  let j = 0;
  while (i < before.length && j < after.length) {
    const [old = "", fresh = ""] = [before[i], after[j]];
    if (old === fresh) {
      result.push({ mark: " ", line: old });
      i += 1;
      j += 1;
    } else if ((lengths[(i + 1) * width + j] ?? 0) >= (lengths[i * width + j + 1] ?? 0)) {
      result.push({ mark: "-", line: old });
      i += 1;
    } else {
      result.push({ mark: "+", line: fresh });
      j += 1;
    }
  }
  return [...result, ...marked("-", before.slice(i)), ...marked("+", after.slice(j))];
}

function commonLengths(before: readonly string[], after: readonly string[]): Uint32Array {
  const width = after.length + 1;
  const lengths = new Uint32Array((before.length + 1) * width);
  for (let i = before.length - 1; i >= 0; i -= 1) {
    for (let j = after.length - 1; j >= 0; j -= 1) {
      lengths[i * width + j] =
        before[i] === after[j]
          ? (lengths[(i + 1) * width + j + 1] ?? 0) + 1
          : Math.max(lengths[(i + 1) * width + j] ?? 0, lengths[i * width + j + 1] ?? 0);
    }
  }
  return lengths;
}

function marked(mark: "-" | "+", lines: readonly string[]): Edit[] {
  return lines.map((line) => ({ mark, line }));
}

/** Leaves out equal lines far from a change; `@@ -a +b @@` says where each part begins. */
function unified(all: readonly Edit[]): readonly string[] {
  const shown = new Set<number>();
  all.forEach((edit, index) => {
    if (edit.mark === " ") return;
    for (let near = index - CONTEXT_LINES; near <= index + CONTEXT_LINES; near += 1) shown.add(near);
  });
  const lines: string[] = [];
  let [oldLine, newLine] = [1, 1];
  all.forEach((edit, index) => {
    if (shown.has(index)) {
      if (index === 0 || !shown.has(index - 1)) lines.push(`@@ -${oldLine} +${newLine} @@`);
      lines.push(`${edit.mark}${edit.line}`);
    }
    if (edit.mark !== "+") oldLine += 1;
    if (edit.mark !== "-") newLine += 1;
  });
  return lines;
}
