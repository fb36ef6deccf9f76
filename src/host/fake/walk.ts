import { ErrnoError } from "./errno.ts";
import type { Inode } from "./inode.ts";
import type { Location, MountTable } from "./mount-table.ts";

export interface WalkOptions {
  /** Where absolute links lead and `..` stops: the top of the namespace unless told. */
  readonly root?: Location;
  /** Whether a link as the last component is followed. */
  readonly follow: boolean;
  /** Refuses to pass through a mount, as openat2 with RESOLVE_NO_XDEV; one at the last component is reported. */
  readonly withinMount?: boolean;
  /** Told of each node on the way, the last one included. */
  readonly visit?: (inode: Inode) => void;
}

export interface Found {
  readonly parent: Location;
  /** Last component, one byte a character; empty when the path names its own start. */
  readonly name: string;
  /** What is there, mounts on it included; undefined when nothing is. */
  readonly at: Location | undefined;
  /** Path from `root`, every link followed but the last. */
  readonly resolved: string;
}

const LINKS_MAX = 40;
const NAME_MAX = 255;

/**
 * Resolves a path, one byte a character, as the kernel does.
 * @throws ErrnoError ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG, EXDEV.
 */
export function walk(table: MountTable, path: string, options: WalkOptions): Found {
  const root = options.root ?? table.visible(table.top);
  const todo = [...components(path)];
  let here = root;
  let names: string[] = [];
  let links = 0;
  for (let name = todo.pop(); name !== undefined; name = todo.pop()) {
    options.visit?.(here.inode);
    if (here.inode.type !== "directory") throw new ErrnoError("ENOTDIR", path);
    if (name === "..") {
      here = isSame(here, root) ? here : table.above(here);
      names.pop();
      continue;
    }
    if (name.length > NAME_MAX) throw new ErrnoError("ENAMETOOLONG", path);
    const next = childOf(table, here, name);
    const last = todo.length === 0;
    if (next !== undefined) options.visit?.(next.inode);
    if (next === undefined) {
      if (last) return { parent: here, name, at: undefined, resolved: [...names, name].join("/") };
      throw new ErrnoError("ENOENT", path);
    }
    if (next.inode.type === "symlink" && (!last || options.follow)) {
      links += 1;
      if (links > LINKS_MAX) throw new ErrnoError("ELOOP", path);
      if (next.inode.target.startsWith("/")) {
        here = root;
        names = [];
      }
      todo.push(...components(next.inode.target));
      continue;
    }
    names.push(name);
    if (last) return { parent: here, name, at: next, resolved: names.join("/") };
    if (options.withinMount === true && next.mount !== here.mount) throw new ErrnoError("EXDEV", path);
    here = next;
  }
  return { parent: isSame(here, root) ? here : table.above(here), name: "", at: here, resolved: names.join("/") };
}

export function childOf(table: MountTable, directory: Location, name: string): Location | undefined {
  const inode = directory.inode.entries.get(name);
  return inode && table.visible({ mount: directory.mount, inode });
}

export function isSame(one: Location, other: Location): boolean {
  return one.inode === other.inode && one.mount === other.mount;
}

/** Paths come again and again. */
const split = new Map<string, readonly string[]>();
const SPLIT_MAX = 50_000;

/** The last one first. */
function components(path: string): readonly string[] {
  const known = split.get(path);
  if (known !== undefined) return known;
  const names = path
    .split("/")
    .filter((name) => name !== "" && name !== ".")
    .reverse();
  if (split.size >= SPLIT_MAX) split.clear();
  split.set(path, names);
  return names;
}
