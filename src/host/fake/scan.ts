import { createHash } from "node:crypto";
import type { TreePath } from "../../core/entry.ts";
import type { Files, Glance, LookOptions, ScannedEntry, ScanOptions } from "../ports.ts";
import { attempt, ErrnoError } from "./errno.ts";
import { inodeStat } from "./inode.ts";
import { encode, type Kernel } from "./kernel.ts";
import type { Location } from "./mount-table.ts";

/** The two walks of the file port, on filesystems that say nothing by themselves, as most do. */
export function fakeWalks(kernel: Kernel): Pick<Files, "scan" | "look" | "generation"> {
  return {
    generation: () => undefined,
    scan: (treePath, options = {}) => scanFakeTree(kernel, treePath, options),
    look: (treePath, views) => views.map((view) => lookAtFakeTree(kernel, treePath, view)),
  };
}

/** Walks a tree by bytes of the path; a mount point is reported with what it covers, and never entered. */
function* scanFakeTree(kernel: Kernel, treePath: string, options: ScanOptions): Generator<ScannedEntry> {
  const top = attempt("walk", treePath, () => {
    const location = kernel.get(encode(treePath));
    if (location.inode.type !== "directory") throw new ErrnoError("ENOTDIR", treePath);
    return location;
  });
  yield* scanDirectory(kernel, top, "", options);
}

/** One digest of all that a scan finds: no tree here is large enough to be walked in parts. */
function lookAtFakeTree(kernel: Kernel, treePath: string, options: LookOptions): Glance {
  const { enter, leaveOut } = options;
  const hash = createHash("sha256");
  const scanned = scanFakeTree(kernel, treePath, {
    enter: (path) => leaveOut?.(path) !== true && enter?.(path) !== false,
  });
  const top = attempt("walk", treePath, () => inodeStat(kernel.get(encode(treePath)).inode));
  hash.update(top.stamp);
  let changed_ms = top.changed_ms;
  for (const entry of scanned) {
    if (leaveOut?.(entry.path) === true) continue;
    const { path, mountPoint, mode, owner, group, links, stamp } = entry;
    hash.update(`${path}\0${mountPoint}\0${mode} ${owner} ${group} ${links}\0${stamp}\n`);
    changed_ms = Math.max(changed_ms, entry.changed_ms);
  }
  return { upper: { path: "", digest: hash.digest("hex"), changed_ms }, parts: [], expected: 0 };
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
    const attributes = options.attributes ?? false;
    yield {
      ...inodeStat(inode),
      path,
      target: mountPoint ? "" : inode.target,
      mountPoint,
      extendedAttributes: attributes === false || mountPoint ? [] : [...inode.extendedAttributes].sort(),
    };
    if (seen.inode.type !== "directory" || mountPoint || options.enter?.(path) === false) continue;
    yield* scanDirectory(kernel, seen, `${path}/`, options);
  }
}
