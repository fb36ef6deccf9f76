import type { PackageWork } from "../../../core/resource.ts";
import type { TreeHandle } from "../../../host/ports.ts";

/** What a root's package database says of a declared list. */
export interface PackageDifference {
  /** Declared to be installed, and not there. */
  readonly missing: readonly string[];
  /** Declared to be removed, and there. */
  readonly unwanted: readonly string[];
}

/** One package manager: how its database is read, and what its commands are called. */
export interface PackageAdapter {
  /** Reads the database in the root; no program of the root runs. */
  readonly difference: (work: PackageWork, tree: TreeHandle) => PackageDifference;
  /** Commands that make the root as declared, in order, each a list of words. */
  readonly commands: (work: PackageWork, difference: PackageDifference) => readonly (readonly string[])[];
  /** Variables that keep it from asking. */
  readonly environment: Readonly<Record<string, string>>;
}

/** The text of a file in a root, its links followed inside it; undefined where there is none. */
export function readText(tree: TreeHandle, path: string): string | undefined {
  const at = tree.resolve(path);
  if (at === undefined || tree.stat(at)?.type !== "file") return undefined;
  return new TextDecoder().decode(tree.read(at));
}

/** Names in a directory of a root; none where there is no such directory. */
export function namesIn(tree: TreeHandle, path: string): readonly string[] {
  const at = tree.resolve(path);
  return at === undefined || tree.stat(at)?.type !== "directory" ? [] : tree.list(at);
}
