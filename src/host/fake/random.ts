/** Seeded randomness: the same seed gives the same machine, faults and survivors of a crash. */
export interface Random {
  /** A number from 0 (included) to 1 (excluded). */
  next(): number;
  /** A whole number from 0 (included) to `limit` (excluded). */
  integer(limit: number): number;
  chance(probability: number): boolean;
  /** Lower-case hex of `bytes` bytes. */
  hex(bytes: number): string;
}

export function createRandom(seed: number): Random {
  let state = (seed ^ 0x9e3779b9) >>> 0;
  // A Weyl sequence with a mixing step: short, and good enough to choose survivors by.
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
  const integer = (limit: number): number => Math.floor(next() * limit);
  const hex = (bytes: number): string => {
    let text = "";
    for (let index = 0; index < bytes; index += 1) text += integer(256).toString(16).padStart(2, "0");
    return text;
  };
  return { next, integer, chance: (probability) => next() < probability, hex };
}
