import type { Attachment, VolumeBackend, VolumeSubject } from "./backend.ts";

/**
 * A backend whose snapshots of one volume are made and removed one after another: several roots may lie on a volume, and
 * several images be packed from one at once, and each sweeps what killed work left under names like its own.
 */
export function inTurn(backend: VolumeBackend): VolumeBackend {
  const last = new Map<string, Promise<unknown>>();
  const take = <T>({ path }: VolumeSubject, body: () => Promise<T>): Promise<T> => {
    const done = (last.get(path) ?? Promise.resolve()).then(body);
    const settled = done.catch(() => undefined);
    last.set(path, settled);
    void settled.then(() => last.get(path) === settled && last.delete(path));
    return done;
  };
  return {
    ...backend,
    snapshot: (volume, name, working) => take(volume, () => backend.snapshot(volume, name, working)),
    removeSnapshot: (volume, name, working) => take(volume, () => backend.removeSnapshot(volume, name, working)),
    cloneFrom: (origin, target, working) => take(origin.volume, () => backend.cloneFrom(origin, target, working)),
    attachReadOnly: async (volume, name, working): Promise<Attachment> => {
      const attachment = await take(volume, () => backend.attachReadOnly(volume, name, working));
      return { ...attachment, detach: () => take(volume, () => attachment.detach()) };
    },
  };
}
