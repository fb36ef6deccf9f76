import { createHash } from "node:crypto";
import { gunzipSync } from "node:zlib";
import { showPath, type TreePath } from "../core/entry.ts";
import { RootloomError } from "../core/error.ts";
import type { KernelArchitecture, KernelSource } from "../core/resource.ts";
import type { Files, TreeHandle } from "../host/ports.ts";

/** A kernel, whole: larger files are refused. */
export interface Kernel {
  readonly bytes: Uint8Array;
  readonly sha256: string;
  /** Where it was found, for people. */
  readonly place: string;
  readonly architecture: KernelArchitecture;
  /** What `uname -r` says in it. */
  readonly release: string;
  /** Whether firmware can start it by itself. */
  readonly hasEfiStub: boolean;
}

const KERNEL_BYTES_MAX = 256 * 1024 ** 2;
/** As the kernel itself: more links than that are a circle. */
const LINKS_MAX = 40;
const NAMES = /^(vmlinuz|vmlinux|bzImage|Image|Image\.gz|kernel)(-.+)?$/;

/**
 * Reads a kernel from where it is declared to be; in a root, links are followed as if chrooted there.
 * @throws RootloomError when it is not there (waiting where its root is not), too large, or no kernel that is known.
 */
export function readKernel(files: Files, source: KernelSource): Kernel {
  const found = source.type === "tree" ? readFromTree(files, source) : readFromHost(files, source);
  const facts = factsOf(found.bytes);
  if (facts === undefined) {
    throw new RootloomError(`cannot use the kernel ${found.place}: it is neither a bzImage nor an Image of arm64`, {
      hint: "name a kernel for x86 or arm64, as a distribution has it in /boot",
    });
  }
  return { ...found, ...facts, sha256: createHash("sha256").update(found.bytes).digest("hex") };
}

type Found = Pick<Kernel, "bytes" | "place">;

function readFromHost(files: Files, source: Exclude<KernelSource, { type: "tree" }>): Found {
  const { path } = source;
  const real = files.realPath(path);
  const stat = real === undefined ? undefined : files.stat(real);
  if (stat === undefined && source.type === "built") {
    throw new RootloomError(`cannot use ${source.kernel}: it is not built yet`, {
      hint: `see ${source.kernel}`,
      retry: "waiting",
      condition: "Waiting",
    });
  }
  if (real === undefined || stat === undefined) throw missing(path, "give `kernelImage.path` the path of a kernel");
  requireReadable(path, stat);
  const bytes = files.readBytes(real);
  if (bytes === undefined) throw missing(path, "it went away just now: look again");
  return { bytes, place: path };
}

function readFromTree(files: Files, source: Extract<KernelSource, { type: "tree" }>): Found {
  const { top, tree: id, path } = source;
  if (files.stat(top)?.type !== "directory") {
    throw new RootloomError(`cannot use the kernel of ${id}: the root is not there`, {
      hint: `see ${id}`,
      retry: "waiting",
      condition: "Waiting",
    });
  }
  const tree = files.openTree(top);
  try {
    const wanted = path === "" ? newest(tree, id) : path;
    const place = `${top}/${showPath(wanted)}`;
    const real = follow(tree, wanted);
    const stat = real === undefined ? undefined : tree.stat(real);
    if (real === undefined || stat === undefined) throw missing(place, "install a kernel in the root, or name another");
    requireReadable(place, stat);
    return { bytes: tree.read(real), place };
  } finally {
    tree.close();
  }
}

/** By version: what stands last in numeric order. */
function newest(tree: TreeHandle, id: string): TreePath {
  const names = tree.stat("boot")?.type === "directory" ? tree.list("boot").filter((name) => NAMES.test(name)) : [];
  const last = names.toSorted((left, right) => left.localeCompare(right, "en", { numeric: true })).at(-1);
  if (last !== undefined) return `boot/${last}`;
  throw new RootloomError(`cannot find a kernel in the /boot of ${id}`, {
    hint: "install one in the root, or name it: kernelImage.path",
  });
}

