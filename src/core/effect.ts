import type { ResourceKind } from "./resource.ts";

/**
 * Every effect that is journaled, in one list: an effect whose name is not here does not compile. Each is a point at
 * which a kill must be survived, before it and after it; the tests of kills go through this list.
 */
export const EFFECTS = [
  "volume.create",
  "volume.adopt",
  "volume.mount",
  "volume.remount",
  "volume.mark",
  "volume.resize",
  "volume.label",
  "volume.update",
  "volume.delete",
  "tree.bootstrap",
  "tree.build",
  "tree.place",
  "tree.note",
  "tree.restore",
  "tree.swap.keep-old",
  "tree.swap.place-new",
  "tree.delete",
  "tree.snapshot",
  "overlay.move-out",
  "overlay.record-deletion",
  "overlay.remove-left",
  "overlay.keep-originals",
  "overlay.record",
  "overlay.lay",
  "overlay.give-back",
  "overlay.finish",
  "overlay.remove-all",
  "overlay.unlist",
  "mount.make-target",
  "mount.mount",
  "mount.remount",
  "mount.prove",
  "mount.unmount",
  "link.write",
  "link.delete",
  "environment.write",
  "environment.delete",
  "artifact.make-directory",
  "artifact.make-room",
  "artifact.set-aside",
  "artifact.place",
  "artifact.switch",
  "artifact.remove-old",
  "artifact.delete",
] as const satisfies readonly `${ResourceKind}.${string}`[];

export type EffectName = (typeof EFFECTS)[number];
