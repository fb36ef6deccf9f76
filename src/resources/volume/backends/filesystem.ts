import { RootloomError } from "../../../core/error.ts";
import { sizeText } from "../../../core/size.ts";
import type { Command, Host } from "../../../host/ports.ts";

/** Filesystems that we make on a device, by name as in `filesystem:` and `mount --types`. */
export type FilesystemName = "ext4" | "xfs" | "btrfs";

/** What the signatures on a device or image say. */
export interface Probe {
  /** `ambivalent`: signatures of several things, of which none is surely right. */
  readonly found: "nothing" | "one" | "ambivalent";
  /** `ext4`, `crypto_LUKS`, `LVM2_member`; a partition table by its type, such as `gpt`. */
  readonly type: string;
  readonly label: string;
  readonly uuid: string;
}

/** Reads the signatures of a device or an image file that exists (`blkid -p`, past its cache). */
export async function probe(host: Host, device: string): Promise<Probe> {
  const { exitCode, stdout } = await run(host, ["blkid", "--probe", "--output", "export", device], [0, 2, 8]);
  if (exitCode === 8) return { found: "ambivalent", type: "", label: "", uuid: "" };
  const values = new Map(stdout.split("\n").map((line) => splitAt(line, line.indexOf("="))));
  const type = values.get("TYPE") ?? values.get("PTTYPE") ?? "";
  const found = exitCode === 0 ? "one" : "nothing";
  return { found, type, label: values.get("LABEL") ?? "", uuid: values.get("UUID") ?? values.get("PTUUID") ?? "" };
}

/** `an xfs filesystem labelled data`, `nothing that is known`: for people. */
export function probeText({ found, type, label }: Probe): string {
  if (found === "ambivalent") return "signatures of several things";
  if (found === "nothing") return "no known filesystem";
  return `${type}${label === "" ? "" : ` labelled ${label}`}`;
}

/** Makes a filesystem on an empty device or image that is ours. */
export async function makeFilesystem(
  host: Host,
  { device, type, label }: { readonly device: string; readonly type: string; readonly label: string | undefined },
  signal?: AbortSignal,
): Promise<void> {
  const named = label === undefined ? [] : ["-L", label];
  const command = [`mkfs.${requireKnown(type, device)}`, "-q", ...named, device];
  await run(host, command, [0], { signal, timeout_ms: 600_000 });
}

/** Size of the filesystem itself, which a growth that was interrupted leaves smaller than its device. */
export async function filesystemSize_bytes(
  host: Host,
  {
    device,
    type,
    mountPoint,
  }: { readonly device: string; readonly type: string; readonly mountPoint: string | undefined },
): Promise<number> {
  const [command, count, block] = sizeCommand(requireKnown(type, device), device, mountPoint);
  const { stdout } = await run(host, command);
  const number = (pattern: RegExp | undefined) => (pattern === undefined ? 1 : Number(pattern.exec(stdout)?.[1]));
  const size_bytes = number(count) * number(block);
  if (Number.isSafeInteger(size_bytes) && size_bytes > 0) return size_bytes;
  throw new RootloomError(`cannot read the size of the ${type} filesystem on ${device}`, {
    hint: `look with: ${command.join(" ")}`,
  });
}

/** Gives a copy that is not mounted a uuid of its own, so that it and its origin are told apart, and may be mounted at once. */
export async function giveNewUuid(
  host: Host,
  { device, type }: { readonly device: string; readonly type: string },
): Promise<void> {
  const known = requireKnown(type, device);
  if (known === "ext4") await run(host, ["e2fsck", "-f", "-p", device], [0, 1], { timeout_ms: 3_600_000 });
  const commands: Readonly<Record<FilesystemName, readonly string[]>> = {
    ext4: ["tune2fs", "-U", "random", device],
    xfs: ["xfs_admin", "-U", "generate", device],
    btrfs: ["btrfstune", "-f", "-u", device],
  };
  await run(host, commands[known], [0], { timeout_ms: 3_600_000 });
}

/** Lets a mounted filesystem fill its device. Where the kernel refuses that for ext4, the error has the condition `NotOnline`. */
export async function growFilesystem(
  host: Host,
  { device, type, mountPoint }: { readonly device: string; readonly type: string; readonly mountPoint: string },
  signal?: AbortSignal,
): Promise<void> {
  const known = requireKnown(type, device);
  if (known === "ext4") {
    const { exitCode, stderr } = await run(host, ["resize2fs", device], [0, 1], { signal, timeout_ms: 600_000 });
    if (exitCode === 0) return;
    const why = stderr.trim().split("\n").at(-1) ?? "";
    throw new RootloomError(`cannot grow the mounted filesystem on ${device}: ${why}`, { condition: "NotOnline" });
  }
  const command = known === "xfs" ? ["xfs_growfs", mountPoint] : ["btrfs", "filesystem", "resize", "max", mountPoint];
  await run(host, command, [0], { signal, timeout_ms: 600_000 });
}

