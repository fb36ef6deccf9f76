import { RootloomError } from "../core/error.ts";
import type { ResourceId } from "../core/resource.ts";
import { nearest } from "../documents/nearest.ts";

/** What people call the kinds, beside their own names. */
const aliases: Readonly<Record<string, string>> = {
  root: "tree",
  image: "artifact",
  "environment-file": "environment",
};

/**
 * The resource that a person means by `kind/name`, `root/debian`, `image/debian` or a bare name that only one has.
 * @throws RootloomError that suggests the nearest name, or lists all that fit.
 */
export function resolveName(given: string, ids: readonly ResourceId[]): ResourceId {
  const wanted = withoutAlias(given);
  const exact = ids.find((id) => id === wanted);
  if (exact !== undefined) return exact;
  const bare = ids.filter((id) => nameOf(id) === given);
  if (bare.length === 1 && bare[0] !== undefined) return bare[0];
  if (bare.length > 1) {
    throw new RootloomError(`cannot tell what ${given} is: ${bare.length} resources have that name`, {
      hint: `say which: ${bare.join(", ")}`,
    });
  }
  const near = nearest(wanted, ids) ?? ids.find((id) => nameOf(id) === nearest(nameOf(wanted), ids.map(nameOf)));
  throw new RootloomError(`cannot find ${given}: nothing declared or recorded has that name`, {
    hint: near === undefined ? "`rootloom plan` lists all names" : `did you mean ${near}?`,
  });
}

/** All of them, each once, in the order given; none given: all. */
export function resolveNames(given: readonly string[], ids: readonly ResourceId[]): readonly ResourceId[] {
  return given.length === 0 ? ids : [...new Set(given.map((name) => resolveName(name, ids)))];
}

function withoutAlias(given: string): string {
  const slash = given.indexOf("/");
  const kind = aliases[given.slice(0, Math.max(slash, 0))];
  return kind === undefined ? given : `${kind}${given.slice(slash)}`;
}

function nameOf(id: string): string {
  return id.slice(id.indexOf("/") + 1);
}
