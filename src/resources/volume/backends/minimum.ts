import type { VolumeResource } from "../../../core/resource.ts";
import { sizeText } from "../../../core/size.ts";
import type { Obstacle } from "./backend.ts";

const MEBIBYTE = 1024 * 1024;

/** The least that mkfs of each filesystem takes with its defaults, rounded up. */
const SMALLEST_BYTES: Readonly<Record<string, number>> = {
  ext4: 8 * MEBIBYTE,
  xfs: 300 * MEBIBYTE,
  btrfs: 128 * MEBIBYTE,
};

/** Why a device of the declared size could not hold its filesystem. */
export function tooSmall({ filesystem = "ext4", size_bytes }: VolumeResource): Obstacle | undefined {
  const least = SMALLEST_BYTES[filesystem] ?? 0;
  if (size_bytes === undefined || size_bytes >= least) return undefined;
  return {
    why: `${sizeText(size_bytes)} is too small for ${filesystem}`,
    hint: `declare ${sizeText(least)} or more`,
    passing: false,
  };
}