/** Grows an ext4 filesystem that is not mounted, after the check that resize2fs asks for. */
export async function growUnmounted(host: Host, device: string, signal?: AbortSignal): Promise<void> {
  // 1: faults were corrected, such as a journal that was replayed.
  await run(host, ["e2fsck", "-f", "-p", device], [0, 1], { signal, timeout_ms: 3_600_000 });
  await run(host, ["resize2fs", device], [0], { signal, timeout_ms: 600_000 });
}

/** Gives a mounted filesystem another label; an empty one takes it away. */
export async function labelFilesystem(
  host: Host,
  {
    device,
    type,
    mountPoint,
    label,
  }: { readonly device: string; readonly type: string; readonly mountPoint: string; readonly label: string },
): Promise<void> {
  const known = requireKnown(type, device);
  const commands: Readonly<Record<FilesystemName, readonly string[]>> = {
    ext4: ["e2label", device, label],
    xfs: ["xfs_io", "-c", label === "" ? "label -c" : `label -s ${label}`, mountPoint],
    btrfs: ["btrfs", "filesystem", "label", mountPoint, label],
  };
  await run(host, commands[known]);
}

/**
 * Mount options under which nothing is written to the device, not even by a replay of the journal. `copied`: the device
 * is a block snapshot, whose filesystem has its origin's uuid.
 * @throws RootloomError for a filesystem of which we do not know how, and for a block snapshot of btrfs, which the
 * kernel would take for a device of the origin.
 */
export function readOnlyOptions(type: string, device: string, copied: boolean): readonly string[] {
  const known = requireKnown(type, device);
  if (known === "ext4") return ["ro", "noload"];
  if (known === "xfs") return ["ro", "norecovery", ...(copied ? ["nouuid"] : [])];
  if (!copied) return ["ro", "rescue=nologreplay"];
  throw new RootloomError(
    `cannot mount ${device}: it is a copy of a btrfs device, which is never mounted beside its origin`,
    {
      hint: "use snapshots of btrfs itself: a volume of the btrfs backend",
    },
  );
}

export function isKnownFilesystem(type: string): type is FilesystemName {
  return type === "ext4" || type === "xfs" || type === "btrfs";
}

function requireKnown(type: string, device: string): FilesystemName {
  if (isKnownFilesystem(type)) return type;
  throw new RootloomError(`cannot work on ${device}: its filesystem is ${type === "" ? "not known" : type}`, {
    hint: "ext4, xfs and btrfs are known",
  });
}

type SizeCommand = readonly [command: readonly string[], count: RegExp, block: RegExp | undefined];

function sizeCommand(type: FilesystemName, device: string, mountPoint: string | undefined): SizeCommand {
  if (type === "ext4") return [["dumpe2fs", "-h", device], /^Block count:\s+(\d+)$/m, /^Block size:\s+(\d+)$/m];
  if (type === "btrfs")
    return [["btrfs", "inspect-internal", "dump-super", device], /^total_bytes\s+(\d+)$/m, undefined];
  // A mounted xfs has its superblock in memory: what is on the device is older by half a minute.
  if (mountPoint !== undefined)
    return [["xfs_info", mountPoint], /^data\s.*\sblocks=(\d+),/m, /^data\s.*\sbsize=(\d+)\s/m];
  const print = ["-c", "sb 0", "-c", "print dblocks blocksize"];
  return [["xfs_db", "-r", ...print, device], /^dblocks = (\d+)$/m, /^blocksize = (\d+)$/m];
}

function run(
  host: Host,
  [file = "", ...rest]: readonly string[],
  accept: readonly number[] = [0],
  more: Pick<Command, "signal" | "timeout_ms"> = {},
) {
  return host.processes.run({ file, arguments: rest, hostNamespace: true, accept, ...more });
}

function splitAt(line: string, at: number): readonly [string, string] {
  return [line.slice(0, at), line.slice(at + 1).replaceAll(/\\(.)/g, "$1")];
}

/** `an ext4 filesystem of 512.0 MiB`: for what a person should know before adopting a device. */
export function deviceLines(found: Probe, size_bytes: number | undefined): readonly string[] {
  return [
    `type: ${found.found === "one" ? found.type : probeText(found)}`,
    ...(found.label === "" ? [] : [`label: ${found.label}`]),
    ...(found.uuid === "" ? [] : [`uuid: ${found.uuid}`]),
    ...(size_bytes === undefined ? [] : [`size: ${sizeText(size_bytes)}`]),
  ];
}
