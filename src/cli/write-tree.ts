import { dirname } from "node:path";
import { RootloomError } from "../core/error.ts";
import type { TreeFile } from "../documents/tree-file.ts";
import type { Host } from "../host/ports.ts";

/**
 * Writes files below a directory for a person to edit and commit. All or nothing as far as names go: when
 * any of them exists already, none is written.
 */
export function writeTree(host: Host, directory: string, files: readonly TreeFile[]): void {
  const taken = files.filter((file) => host.files.stat(`${directory}/${file.path}`) !== undefined);
  if (taken.length > 0) {
    const names = taken.map((file) => file.path);
    throw new RootloomError(`cannot write to ${directory}: ${names.slice(0, 3).join(", ")} would be overwritten`, {
      hint: "nothing was written: name an empty or a new directory",
      details: names.slice(3),
    });
  }
  for (const { path, content, executable, target } of files) {
    const full = `${directory}/${path}`;
    host.files.makeDirectories(dirname(full));
    const parent = host.files.stat(dirname(full));
    const attributes = { owner: parent?.owner ?? 0, group: parent?.group ?? 0, mode: executable ? 0o755 : 0o644 };
    if (target === undefined) host.files.writeFile(full, content, attributes);
    else host.files.writeLink(full, target);
  }
}
