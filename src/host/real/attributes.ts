import { chmodSync, chownSync, lchownSync, lutimesSync, utimesSync } from "node:fs";
import type { Attributes } from "../ports.ts";
import { descriptorPath } from "./paths.ts";
import { statDescriptor } from "./system-calls.ts";

/** Attributes of anything but a symlink, held by an O_PATH descriptor: the inode itself, whatever its name leads to by now. */
export function setHeldAttributes(held: number, attributes: Attributes): void {
  const path = descriptorPath(held);
  const facts = statDescriptor(held);
  if (facts.owner !== attributes.owner || facts.group !== attributes.group) {
    chownSync(path, attributes.owner, attributes.group);
  }
  chmodSync(path, attributes.mode);
  if (attributes.modified_s !== undefined) utimesSync(path, attributes.modified_s, attributes.modified_s);
}

export function setLinkAttributes(path: string | Buffer, attributes: Attributes): void {
  lchownSync(path, attributes.owner, attributes.group);
  if (attributes.modified_s !== undefined) lutimesSync(path, attributes.modified_s, attributes.modified_s);
}
