/** The last of so many for which `order` is not above 0; the first where there is none. */
export function lastAtMost(count: number, order: (index: number) => number): number {
  let low = 0;
  let high = count - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (order(middle) <= 0) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Those of some ascending numbers that are in a range, as ranges: those that are less than `near` apart are in one. */
export function* clusters(
  numbers: readonly number[],
  from: number,
  to: number,
  near: number,
): Generator<{ readonly from: number; readonly to: number }, undefined> {
  const before = lastAtMost(numbers.length, (index) => (numbers[index] ?? 0) - from);
  let index = (numbers[before] ?? to) < from ? before + 1 : before;
  const next = () => numbers[index] ?? to;
  while (next() < to) {
    const first = next();
    let last = first;
    for (index++; next() < to && next() - last < near; index++) last = next();
    yield { from: first, to: last + 1 };
  }
}
