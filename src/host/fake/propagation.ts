import type { Inode } from "./inode.ts";
import type { Mount, MountTable, NewMount } from "./mount-table.ts";

/**
 * Attaches a mount as mount(2) does: in a shared mount it also appears in all its peers, and in what is a slave of them,
 * as far as these show the place (Documentation/filesystems/sharedsubtree.rst).
 */
export function attachShared(table: MountTable, mount: NewMount): Mount {
  const attached = table.attach(mount);
  const { at } = mount;
  if (at === undefined) return attached;
  for (const peer of receiversOf(table, at.covered.mount)) {
    if (peer === attached || !shows(peer, at.covered.inode)) continue;
    const [parent, covered] = [at.parent, at.covered].map(({ inode }) => ({ mount: peer, inode }));
    if (parent === undefined || covered === undefined) continue;
    table.attach({ ...mount, at: { ...at, parent, covered }, propagation: inherited(peer, attached) });
  }
  return attached;
}

/** Detaches a mount with what it brought into peers; what others have mounted in one of those keeps it there. */
export function detachShared(table: MountTable, mount: Mount): void {
  const { at } = mount;
  const copies =
    at === undefined
      ? []
      : receiversOf(table, at.covered.mount).flatMap((peer) =>
          table.all.filter((other) => isCopyIn(other, peer, mount, at.covered.inode)),
        );
  table.detach(mount);
  for (const copy of copies) if (table.childrenOf(copy).length === 0) table.detach(copy);
}

/** Mounts into which what happens in one travels: its peers, and the slaves of its group. */
function receiversOf(table: MountTable, mount: Mount): readonly Mount[] {
  const group = groupOf(mount);
  if (group === undefined) return [];
  const words = [`shared:${group}`, `master:${group}`];
  return table.all.filter((other) => other !== mount && other.propagation.some((word) => words.includes(word)));
}

function isCopyIn(other: Mount, peer: Mount, of: Mount, covered: Inode): boolean {
  return other.at?.covered.mount === peer && other.at.covered.inode === covered && other.root === of.root;
}

/** A copy in a peer is a peer of the original, one in a slave its slave. */
function inherited(peer: Mount, of: Mount): readonly string[] {
  const group = groupOf(of);
  if (group === undefined) return [];
  return groupOf(peer) === undefined ? [`master:${group}`] : of.propagation;
}

function groupOf({ propagation }: Mount): string | undefined {
  return propagation.find((word) => word.startsWith("shared:"))?.slice("shared:".length);
}

function shows({ root, fileSystem }: Mount, inode: Inode): boolean {
  if (inode.fileSystem !== fileSystem) return false;
  for (let here: Inode | undefined = inode; here !== undefined; here = here.parent === here ? undefined : here.parent)
    if (here === root) return true;
  return false;
}
