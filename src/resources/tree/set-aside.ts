import { posix } from "node:path";
import { type TreePath, toTreePath } from "../../core/entry.ts";
import type { TreeResource } from "../../core/resource.ts";
import type { TreeHandle } from "../../host/ports.ts";
import { isWithin } from "../limits.ts";
import type { ApplyContext } from "../types.ts";

/**
 * Moves a path out of a tree into `.rootloom/set-aside`, by rename, so that nothing is lost. Directories
 * only when they are empty, unless `whole`, and never with a mount inside. False when it is not there, is not to be moved, or cannot be:
 * a name that is not UTF-8 has no host path.
 */
export function setAside(
  resource: TreeResource,
  top: TreeHandle,
  path: TreePath,
  aside: string,
  context: ApplyContext,
  whole = false,
): boolean {
  const { files } = context.host;
  const stat = top.stat(path);
  const name = Buffer.from(path, "latin1").toString("utf8");
  if (stat === undefined || path === "" || toTreePath(name) !== path || top.resolve(path) !== path) return false;
  const empty = stat.type === "directory" && top.list(path).length === 0;
  if (empty) {
    top.removeDirectory(path);
    return true;
  }
  const place = posix.join(resource.path, name);
  if (stat.type === "directory" && (!whole || files.mounts().some(({ target }) => isWithin(target, place))))
    return false;
  const target = freeName(posix.join(aside, name), (candidate) => files.stat(candidate) !== undefined);
  files.makeDirectories(posix.dirname(target), 0o700);
  files.rename(place, target);
  return true;
}

function freeName(path: string, taken: (path: string) => boolean): string {
  let name = path;
  for (let count = 2; taken(name); count++) name = `${path}~${count}`;
  return name;
}
