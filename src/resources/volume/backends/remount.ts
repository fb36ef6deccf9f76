import type { VolumeResource } from "../../../core/resource.ts";
import type { MountEntry } from "../../../host/ports.ts";
import type { Working } from "./backend.ts";

/** Of the times of access, at most one of these holds. */
const ACCESS_TIMES = ["noatime", "relatime", "strictatime"];

/** Puts the declared options in force on a mount that stands, and those in force no more that are not declared. */
export async function remountWith(
  { mountOptions }: Pick<VolumeResource, "mountOptions">,
  entry: MountEntry,
  { host, signal }: Working,
): Promise<void> {
  // With both names given, no line of fstab is mixed in.
  const words = ["--options", remountOptions(mountOptions).join(","), "--", entry.source, entry.target];
  await host.processes.run({ file: "mount", arguments: words, hostNamespace: true, signal });
}

/**
 * A flag that is not named is taken away, with one exception: where nothing is said of times of access, the kernel
 * leaves them as they are (mount(2), MS_REMOUNT), so that its own default is named.
 */
export function remountOptions(declared: readonly string[]): readonly string[] {
  const access = declared.includes("ro") ? [] : ["rw"];
  const times = declared.some((option) => ACCESS_TIMES.includes(option)) ? [] : ["relatime"];
  return ["remount", ...access, ...times, ...declared];
}
