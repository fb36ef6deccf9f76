import { RootloomError } from "./error.ts";

/** What can be put in order: anything with an id that depends on other ids. */
export interface Ordered {
  readonly id: string;
  readonly dependsOn: readonly string[];
}

/**
 * Dependencies first; ties are broken by id, so that the order is the same in every pass.
 * Dependencies that are not in the list are taken as fulfilled.
 * @throws RootloomError naming the members of a cycle.
 */
export function orderByDependency<T extends Ordered>(items: readonly T[]): readonly T[] {
  const byId = new Map(items.map((item) => [item.id, item]));
  const ordered: T[] = [];
  const state = new Map<string, "open" | "done">();
  const visit = (item: T, trail: readonly string[]): void => {
    const known = state.get(item.id);
    if (known === "done") return;
    if (known === "open") {
      const cycle = [...trail.slice(trail.indexOf(item.id)), item.id].join(" -> ");
      throw new RootloomError(`cannot order resources: they depend on each other: ${cycle}`, {
        hint: "remove one of these references",
      });
    }
    state.set(item.id, "open");
    for (const id of [...item.dependsOn].sort()) {
      const dependency = byId.get(id);
      if (dependency !== undefined) visit(dependency, [...trail, item.id]);
    }
    state.set(item.id, "done");
    ordered.push(item);
  };
  for (const item of [...items].sort((a, b) => (a.id < b.id ? -1 : 1))) visit(item, []);
  return ordered;
}

/** The reverse: what depends on others goes first. Used to unmount and to delete. */
export function orderForRemoval<T extends Ordered>(items: readonly T[]): readonly T[] {
  return [...orderByDependency(items)].reverse();
}
