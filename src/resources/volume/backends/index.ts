import { RootloomError } from "../../../core/error.ts";
import type { Backend } from "../../../core/resource.ts";
import type { VolumeBackend } from "./backend.ts";
import { btrfsBackend } from "./btrfs/index.ts";
import { directoryBackend } from "./directory.ts";
import { inTurn } from "./in-turn.ts";
import { loopBackend } from "./loop/index.ts";
import { lvmBackend } from "./lvm/index.ts";
import { zfsBackend } from "./zfs/index.ts";

/** Every backend that is built. */
export const backends: Readonly<Partial<Record<Backend, VolumeBackend>>> = {
  directory: inTurn(directoryBackend),
  btrfs: inTurn(btrfsBackend),
  loop: inTurn(loopBackend),
  lvm: inTurn(lvmBackend),
  zfs: inTurn(zfsBackend),
};

/** The backend of a volume, for work on it. */
export function backendOf({ name, backend }: { readonly name: string; readonly backend: Backend }): VolumeBackend {
  const found = backends[backend];
  if (found !== undefined) return found;
  throw new RootloomError(`cannot work on volume ${name}: backend ${backend} is not built yet`, {
    hint: `use one of ${Object.keys(backends).join(", ")}`,
  });
}
