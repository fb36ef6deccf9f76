import { showPath } from "../core/entry.ts";
import type { Origin, OverlayResource, Resource, ResourceId } from "../core/resource.ts";
import type { Problem } from "../documents/types.ts";
import { PathIndex } from "./path-index.ts";

/** What a resource claims of the host, in a form that two resources never share. */
function claimsOf(resource: Resource): readonly string[] {
  switch (resource.kind) {
    case "volume":
      return [...new Set([resource.identity, `path:${resource.path}`])];
    case "mount":
      return [resource.identity, `path:${resource.target}`];
    case "tree":
      // The top of an existing root is its volume's own.
      return resource.path === resource.volumePath ? [resource.identity] : [resource.identity, `path:${resource.path}`];
    default:
      return [resource.identity];
  }
}

/** Two resources with one physical identity, and one resource inside another's tree. */
export function findConflicts(resources: readonly Resource[]): readonly Problem[] {
  return [...sharedIdentities(resources), ...insideTrees(resources), ...laidTwice(resources)];
}

function sharedIdentities(resources: readonly Resource[]): readonly Problem[] {
  const problems: Problem[] = [];
  const owners = new Map<string, Resource>();
  for (const resource of resources) {
    for (const claim of claimsOf(resource)) {
      const first = owners.get(claim);
      if (first === undefined) owners.set(claim, resource);
      else {
        const what = claim.slice(claim.indexOf(":") + 1);
        const message = `cannot give ${what} to ${resource.id}: ${first.id} has it, declared at ${placeText(first.origin)}`;
        problems.push(at(resource.origin, message, "give one of the two another place"));
        break;
      }
    }
  }
  return problems;
}

function insideTrees(resources: readonly Resource[]): readonly Problem[] {
  const problems: Problem[] = [];
  const trees = new PathIndex<Resource>();
  for (const resource of resources) if (resource.kind === "tree") trees.add(resource.path, resource);
  for (const other of resources) {
    if (other.kind !== "volume" && other.kind !== "artifact" && other.kind !== "tree") continue;
    for (const tree of trees.above(other.path)) {
      const message = `cannot put ${other.id} at ${other.path}: it lies inside ${tree.id}, declared at ${placeText(tree.origin)}`;
      problems.push(at(other.origin, message, "move it out of the root; mount a volume into a root by `mounts`"));
    }
  }
  return problems;
}

/** Two overlays that both lay one path into one root would undo each other for ever. */
function laidTwice(resources: readonly Resource[]): readonly Problem[] {
  const problems: Problem[] = [];
  const layers = new Map<string, OverlayResource>();
  for (const resource of resources) {
    if (resource.kind !== "overlay") continue;
    const { entries, deletions } = resource.overlay;
    const explicit = entries.filter((entry) => entry.explicit).map((entry) => entry.path);
    for (const path of new Set([...explicit, ...deletions])) {
      const key = `${resource.tree}:${path}`;
      const first = layers.get(key);
      if (first === undefined) layers.set(key, resource);
      else {
        const message = `cannot lay \`${showPath(path)}\` into ${resource.tree} by overlay ${resource.overlay.name}: overlay ${first.overlay.name} lays it too`;
        problems.push(
          at(resource.origin, message, `take it out of one of the two; the other is at ${placeText(first.origin)}`),
        );
      }
    }
  }
  return problems;
}

/** One cycle of `dependsOn` as a list of ids that ends where it starts; undefined where there is none. */
export function findCycle(
  resources: readonly { readonly id: ResourceId; readonly dependsOn: readonly ResourceId[] }[],
): readonly ResourceId[] | undefined {
  const dependencies = new Map(resources.map((resource) => [resource.id, resource.dependsOn]));
  const finished = new Set<ResourceId>();
  const path: ResourceId[] = [];
  const visit = (id: ResourceId): readonly ResourceId[] | undefined => {
    if (finished.has(id)) return undefined;
    const start = path.indexOf(id);
    if (start >= 0) return [...path.slice(start), id];
    path.push(id);
    for (const dependency of dependencies.get(id) ?? []) {
      const cycle = visit(dependency);
      if (cycle !== undefined) return cycle;
    }
    path.pop();
    finished.add(id);
    return undefined;
  };
  for (const { id } of resources) {
    const cycle = visit(id);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}

function at({ file, line, column }: Origin, message: string, hint: string): Problem {
  return { file, line, column, message, hint };
}

function placeText({ file, line, column }: Origin): string {
  return `${file}:${line}:${column}`;
}