function follow(tree: TreeHandle, path: TreePath): TreePath | undefined {
  let next = path;
  for (let links = 0; links < LINKS_MAX; links++) {
    const resolved = tree.resolve(next);
    if (resolved === undefined || tree.stat(resolved)?.type !== "symlink") return resolved;
    const target = tree.readLink(resolved);
    const directory = resolved.slice(0, Math.max(0, resolved.lastIndexOf("/")));
    next = target.startsWith("/") ? target.replace(/^\/+/, "") : directory === "" ? target : `${directory}/${target}`;
  }
  return undefined;
}

function requireReadable(place: string, stat: { readonly type: string; readonly size: number }): void {
  if (stat.type !== "file") throw new RootloomError(`cannot use the kernel ${place}: it is a ${stat.type}`);
  if (stat.size <= KERNEL_BYTES_MAX) return;
  throw new RootloomError(`cannot use the kernel ${place}: it is larger than ${KERNEL_BYTES_MAX >> 20} MiB`);
}

function missing(place: string, hint: string): RootloomError {
  return new RootloomError(`cannot use the kernel ${place}: it is not there`, { hint });
}

type Facts = Pick<Kernel, "architecture" | "release" | "hasEfiStub">;

/** What the header of a kernel says; undefined for anything that is none. */
export function factsOf(bytes: Uint8Array): Facts | undefined {
  if (bytes.length < 0x1000) return undefined;
  return factsOfX86(bytes) ?? factsOfArm64(bytes);
}

/** The kernel's Documentation/arch/x86/boot.rst; the offsets are those of the boot protocol, 2.12 and later. */
function factsOfX86(bytes: Uint8Array): Facts | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isBzImage = view.getUint16(0x1fe, true) === 0xaa55 && view.getUint32(0x202, true) === 0x53726448;
  if (!isBzImage || view.getUint16(0x206, true) < 0x20c) return undefined;
  const start = view.getUint16(0x20e, true) + 0x200;
  const text = Buffer.from(bytes.subarray(start, start + 256)).toString("latin1");
  const [release = ""] = text.split(/[\0 ]/);
  return {
    architecture: (view.getUint16(0x236, true) & 1) === 1 ? "x86_64" : "i386",
    release,
    hasEfiStub: view.getUint16(0, true) === 0x5a4d,
  };
}

const ARM64_MAGIC = 0x644d5241;
const BANNER = "Linux version ";

/**
 * The kernel's Documentation/arch/arm64/booting.rst. Its header has no release: that stands in the line which it prints
 * first. Image.gz is the same in a gzip, which boot loaders unpack.
 */
function factsOfArm64(bytes: Uint8Array): Facts | undefined {
  const image = bytes[0] === 0x1f && bytes[1] === 0x8b ? unpacked(bytes) : bytes;
  if (image === undefined || image.length < 64) return undefined;
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  if (view.getUint32(0x38, true) !== ARM64_MAGIC) return undefined;
  const text = Buffer.from(image.buffer, image.byteOffset, image.byteLength);
  // The first is a pattern of printf; the line itself has a digit there.
  let at = text.indexOf(BANNER);
  while (at >= 0 && !/\d/.test(String.fromCharCode(text[at + BANNER.length] ?? 0))) at = text.indexOf(BANNER, at + 1);
  const [release = ""] = at < 0 ? [] : text.toString("latin1", at + BANNER.length, at + 256).split(/[\0 ]/);
  // Firmware starts a file as it is: only one that is not in a gzip.
  return { architecture: "arm64", release, hasEfiStub: image === bytes && view.getUint16(0, true) === 0x5a4d };
}

function unpacked(bytes: Uint8Array): Uint8Array | undefined {
  try {
    return gunzipSync(bytes, { maxOutputLength: KERNEL_BYTES_MAX });
  } catch {
    return undefined;
  }
}
