/** Numbers from a seed: the same seed gives the same case on every machine. */
export interface Random {
  /** A whole number from 0 to `below` - 1. */
  below(below: number): number;
  chance(probability: number): boolean;
  pick<T>(items: readonly T[]): T;
  bytes(length: number): Buffer;
}

export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit: number): number => Math.floor(next() * limit);
  return {
    below,
    chance: (probability) => next() < probability,
    pick: (items) => items[below(items.length)] as (typeof items)[number],
    bytes: (length) => Buffer.from(Array.from({ length }, () => below(256))),
  };
}

/** A copy with some bytes flipped, taken out, doubled, or the end cut off. */
export function mutate(bytes: Buffer, random: Random): Buffer {
  let mutated = Buffer.from(bytes);
  for (let count = 1 + random.below(3); count > 0; count--) {
    const at = random.below(mutated.length + 1);
    const length = 1 + random.below(random.pick([1, 8, 600]));
    const [head, tail] = [mutated.subarray(0, at), mutated.subarray(at)];
    const way = random.below(5);
    if (way === 0) mutated = Buffer.concat([head, random.bytes(length), tail.subarray(length)]);
    else if (way === 1) mutated = Buffer.concat([head, tail.subarray(length)]);
    else if (way === 2) mutated = Buffer.concat([head, tail.subarray(0, length), tail]);
    else if (way === 3)
      mutated = Buffer.concat([
        head,
        Buffer.from(random.pick(["-1", "\0", "9".repeat(20), '"', "\n", "__proto__"])),
        tail,
      ]);
    else if (random.chance(0.2)) mutated = Buffer.from(head);
  }
  return mutated;
}
