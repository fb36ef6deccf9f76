import type { TreePath } from "../../core/entry.ts";
import type { ScannedEntry, ScanOptions } from "../ports.ts";
import { attempt, ErrnoError } from "./errno.ts";
import { inodeStat } from "./inode.ts";
import { encode, type Kernel } from "./kernel.ts";
import type { Location } from "./mount-table.ts";

/** Walks a tree by bytes of the path; a mount point is reported with what is mounted there, and never entered. */
export function* scanFakeTree(kernel: Kernel, treePath: string, options: ScanOptions): Generator<ScannedEntry> {
  const top = attempt("walk", treePath, () => {
    const location = kernel.get(encode(treePath));
    if (location.inode.type !== "directory") throw new ErrnoError("ENOTDIR", treePath);
    return location;
  });
  yield* scanDirectory(kernel, top, "", options);
}

function* scanDirectory(
  kernel: Kernel,
  directory: Location,
  prefix: TreePath,
  options: ScanOptions,
): Generator<ScannedEntry> {
  for (const name of [...directory.inode.entries.keys()].sort()) {
    const inode = directory.inode.entries.get(name);
    if (inode === undefined) continue;
    const path = `${prefix}${name}`;
    const seen = kernel.table.visible({ mount: directory.mount, inode });
    const mountPoint = seen.mount !== directory.mount;
    yield {
      ...inodeStat(seen.inode),
      path,
      target: seen.inode.target,
      mountPoint,
      extendedAttributes: (options.attributes ?? false) !== false ? [...seen.inode.extendedAttributes].sort() : [],
    };
    if (seen.inode.type !== "directory" || mountPoint || options.enter?.(path) === false) continue;
    yield* scanDirectory(kernel, seen, `${path}/`, options);
  }
}
