import { posix } from "node:path";
import { RootloomError } from "../../../../core/error.ts";
import { sizeText } from "../../../../core/size.ts";
import type { Host } from "../../../../host/ports.ts";
import { holderOf } from "../../../mount/match.ts";

/** Every subvolume's top has this inode number (BTRFS_FIRST_FREE_OBJECTID). */
const TOP_INODE = 256;

export interface Subvolume {
  readonly uuid: string;
  /** Of what `btrfs receive` made elsewhere; empty for others. */
  readonly receivedFrom: string;
  /** Whether quotas are enabled on its filesystem. */
  readonly hasQuotas: boolean;
  readonly limit_bytes: number | undefined;
  readonly used_bytes: number;
}

/** The subvolume whose top stands at a path; undefined where that is another thing. */
export async function readSubvolume(host: Host, path: string): Promise<Subvolume | undefined> {
  const stat = host.files.stat(path);
  if (stat?.type !== "directory" || stat.inode !== TOP_INODE || !isOnBtrfs(host, path)) return undefined;
  const { stdout } = await btrfs(host, ["subvolume", "show", "--raw", path]);
  const value = (name: string) => new RegExp(`^\\s*${name}:\\s*(\\S+)\\s*$`, "m").exec(stdout)?.[1] ?? "-";
  const number = (name: string) => (/^\d+$/.test(value(name)) ? Number(value(name)) : undefined);
  return {
    uuid: value("UUID"),
    receivedFrom: value("Received UUID") === "-" ? "" : value("Received UUID"),
    hasQuotas: value("Quota group") !== "-",
    limit_bytes: number("Limit referenced"),
    used_bytes: number("Usage referenced") ?? 0,
  };
}

export async function makeSubvolume(host: Host, path: string): Promise<void> {
  await btrfs(host, ["subvolume", "create", path]);
}

/** Removes one subvolume with its content; refused by the kernel while another lies in it. */
export async function deleteSubvolume(host: Host, path: string): Promise<void> {
  await btrfs(host, ["subvolume", "delete", "--commit-after", path]);
}

export async function snapshotSubvolume(
  host: Host,
  from: string,
  { to, isReadOnly }: { readonly to: string; readonly isReadOnly: boolean },
): Promise<void> {
  await btrfs(host, ["subvolume", "snapshot", ...(isReadOnly ? ["-r"] : []), from, to]);
}

/** Limits what a subvolume may hold; `undefined`: not at all. A limit is inherited by snapshots. */
export async function limitSubvolume(
  host: Host,
  { name, path }: { readonly name: string; readonly path: string },
  size_bytes: number | undefined,
): Promise<void> {
  const { hasQuotas, limit_bytes, used_bytes } = (await readSubvolume(host, path)) ?? {
    hasQuotas: false,
    limit_bytes: undefined,
    used_bytes: 0,
  };
  if (limit_bytes === size_bytes) return;
  if (!hasQuotas) throw noQuotas(name, path);
  if (size_bytes !== undefined && used_bytes > size_bytes)
    throw new RootloomError(
      `cannot limit volume ${name} to ${sizeText(size_bytes)}: ${sizeText(used_bytes)} are in it`,
      { hint: `declare more, or remove files below ${path}` },
    );
  await btrfs(host, ["qgroup", "limit", size_bytes === undefined ? "none" : String(size_bytes), path]);
}

/** Whether a limit can be set below a directory of a filesystem. */
export async function hasQuotas(host: Host, path: string): Promise<boolean> {
  const { exitCode } = await btrfs(host, ["qgroup", "show", "--raw", path], [0, 1]);
  return exitCode === 0;
}

export const QUOTA_HINT = "enable them for the whole filesystem with `btrfs quota enable PATH`, or leave `size:` out";

export function isOnBtrfs({ files }: Host, path: string): boolean {
  return filesystemAt({ files }, path) === "btrfs";
}

/** Type of the filesystem that holds a path, or would. */
export function filesystemAt({ files }: Pick<Host, "files">, path: string): string {
  const real = files.realPath(path);
  if (real === undefined && path !== "/") return filesystemAt({ files }, posix.dirname(path));
  return holderOf(files.mounts(), real ?? path)?.type ?? "";
}

function noQuotas(name: string, path: string): RootloomError {
  return new RootloomError(`cannot limit volume ${name}: quotas are not enabled on the filesystem of ${path}`, {
    hint: QUOTA_HINT,
  });
}

function btrfs(host: Host, words: readonly string[], accept: readonly number[] = [0]) {
  return host.processes.run({ file: "btrfs", arguments: words, hostNamespace: true, accept, timeout_ms: 600_000 });
}
