import type { VolumeResource } from "../../core/resource.ts";
import type { Files, MountEntry } from "../../host/ports.ts";
import type { Device } from "./backends/backend.ts";

/** What is mounted at the path of a volume whose content is reached by a mount. */
export interface VolumeMount {
  /** `none`: it needs no mount. `covers`: a mount would hide what lies in the directory. */
  readonly state: "none" | "absent" | "mounted" | "foreign" | "stacked" | "covers";
  /** Completes "PATH ...", where nothing may be mounted or unmounted: `has 2 mounts on each other`. */
  readonly why: string;
  /** Options that differ from the declared ones, for people. */
  readonly differences: readonly string[];
}

export const NO_MOUNT: VolumeMount = { state: "none", why: "", differences: [] };

/** Flags of a mount itself, which the kernel always lists. */
const FLAGS: readonly string[] = ["ro", "nosuid", "nodev", "noexec", "noatime", "nodiratime", "nosymfollow"];

/** The mount of a device at a path: exactly one, of its whole filesystem; undefined where there is another, or none. */
export function mountOf(files: Files, path: string, device: Pick<Device, "sources">): MountEntry | undefined {
  const there = mountsAt(files, path);
  const [entry] = there;
  return there.length === 1 && entry !== undefined && isOf(entry, device) ? entry : undefined;
}

export function observeMount(
  files: Files,
  { path, mountOptions }: Pick<VolumeResource, "path" | "mountOptions">,
  device: Pick<Device, "sources">,
): VolumeMount {
  const there = mountsAt(files, path);
  const [entry] = there;
  if (there.length > 1) return refused("stacked", `has ${there.length} mounts on each other`);
  if (entry === undefined) return unmounted(files, path);
  if (isOf(entry, device)) return { state: "mounted", why: "", differences: optionDifferences(mountOptions, entry) };
  return refused("foreign", `has ${entry.type} of ${entry.source} mounted on it`);
}

/** The kernel lists real paths. */
function mountsAt(files: Files, path: string): readonly MountEntry[] {
  const real = files.realPath(path) ?? path;
  return files.mounts().filter((entry) => entry.target === real);
}

function unmounted(files: Files, path: string): VolumeMount {
  const stat = files.stat(path);
  const count = files.list(path)?.length ?? 0;
  if (stat !== undefined && stat.type !== "directory") return refused("covers", `is a ${stat.type}`);
  if (count > 0)
    return refused("covers", `holds ${count} ${count === 1 ? "entry" : "entries"} that a mount would hide`);
  return { state: "absent", why: "", differences: [] };
}

function isOf(entry: MountEntry, device: Pick<Device, "sources">): boolean {
  return entry.root === "/" && device.sources.includes(entry.source);
}

/**
 * What the kernel lists of a filesystem's own options is not all that was given: one that it does not list by name is
 * not looked for.
 */
function optionDifferences(declared: readonly string[], { options, superOptions }: MountEntry): readonly string[] {
  const flags = FLAGS.flatMap((flag) => {
    if (declared.includes(flag) === options.includes(flag)) return [];
    return [declared.includes(flag) ? `${flag} is declared and not in force` : `${flag} is in force and not declared`];
  });
  const values = declared.flatMap((option) => {
    const [key, value] = parts(option);
    const actual = value === undefined ? undefined : superOptions.map(parts).find(([name]) => name === key)?.[1];
    // `compress=zstd` is listed with its level: `zstd:3`.
    const isSame = actual === undefined || actual === value || actual.startsWith(`${value}:`);
    return isSame ? [] : [`${key} is ${actual}, ${value} is declared`];
  });
  return [...flags, ...values];
}

function parts(option: string): readonly [key: string, value: string | undefined] {
  const at = option.indexOf("=");
  return at < 0 ? [option, undefined] : [option.slice(0, at), option.slice(at + 1)];
}

function refused(state: VolumeMount["state"], why: string): VolumeMount {
  return { state, why, differences: [] };
}
