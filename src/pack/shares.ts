import { hash } from "node:crypto";
import { sortByPath } from "./paths.ts";
import type { Seen, SeenShare } from "./remembered.ts";

/** What a view has seen, of all shares of its walk; undefined where the tree changed meanwhile, so that they do not fit together. */
export function joinShares(shares: readonly SeenShare[]): Seen | undefined {
  const [first] = shares;
  if (first === undefined) return undefined;
  const below = sortByPath(shares.flatMap((share) => share.parts));
  const fits = shares.every(
    ({ upper, expected }) => upper.digest === first.upper.digest && expected === first.expected,
  );
  if (!fits || below.length !== first.expected) return undefined;
  const parts = [first.upper, ...below];
  const digest = hash("sha256", parts.map((part) => part.digest).join(" "));
  return { digest, settled: parts.every(({ settled }) => settled), parts };
}
