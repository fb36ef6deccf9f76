import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Ordered, orderByDependency, orderForRemoval } from "../../src/core/order.ts";

const item = (id: string, ...dependsOn: readonly string[]): Ordered => ({ id, dependsOn });
const idsOf = (items: readonly Ordered[]): readonly string[] => items.map(({ id }) => id);

/** Items without a cycle: each depends on some of those with a greater number. */
const acyclic = fc
  .array(fc.array(fc.nat({ max: 8 }), { maxLength: 4 }), { maxLength: 9 })
  .map((lists) =>
    lists.map((list, index) => item(`i${index}`, ...list.filter((to) => to > index).map((to) => `i${to}`))),
  );

describe("the order of what depends on each other", () => {
  it("puts dependencies first, and ties in the order of their ids", () => {
    const items = [item("d"), item("b", "z", "c"), item("a", "y"), item("c"), item("z"), item("y")];
    expect(idsOf(orderByDependency(items))).toEqual(["y", "a", "c", "z", "b", "d"]);
  });

  it("takes a dependency that is not in the list as fulfilled", () => {
    expect(idsOf(orderByDependency([item("b", "elsewhere"), item("a")]))).toEqual(["a", "b"]);
  });

  it("holds each item once, after all that it needs, whatever the order of the list", () => {
    fc.assert(
      fc.property(acyclic, (items) => {
        const ordered = orderByDependency(items);
        expect(idsOf(ordered).toSorted()).toEqual(idsOf(items).toSorted());
        const places = new Map(ordered.map(({ id }, index) => [id, index]));
        for (const { id, dependsOn } of ordered) {
          for (const needed of dependsOn) expect(places.get(needed) ?? -1).toBeLessThan(places.get(id)!);
        }
        expect(orderByDependency([...items].reverse())).toEqual(ordered);
        expect(orderForRemoval(items)).toEqual([...ordered].reverse());
      }),
    );
  });

  it("names the members of a cycle, without what only leads there, and what to do", () => {
    const items = [item("a", "b"), item("b", "c"), item("c", "d"), item("d", "b")];
    expect(() => orderByDependency(items)).toThrow(
      expect.objectContaining({
        message: "cannot order resources: they depend on each other: b -> c -> d -> b",
        hint: "remove one of these references",
      }),
    );
  });

  it("leaves the list that it was given as it is", () => {
    const items = [item("b", "z", "a"), item("a"), item("z")];
    orderByDependency(items);
    expect(items).toEqual([item("b", "z", "a"), item("a"), item("z")]);
  });
});
