import type { Stage } from "./stage.ts";
import { zfsStage } from "./stage-zfs.ts";
import { btrfsStage, directoryStage, loopStages } from "./stages-host.ts";

/** Every backend, in the order of the matrix. */
export const stages: readonly Stage[] = [directoryStage, btrfsStage, ...loopStages, zfsStage];
