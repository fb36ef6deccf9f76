import type { Json } from "../../core/digest.ts";
import type { MountResource } from "../../core/resource.ts";
import type { Files, MountEntry } from "../../host/ports.ts";
import { effectivePropagation } from "./commands.ts";
import { isBind, isImageFile } from "./types.ts";

/** What identifies a mount that we made; kept in its record. */
export interface MountFacts {
  readonly mountId: number;
  readonly device: string;
  readonly root: string;
  readonly type: string;
}

/** Flags of the mount itself, not of its filesystem. */
const FLAGS = new Set(["ro", "nosuid", "nodev", "noexec", "noatime", "nodiratime", "nosymfollow"]);
/** Those that take something away: a bind has them from the mount that its source is on. */
const RESTRICTING = new Set(["nosuid", "nodev", "noexec", "nosymfollow"]);
const SIZES = new Set(["size", "nr_inodes"]);

/** The mount that holds a path: the last listed of the longest target, for a later one covers an earlier. */
export function holderOf(mounts: readonly MountEntry[], path: string): MountEntry | undefined {
  let best: MountEntry | undefined;
  for (const mount of mounts) {
    const holds = mount.target === "/" || path === mount.target || path.startsWith(`${mount.target}/`);
    if (holds && mount.target.length >= (best?.target.length ?? 0)) best = mount;
  }
  return best;
}

/**
 * True when a mount has the type and source that are declared. A bind is told by filesystem and path inside it, an image by
 * the file behind its loop device.
 */
export function isSourceOf(
  files: Files,
  mounts: readonly MountEntry[],
  resource: { readonly type: string; readonly source: string },
  entry: MountEntry,
): boolean {
  if (isImageFile(resource)) {
    const file = entry.type === resource.type ? backingFile(files, entry) : undefined;
    return file !== undefined && file === files.realPath(resource.source);
  }
  if (!isBind(resource)) return entry.type === resource.type && entry.source === resource.source;
  const source = files.realPath(resource.source);
  // What the mount itself covers is not its source.
  const holder =
    source &&
    holderOf(
      mounts.filter((other) => other !== entry),
      source,
    );
  if (!source || !holder || holder.device !== entry.device) return false;
  const below = holder.target === "/" ? source : source.slice(holder.target.length);
  return join(holder.root, below) === entry.root;
}

/** The file behind a loop device, as the kernel names it; undefined for any other mount. */
export function backingFile(
  files: Files,
  { device, source }: Pick<MountEntry, "device" | "source">,
): string | undefined {
  if (!source.startsWith("/dev/loop")) return undefined;
  return files.readText(`/sys/dev/block/${device}/loop/backing_file`)?.replace(/\n$/, "");
}

/** Flags that a bind has from the mount that its source is on, unless it lifts them: declaring another flag loses none. */
export function inheritedFlags(
  resource: Pick<MountResource, "type" | "source" | "options">,
  files: Files,
  mounts: readonly MountEntry[],
): readonly string[] {
  const source = isBind(resource) ? files.realPath(resource.source) : undefined;
  const holder = source === undefined ? undefined : holderOf(mounts, source);
  const lifted = new Set(resource.options.map((option) => `no${option}`));
  return (holder?.options ?? []).filter((flag) => RESTRICTING.has(flag) && !lifted.has(flag));
}

/**
 * Options and propagation that differ from the declared ones, for people; empty when none do.
 * @param inherited flags of a bind that its source's mount has.
 */
export function optionDifferences(
  resource: MountResource,
  entry: MountEntry,
  inherited: readonly string[],
): readonly string[] {
  const found: string[] = [];
  const all = [...entry.options, ...entry.superOptions];
  for (const option of resource.options) {
    if (FLAGS.has(option) && !entry.options.includes(option)) found.push(`${option} is declared and not in force`);
    const value = comparable(option);
    if (value === undefined) continue;
    const actual = all.map(comparable).find((other) => other?.key === value.key);
    if (actual !== undefined && value.value !== "" && actual.value !== value.value) {
      found.push(`${value.key} is ${actual.value}, ${value.value} is declared`);
    }
  }
  for (const flag of RESTRICTING) {
    const isWanted = resource.options.includes(flag) || inherited.includes(flag);
    const isThere = entry.options.includes(flag);
    if (isThere && !isWanted) found.push(`${flag} is in force and not declared`);
    if (!isThere && inherited.includes(flag) && !resource.options.includes(flag))
      found.push(`${flag} is in force on its source only`);
  }
  const readOnly = entry.options.includes("ro") && !entry.superOptions.includes("ro");
  if (readOnly && !resource.options.includes("ro")) found.push("it is read-only, and ro is not declared");
  return [...found, ...propagationDifference(resource, entry)];
}

/** True when a mount is the very one that a record tells of. Ids are used again by the kernel, so device and type count too. */
export function isRecorded(details: { readonly [key: string]: Json } | undefined, entry: MountEntry): boolean {
  if (details === undefined) return false;
  if (details.device !== entry.device || details.type !== entry.type) return false;
  return details.mountId === entry.id || details.root === entry.root;
}

export function factsOf(entry: MountEntry): MountFacts {
  return { mountId: entry.id, device: entry.device, root: entry.root, type: entry.type };
}

/** All mounts that hang below one, deepest first: the order in which they are unmounted. */
export function descendants(mounts: readonly MountEntry[], top: MountEntry): readonly MountEntry[] {
  const children = mounts.filter((mount) => mount.parent === top.id && mount.id !== top.id).reverse();
  return children.flatMap((child) => [...descendants(mounts, child), child]);
}

function propagationDifference(resource: MountResource, entry: MountEntry): readonly string[] {
  const wanted = effectivePropagation(resource)?.replace(/^r/, "");
  const shared = entry.propagation.some((field) => field.startsWith("shared:"));
  const slave = entry.propagation.some((field) => field.startsWith("master:"));
  if (wanted === "private" && (shared || slave)) return ["propagation is not private"];
  // A slave of what was never shared is plainly private, so only being shared contradicts it.
  if (wanted === "slave" && shared) return ["propagation is shared, slave is declared"];
  if (wanted === "shared" && !shared) return ["propagation is not shared"];
  return [];
}

/** `size=1G` in bytes, `mode=01777` without its zeros; an empty value cannot be compared (percents). */
function comparable(option: string): { readonly key: string; readonly value: string } | undefined {
  const [key, text] = option.split("=");
  if (key === undefined || text === undefined) return undefined;
  if (SIZES.has(key)) return { key, value: sizeOf(text) };
  if (key === "mode") return { key, value: text.replace(/^0+(?=.)/, "") };
  if (key === "uid" || key === "gid") return { key, value: text };
  return undefined;
}

function sizeOf(text: string): string {
  const match = /^([0-9]+)([kmgKMG]?)$/.exec(text);
  if (match === null) return "";
  const shift = { "": 0, k: 1, m: 2, g: 3 }[(match[2] ?? "").toLowerCase()] ?? 0;
  return String(Number(match[1]) * 1024 ** shift);
}

function join(root: string, below: string): string {
  if (below === "") return root;
  return root === "/" ? below : `${root}${below}`;
}
