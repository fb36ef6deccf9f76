import type { Entry, TreePath } from "../core/entry.ts";
import { comparePaths } from "./paths.ts";

/** What a correction is told of a file whose extended attributes differ. */
export const ATTRIBUTES = "extended attributes";

export type Change = "added" | "removed" | "changed";

/** One path at which two lists differ: `before` is missing of an added one, `after` of a removed one. */
export interface Difference<E extends Entry> {
  readonly path: TreePath;
  readonly change: Change;
  /** Of a changed one what differs, for a person; else its type. */
  readonly what: string;
  readonly before: E | undefined;
  readonly after: E | undefined;
}

/** Walks two lists side by side, both sorted by `comparePaths`; neither has to be in memory. */
export function* differences<E extends Entry>(
  before: Iterable<E>,
  after: Iterable<E>,
  whatDiffers: (before: E, after: E) => string,
): Generator<Difference<E>> {
  const news = after[Symbol.iterator]();
  let next = news.next();
  try {
    for (const old of before) {
      for (; next.done !== true && comparePaths(next.value.path, old.path) < 0; next = news.next()) {
        yield added(next.value);
      }
      if (next.done === true || next.value.path !== old.path) {
        yield { path: old.path, change: "removed", what: old.type, before: old, after: undefined };
        continue;
      }
      const what = whatDiffers(old, next.value);
      if (what !== "") yield { path: old.path, change: "changed", what, before: old, after: next.value };
      next = news.next();
    }
    for (; next.done !== true; next = news.next()) yield added(next.value);
  } finally {
    news.return?.();
  }
}

/** Everything but times and hard links; empty where the two are alike. */
export function whatDiffers(before: Entry, after: Entry): string {
  if (before.type !== after.type) return `type ${before.type}, now ${after.type}`;
  const what: string[] = [];
  if (before.mode !== after.mode) what.push(`mode ${before.mode.toString(8)}, now ${after.mode.toString(8)}`);
  if (before.owner !== after.owner) what.push(`owner ${before.owner}, now ${after.owner}`);
  if (before.group !== after.group) what.push(`group ${before.group}, now ${after.group}`);
  if (before.sha256 !== after.sha256 || (before.type === "file" && before.size !== after.size)) what.push("content");
  if (before.target !== after.target) what.push("target");
  if (before.major !== after.major || before.minor !== after.minor) what.push("device");
  return what.join(", ");
}

/** As `whatDiffers`, with times and hard links: all that decides the bytes of an image. */
export function whatDiffersAtAll(before: Entry, after: Entry): string {
  const what = [whatDiffers(before, after)].filter((each) => each !== "");
  if (before.type === after.type && before.modified_s !== after.modified_s) what.push("time");
  if (before.linkSet !== after.linkSet) what.push("links");
  return what.join(", ");
}

function added<E extends Entry>(entry: E): Difference<E> {
  return { path: entry.path, change: "added", what: entry.type, before: undefined, after: entry };
}
