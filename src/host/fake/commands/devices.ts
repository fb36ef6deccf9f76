import { contentSize, type Format } from "../content.ts";
import { ErrnoError } from "../errno.ts";
import { deviceText, type FileSystem } from "../file-system.ts";
import type { Inode } from "../inode.ts";
import { encode } from "../kernel.ts";
import { formatOf } from "../loops.ts";
import { type Answer, type CommandEmulation, type Invocation, parseArguments } from "../processes.ts";

const BLOCK_BYTES = 4096;

/** Images, loop devices and the ext4 in them. */
export const deviceCommands: readonly CommandEmulation[] = [
  { name: "truncate", run: truncate },
  { name: "mkfs.ext4", run: makeFilesystem },
  {
    name: "blkid",
    run: (invocation) => (invocation.arguments.includes("--probe") ? probe(invocation) : uuid(invocation)),
  },
  { name: "dumpe2fs", run: (invocation) => onFormat(invocation, ({ size }) => ({ stdout: blocks(size) })) },
  { name: "e2fsck", run: (invocation) => onFormat(invocation, () => ({})) },
  { name: "resize2fs", run: resize },
  { name: "e2label", run: relabel },
  { name: "losetup", run: setUpLoop },
];

/** As `mount -o loop`: the image gets a device, and the filesystem in it is mounted. */
export function attachImage(
  { kernel, loops }: Invocation,
  { source, type }: { readonly source: string; readonly type: string | undefined },
): { readonly fileSystem: FileSystem; readonly source: string } {
  const { inode } = kernel.get(encode(source), true);
  const fileSystem = formatOf(inode)?.fileSystem;
  if (fileSystem === undefined || (type !== undefined && type !== fileSystem.type))
    throw new ErrnoError("EINVAL", source);
  return { fileSystem, source: loops.attach(inode).name };
}

function truncate({ arguments: values, kernel }: Invocation): Answer {
  const { options, rest } = parseArguments(values, ["-s", "--size"]);
  const size = Number(options.get("--size")?.[0] ?? options.get("-s")?.[0]);
  const { inode } = kernel.get(encode(rest[0] ?? ""), true);
  inode.fileSystem.setContent(inode, { kind: "device", size, format: formatOf(inode) });
  return {};
}

function makeFilesystem(invocation: Invocation): Answer {
  const { options, rest } = parseArguments(invocation.arguments, ["-L"]);
  const image = imageOf(invocation, rest[0]);
  if (image === undefined) return missing(invocation, rest[0]);
  const size = contentSize(image.content);
  const digits = invocation.unique();
  const uuid = [0, 8, 12, 16, 20].map((from, index, all) => digits.slice(from, all[index + 1] ?? 32)).join("-");
  const fileSystem = invocation.makeFileSystem({ type: "ext4", capacity_bytes: size, uuid });
  const found = fileSystem.makeInode({ type: "directory", mode: 0o700 });
  fileSystem.change([{ directory: fileSystem.root, name: "lost+found", after: found }]);
  fileSystem.syncAll();
  invocation.point("made", rest[0] ?? "");
  const format = { fileSystem, label: options.get("-L")?.[0] ?? "", size };
  image.fileSystem.setContent(image, { kind: "device", size, format });
  return {};
}

/** The signatures of a device or image: exit 2 where there is none. */
function probe(invocation: Invocation): Answer {
  const { rest } = parseArguments(invocation.arguments, ["-o", "--output"]);
  const image = imageOf(invocation, rest[0]);
  const format = image && formatOf(image);
  if (format === undefined) return { exitCode: 2 };
  const { fileSystem, label } = format;
  const lines = [`DEVNAME=${rest[0]}`, ...(label === "" ? [] : [`LABEL=${label}`]), `UUID=${fileSystem.uuid}`];
  return { stdout: [...lines, `TYPE=${fileSystem.type}`, "USAGE=filesystem", ""].join("\n") };
}

function uuid({ arguments: values, kernel }: Invocation): Answer {
  const { rest } = parseArguments(values, ["-o", "--output", "-s", "--match-tag"]);
  const mount = kernel.table.all.find(({ source }) => source === rest[0]);
  return mount?.fileSystem.uuid === undefined ? { exitCode: 2 } : { stdout: `${mount.fileSystem.uuid}\n` };
}

function blocks(size: number): string {
  return `Block count:              ${Math.floor(size / BLOCK_BYTES)}\nBlock size:               ${BLOCK_BYTES}\n`;
}

function resize(invocation: Invocation): Answer {
  const name = invocation.arguments.at(-1);
  const capacity_bytes = invocation.loops.all.find((loop) => loop.name === name)?.capacity_bytes;
  return onFormat(invocation, (format, image) => {
    format.size = capacity_bytes ?? contentSize(image.content);
    format.fileSystem.capacity_bytes = format.size;
    // It ends with an fsync of the device.
    image.fileSystem.sync(image);
    return {};
  });
}

function relabel(invocation: Invocation): Answer {
  const [device, label = ""] = invocation.arguments;
  return onFormat(
    invocation,
    (format) => {
      format.label = label;
      return {};
    },
    device,
  );
}

function setUpLoop(invocation: Invocation): Answer {
  const { loops, kernel } = invocation;
  const { options } = parseArguments(invocation.arguments, ["--output", "--detach", "--set-capacity"]);
  if (options.has("--list")) return { stdout: loops.all.length === 0 ? "" : listLoops(invocation) };
  const grown = options.get("--set-capacity")?.[0];
  const loop = loops.all.find(({ name }) => name === grown);
  if (loop !== undefined) loop.capacity_bytes = contentSize(loop.image.content);
  if (options.has("--detach")) loops.sweep(kernel.table);
  return {};
}

function listLoops({ loops }: Invocation): string {
  const loopdevices = loops.all.map(({ name, image }) => ({
    name,
    "back-ino": image.number,
    "back-maj:min": deviceText(image.fileSystem.device),
  }));
  return JSON.stringify({ loopdevices });
}

function onFormat(
  invocation: Invocation,
  act: (format: Format, image: Inode) => Answer,
  device = invocation.arguments.at(-1),
): Answer {
  const image = imageOf(invocation, device);
  const format = image && formatOf(image);
  return image === undefined || format === undefined ? missing(invocation, device) : act(format, image);
}

function imageOf({ kernel, loops }: Invocation, path = ""): Inode | undefined {
  if (!path.startsWith("/")) throw new ErrnoError("ENOENT", path);
  return loops.find(kernel, encode(path));
}

function missing({ name }: Invocation, device = ""): Answer {
  return { exitCode: 1, stderr: `${name}: bad magic number, or no such file: ${device}\n` };
}
