/** Longer than any name that is allowed: nobody mistyped it, and comparing costs its square. */
const WORD_LENGTH_MAX = 100;

/**
 * The candidate that a mistyped word most likely meant, or undefined when none is near: at most a third of
 * the word's letters differ (a swap of two neighbours counts once).
 */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  if (word.length > WORD_LENGTH_MAX) return undefined;
  const wanted = word.toLowerCase();
  let limit = Math.max(1, Math.floor(word.length / 3));
  let best: string | undefined;
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - word.length) > limit) continue;
    const distance = editDistance(...withoutCommonEnds(wanted, candidate.toLowerCase()), limit);
    if (distance > limit) continue;
    best = candidate;
    // Only a nearer one is of interest from here on.
    limit = distance - 1;
    if (limit < 0) break;
  }
  return best;
}

/** "did you mean `x`?", else what there is to choose from, else the fallback. */
export function suggest(word: string, candidates: readonly string[], fallback: string): string {
  const near = nearest(word, candidates);
  if (near !== undefined) return `did you mean \`${near}\`?`;
  if (candidates.length === 0) return fallback;
  const shown = candidates.slice(0, 12).map((candidate) => `\`${candidate}\``);
  return `known: ${shown.join(", ")}${candidates.length > shown.length ? ", ..." : ""}`;
}

/** Names of one tree often start alike; what they share costs nothing then. */
function withoutCommonEnds(left: string, right: string): [string, string] {
  const shorter = Math.min(left.length, right.length);
  let start = 0;
  while (start < shorter && left.charCodeAt(start) === right.charCodeAt(start)) start++;
  let end = 0;
  while (end < shorter - start && left.charCodeAt(left.length - 1 - end) === right.charCodeAt(right.length - 1 - end))
    end++;
  return [left.slice(start, left.length - end), right.slice(start, right.length - end)];
}

/** Exact up to the limit; beyond it, some number above it. Cells farther than the limit from the diagonal are not looked at. */
function editDistance(left: string, right: string, limit: number): number {
  const far = limit + 1;
  // What is left of a name that differs in one place: nothing is filled in for it.
  if (left.length === 0 || right.length === 0) return Math.max(left.length, right.length);
  if (left.length === 1 && right.length === 1) return 1;
  if (limit === 1 && Math.max(left.length, right.length) > 2) return far;
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: right.length + 1 }, (_, column) => column);
  for (let row = 1; row <= left.length; row += 1) {
    const from = Math.max(1, row - limit);
    const to = Math.min(right.length, row + limit);
    const current: number[] = new Array(right.length + 1).fill(far);
    current[0] = row;
    let least = from === 1 ? row : far;
    for (let column = from; column <= to; column += 1) {
      const same = left[row - 1] === right[column - 1];
      let distance = (previous[column - 1] ?? far) + (same ? 0 : 1);
      distance = Math.min(distance, (previous[column] ?? far) + 1, (current[column - 1] ?? far) + 1);
      const swapped = left[row - 1] === right[column - 2] && left[row - 2] === right[column - 1];
      if (row > 1 && column > 1 && swapped) distance = Math.min(distance, (beforePrevious[column - 2] ?? far) + 1);
      current[column] = distance;
      if (distance < least) least = distance;
    }
    if (least > limit) return far;
    beforePrevious = previous;
    previous = current;
  }
  return previous[right.length] ?? far;
}
