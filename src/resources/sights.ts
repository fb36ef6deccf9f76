import type { Resource } from "../core/resource.ts";
import type { Host } from "../host/ports.ts";
import type { Seen } from "../pack/remembered.ts";
import { imageExcludes } from "./artifact/inputs.ts";

/** What one pass sees of trees: each is walked once, for all who ask what it holds. */
export interface Sights {
  /**
   * The sight of a tree with these parts left out; the walk begins when the first asks. Undefined where nobody was expected to
   * ask that, or the tree cannot be walked: whoever needs it looks himself, and says why that fails.
   */
  of(treePath: string, excludes: readonly string[]): Promise<Seen | undefined>;
}

/** @param resources all of a pass: they tell who will look at a tree, and what each leaves out. */
export function createSights(host: Host, resources: readonly Resource[], signal: AbortSignal | undefined): Sights {
  const views = new Map<string, Map<string, readonly string[]>>();
  const expect = (path: string, excludes: readonly string[]): void => {
    const ofTree = views.get(path) ?? new Map<string, readonly string[]>();
    views.set(path, ofTree.set(JSON.stringify(excludes), excludes));
  };
  for (const resource of resources) {
    if (resource.kind === "tree" && resource.content === "managed") expect(resource.path, []);
    if (resource.kind === "artifact" && resource.base.type === "tree")
      expect(resource.base.path, imageExcludes(resource));
  }
  const walks = new Map<string, Promise<readonly Seen[]>>();
  const walk = (path: string, ofTree: ReadonlyMap<string, readonly string[]>): Promise<readonly Seen[]> => {
    const begun = walks.get(path) ?? host.jobs.run("look", { path, views: [...ofTree.values()] }, { signal });
    walks.set(path, begun);
    return begun;
  };
  return {
    async of(treePath, excludes) {
      const ofTree = views.get(treePath);
      const index = [...(ofTree?.keys() ?? [])].indexOf(JSON.stringify(excludes));
      if (ofTree === undefined || index < 0) return undefined;
      try {
        return (await walk(treePath, ofTree))[index];
      } catch {
        signal?.throwIfAborted();
        return undefined;
      }
    },
  };
}
