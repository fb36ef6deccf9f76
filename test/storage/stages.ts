import type { Stage } from "./stage.ts";
import { lvmStages } from "./stage-lvm.ts";
import { zfsStage } from "./stage-zfs.ts";
import { btrfsStage, directoryStage, loopStages } from "./stages-host.ts";

/** Those that run on any host. */
export const hostStages: readonly Stage[] = [directoryStage, btrfsStage, ...loopStages, zfsStage];

/** Every backend, in the order of the matrix. */
export const stages: readonly Stage[] = [...hostStages, ...lvmStages];
