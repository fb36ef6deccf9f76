import { showPath } from "../../core/entry.ts";
import { RootloomError } from "../../core/error.ts";
import type { Files, TreeHandle } from "../../host/ports.ts";
import type { Inspection } from "./inspect.ts";
import { checkedContent } from "./originals.ts";

/** Makes one path what the overlay says: a file beside and renamed, a directory in place. */
export function layEntry(tree: TreeHandle, inspection: Inspection, modified_s: number, files: Files): void {
  const { entry, standing } = inspection;
  const { owner, group, mode, type, major, minor } = entry;
  const attributes = { owner, group, mode, modified_s };
  // Its parent may have been laid a moment ago: where it leads is asked again.
  const at = type === "directory" && standing?.type === "directory" ? inspection.at : tree.resolve(entry.path);
  if (at === undefined)
    throw new RootloomError(`cannot lay ${showPath(entry.path)}: its directory is gone`, { retry: "transient" });
  if (type === "directory") {
    if (tree.stat(at) === undefined) tree.makeDirectory(at, attributes);
    else tree.setAttributes(at, { owner, group, mode });
  } else if (type === "symlink") tree.writeLink(at, entry.target, attributes);
  else if (type === "file") {
    tree.writeFile(at, { bytes: checkedContent(files, entry.path, entry.content, entry.sha256) }, attributes);
  } else tree.makeNode(at, { type, major, minor }, attributes);
}
