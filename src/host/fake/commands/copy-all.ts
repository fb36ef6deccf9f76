import type { Inode } from "../inode.ts";
import { encode, type Kernel } from "../kernel.ts";
import type { Answer, Invocation } from "../processes.ts";

/**
 * `cp --archive --one-file-system --no-target-directory`: what is mounted in the origin comes as an empty directory. Ours
 * may be killed in the middle of it, as of any command.
 */
export function copyAll({ kernel, point }: Invocation, from: string, to: string): Answer {
  const [origin, target] = [encode(from), encode(to)];
  const copies = new Map<Inode, string>();
  const { device } = kernel.get(origin, true).inode.fileSystem;
  copyNode(kernel, { from: origin, to: target, device, copies, point });
  return {};
}

interface Copying {
  readonly from: string;
  readonly to: string;
  readonly device: number;
  /** The first copy of each file with several names. */
  readonly copies: Map<Inode, string>;
  readonly point: Invocation["point"];
}

function copyNode(kernel: Kernel, copying: Copying): void {
  const { from, to, device, copies, point } = copying;
  const { inode } = kernel.get(from);
  const { type, mode, owner, group, modified_ms, target, major, minor } = inode;
  const first = copies.get(inode);
  if (first !== undefined) {
    kernel.link(first, to);
    return;
  }
  if (type !== "directory" && inode.links > 1) copies.set(inode, to);
  if (kernel.look(to) === undefined) kernel.create(to, { type, mode, target, major, minor });
  const copy = kernel.get(to);
  if (type === "file") kernel.write(copy.inode, inode.content);
  point("copied", to);
  if (inode.fileSystem.device === device)
    for (const name of [...inode.entries.keys()])
      copyNode(kernel, { ...copying, from: `${from}/${name}`, to: `${to}/${name}` });
  kernel.setAttributes(copy, { owner, group, mode, modified_s: Math.floor(modified_ms / 1000) });
  for (const name of inode.extendedAttributes) copy.inode.extendedAttributes.add(name);
}
