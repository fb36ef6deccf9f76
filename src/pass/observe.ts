import { asRootloomError } from "../core/error.ts";
import type { OwnedRecord, Resource, ResourceId, ResourceKind } from "../core/resource.ts";
import { observers } from "../resources/index.ts";
import type { ObserveContext, Observer } from "../resources/types.ts";

export interface Observations {
  readonly observed: ReadonlyMap<ResourceId, unknown>;
  readonly unobserved: ReadonlyMap<ResourceId, { readonly message: string; readonly hint: string }>;
}

/** What nearly every host has: its modules are loaded while git answers, and not only when the answer is there. */
const USUAL: readonly ResourceKind[] = ["volume", "tree", "artifact"];

export function prepareObservers(): void {
  for (const kind of USUAL) observers[kind]().catch(() => undefined); // said by the observation that needs it
}

/**
 * Looks at every desired resource, and at every owned one whose declaration is gone. One that
 * cannot be looked at is said to be so: "could not check" is never "not there".
 */
export async function observeAll(
  resources: readonly Resource[],
  owned: readonly OwnedRecord[],
  context: ObserveContext,
): Promise<Observations> {
  const observed = new Map<ResourceId, unknown>();
  const unobserved = new Map<ResourceId, { message: string; hint: string }>();
  const look = async (id: ResourceId, run: () => Promise<unknown>): Promise<void> => {
    try {
      observed.set(id, await run());
    } catch (thrown) {
      context.signal?.throwIfAborted();
      const error = asRootloomError(thrown);
      unobserved.set(id, { message: error.message, hint: error.hint ?? "" });
    }
  };
  const desired = new Set(resources.map((resource) => resource.id));
  const records = new Map(owned.map((record) => [record.id, record]));
  await Promise.all([
    ...resources.map((resource) =>
      look(resource.id, async () =>
        (await observerOf(resource.kind)).observe(resource, records.get(resource.id), context),
      ),
    ),
    ...owned
      .filter((record) => !desired.has(record.id))
      .map((record) => look(record.id, async () => (await observerOf(record.kind)).observeRemoved(record, context))),
  ]);
  return { observed, unobserved };
}

/** The table pairs each kind with its own types; a resource of that kind is all this observer is ever given. */
async function observerOf(kind: ResourceKind): Promise<Observer<ResourceKind>> {
  return (await observers[kind]()) as unknown as Observer<ResourceKind>;
}
