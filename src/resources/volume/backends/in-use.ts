import { posix } from "node:path";
import { RootloomError } from "../../../core/error.ts";
import type { Files, MountEntry } from "../../../host/ports.ts";
import { isWithin } from "../../limits.ts";
import { holderOf } from "../../mount/match.ts";
import type { VolumeSubject } from "./backend.ts";

/** A mount of what lies at a path or below it, or in it: there, or anywhere else from the same filesystem. */
export function mountedFrom(files: Files, path: string): MountEntry | undefined {
  const real = files.realPath(path) ?? path;
  const mounts = files.mounts();
  const holder = holderOf(mounts, real);
  if (holder === undefined) return undefined;
  const inside = posix.join(holder.root, posix.relative(holder.target, real));
  return mounts.find(
    ({ id, target, device, root }) =>
      isWithin(target, real) || (id !== holder.id && device === holder.device && isWithin(root, inside)),
  );
}

/** @throws RootloomError for a snapshot that somebody has mounted. */
export function requireNotMounted({ name }: VolumeSubject, snapshot: string, mount: MountEntry | undefined): void {
  if (mount === undefined) return;
  throw new RootloomError(`cannot remove snapshot ${snapshot} of volume ${name}: it is mounted at ${mount.target}`, {
    hint: `umount ${mount.target}`,
    retry: "waiting",
    condition: "Mounted",
  });
}
