import { posix } from "node:path";
import type { Files } from "../../host/ports.ts";
import { isWithin } from "../limits.ts";
import { holderOf } from "../mount/match.ts";

/**
 * Names of the generations below a path that something is mounted from, in any mount namespace: an image through a loop
 * device, or their directory by a bind.
 */
export function mountedGenerations(files: Files, path: string): ReadonlySet<string> {
  const real = files.realPath(path);
  if (real === undefined) return new Set();
  const names = [...imagesOfLoops(files)].flatMap((file) => nameBelow(file, real));
  const holder = holderOf(files.mounts(), real);
  if (holder === undefined) return new Set(names);
  const inside = posix.join(holder.root, posix.relative(holder.target, real));
  const roots = files.mountsEverywhere().filter(({ device }) => device === holder.device);
  return new Set([...names, ...roots.flatMap(({ root }) => nameBelow(root, inside))]);
}

/** Files behind the loop devices of this host. */
function imagesOfLoops(files: Files): readonly string[] {
  const loops = (files.list("/sys/block") ?? []).filter((name) => name.startsWith("loop"));
  return loops.flatMap((name) => files.readText(`/sys/block/${name}/loop/backing_file`)?.replace(/\n$/, "") ?? []);
}

function nameBelow(path: string, top: string): readonly string[] {
  if (path === top || !isWithin(path, top)) return [];
  const [name = ""] = posix.relative(top, path).split("/");
  return [name];
}
