import { describe, expect, it } from "vitest";
import { Room } from "../../src/pack/room.ts";

const MIB = 1 << 20;

describe("memory for segments on their way", () => {
  it("is used again where it is large enough", () => {
    const room = new Room(0);
    const memory = room.take(3 * MIB);
    room.giveBack(memory);
    expect(room.take(2 * MIB)).toBe(memory);
  });

  it("is made anew while what there is is in use", () => {
    const room = new Room(0);
    expect(room.take(MIB)).not.toBe(room.take(MIB));
  });

  it("goes back to the system where it is too small and stands in the way of more", () => {
    const room = new Room(0);
    const [small, smaller] = [room.take(8 * MIB), room.take(4 * MIB)];
    room.giveBack(small);
    room.giveBack(smaller);
    expect(room.take(11 * MIB).length).toBe(11 * MIB);
    expect([small.length, smaller.length]).toEqual([8 * MIB, 0]);
    room.take(16 * MIB);
    expect(small.length).toBe(0);
  });

  it("goes back to the system where small pieces had so much that more than the limit would be held", () => {
    const room = new Room(0);
    const all = [3, 3, 3, 11].map((size) => room.take(size * MIB));
    for (const each of all) room.giveBack(each);
    const small = [2, 2, 2, 2].map(() => room.take(2 * MIB));
    expect(new Set(small)).toEqual(new Set(all));
    room.giveBack(small[0] as Uint8Array);
    const more = room.take(12 * MIB);
    for (const each of [...small.slice(1), more]) room.giveBack(each);
    const held = [...all, more].reduce((sum, { length }) => sum + length, 0);
    expect(held).toBeGreaterThan(0);
    expect(held).toBeLessThanOrEqual(room.bytes_max);
  });

  it("is kept for whoever asks for it, where there is room beside it", () => {
    const room = new Room(0);
    const small = room.take(MIB);
    room.giveBack(small);
    room.take(16 * MIB);
    expect(room.take(MIB)).toBe(small);
  });

  it("is the less, the more entries are packed, and never less than 10 MiB", () => {
    const limits = [0, 10_000, 500_000].map((entries) => new Room(entries).bytes_max);
    expect(limits).toEqual([20 * MIB, 20 * MIB - 1_000_000, 10 * MIB]);
  });
});
