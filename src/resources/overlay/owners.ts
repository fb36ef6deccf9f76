import { showPath } from "../../core/entry.ts";
import { RootloomError } from "../../core/error.ts";
import type { OverlayEntry } from "../../core/resource.ts";
import type { TreeHandle } from "../../host/ports.ts";

/** An overlay entry whose owner and group are numbers: what is laid, packed and compared. */
export type OwnedEntry = OverlayEntry & { readonly owner: number; readonly group: number };

/** Names of a root's own `etc/passwd` and `etc/group`. */
export interface Accounts {
  readonly users: ReadonlyMap<string, number>;
  readonly groups: ReadonlyMap<string, number>;
  /** Where the names were looked for, for messages. */
  readonly place: string;
}

/** `root` is 0 everywhere, even in a root that has no passwd yet. */
export function noAccounts(place: string): Accounts {
  return { users: new Map([["root", 0]]), groups: new Map([["root", 0]]), place };
}

/** Reads the accounts of an open root; a missing file knows `root` only. */
export function readAccounts(tree: TreeHandle, place: string): Accounts {
  return { users: readNames(tree, "etc/passwd"), groups: readNames(tree, "etc/group"), place };
}

/**
 * Entries with numbers for owners.
 * @throws RootloomError naming the path and the name that the root does not know.
 */
export function resolveOwners(entries: readonly OverlayEntry[], accounts: Accounts): readonly OwnedEntry[] {
  return entries.map((entry) => ({
    ...entry,
    owner: resolve(entry.owner, accounts.users, entry, "user", accounts.place),
    group: resolve(entry.group, accounts.groups, entry, "group", accounts.place),
  }));
}

function resolve(
  name: string | number,
  known: ReadonlyMap<string, number>,
  entry: OverlayEntry,
  what: string,
  place: string,
): number {
  const number = typeof name === "number" ? name : /^[0-9]+$/.test(name) ? Number(name) : known.get(name);
  // 2^32 - 1 means "leave as it is" to chown(2).
  if (number !== undefined && Number.isSafeInteger(number) && number >= 0 && number < 0xffffffff) return number;
  throw new RootloomError(`cannot own ${showPath(entry.path)}: ${place} has no ${what} "${name}"`, {
    hint: `create the ${what} in the root, or write its number in the overlay's rule`,
  });
}

function readNames(tree: TreeHandle, path: string): ReadonlyMap<string, number> {
  const names = new Map([["root", 0]]);
  const at = tree.resolve(path);
  if (at === undefined || tree.stat(at)?.type !== "file") return names;
  for (const line of new TextDecoder().decode(tree.read(at)).split("\n")) {
    const [name, , number] = line.split(":");
    if (name && number !== undefined && /^[0-9]+$/.test(number)) names.set(name, Number(number));
  }
  return names;
}
