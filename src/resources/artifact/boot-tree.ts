import { createHash } from "node:crypto";
import { type Kernel, readKernel } from "../../boot/kernel.ts";
import { placeSections } from "../../boot/pe.ts";
import { findStub, type Stub } from "../../boot/stub.ts";
import { RootloomError } from "../../core/error.ts";
import type { ArtifactResource, BootForm } from "../../core/resource.ts";
import type { Files } from "../../host/ports.ts";
import { requireSpace } from "../../pack/checks.ts";
import type { ApplyContext } from "../types.ts";
import type { PackedFile } from "./generations.ts";
import { placeOf, readMicrocode } from "./microcode.ts";
import { osRelease } from "./os-release.ts";
import { OF_HOST } from "./plan.ts";
import { fingerprintOf, signProgram } from "./sign.ts";

/** Folder of a generation that is copied to the system partition as it is, links followed. */
export const BOOT_TREE = "boot";
/** Of a FAT filesystem, which firmware reads. */
const FILE_BYTES_MAX = 2 ** 32 - 1;
/** Of an entry, beside the initramfs. */
const MICROCODE = "microcode.cpio";

/** What a boot tree is made from, beside the image. */
export interface BootParts {
  readonly boot: BootForm;
  readonly kernel: Kernel;
  /** undefined for an entry. */
  readonly stub: Stub | undefined;
  /** Stands in front of the initramfs; empty where there is none. */
  readonly microcode: Uint8Array;
  /** Of the certificate; undefined where nothing is signed. */
  readonly fingerprint: string | undefined;
}

/**
 * The parts as they are now; undefined where no form is declared.
 * @throws RootloomError where one of them is missing, or cannot be started by firmware.
 */
export function readBootParts({ name, boot, kernel: source }: ArtifactResource, files: Files): BootParts | undefined {
  if (boot === undefined || source === undefined) return undefined;
  const kernel = readKernel(files, source);
  const needsEfi = boot.form === "uki" || boot.sign !== undefined;
  if (needsEfi && !kernel.hasEfiStub) {
    const what = boot.form === "uki" ? `make ${name} a uki` : `sign the kernel of ${name}`;
    const why = isGzip(kernel.bytes) ? "is in a gzip" : "has no EFI stub: CONFIG_EFI_STUB is not set in it";
    throw new RootloomError(`cannot ${what}: the kernel ${kernel.place} ${why}`, {
      hint: "name another kernel, or take `boot.form: entry` without `sign`",
    });
  }
  return {
    boot,
    kernel,
    stub: boot.form === "uki" ? findStub(files, boot.stub, kernel.architecture, name) : undefined,
    microcode: readMicrocode(files, boot.microcode ?? []),
    fingerprint: boot.sign === undefined ? undefined : fingerprintOf(files, boot.sign),
  };
}

function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

/** What of a generation depends on its boot tree, by name; nothing where there is none. Contents are the host's, all else the commit's. */
export function bootInputs(parts: BootParts | undefined): Readonly<Record<string, string>> {
  if (parts === undefined) return {};
  const { boot, kernel, stub, microcode, fingerprint } = parts;
  return {
    ...{ boot: boot.form, cmdline: boot.cmdline, kernel: kernel.place, [`${OF_HOST}kernel`]: kernel.sha256 },
    ...(stub === undefined ? {} : { stub: stub.path, [`${OF_HOST}stub`]: sha256Of(stub.bytes) }),
    ...(boot.microcode === undefined
      ? {}
      : { microcode: boot.microcode.map(placeOf).join(" "), [`${OF_HOST}microcode`]: sha256Of(microcode) }),
    ...(fingerprint === undefined
      ? {}
      : { sign: boot.sign?.certificate ?? "", [`${OF_HOST}certificate`]: fingerprint }),
  };
}

function sha256Of(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

interface Image {
  readonly build: string;
  readonly sha256: string;
  readonly size_bytes: number;
  readonly generation: string;
  /** Of files that only those may read who may read the image. */
  readonly mode: number;
}

/** Writes the tree beside the image that was just packed. Returns its files; their names carry image, target and generation. */
export async function writeBootTree(
  resource: ArtifactResource,
  parts: BootParts,
  image: Image,
  context: ApplyContext,
): Promise<readonly PackedFile[]> {
  const { files } = context.host;
  const { kernel, stub, microcode } = parts;
  const name = `${resource.name}-${resource.target ?? kernel.architecture}-${image.generation}`;
  const own_bytes = kernel.bytes.length + microcode.length;
  const program_bytes = stub === undefined ? own_bytes : own_bytes + stub.bytes.length + image.size_bytes;
  // What is signed stands twice until that is done.
  requireSpace(files, image.build, parts.boot.sign === undefined ? program_bytes : 2 * program_bytes);
  const made = parts.boot.form === "uki" ? writeUki : writeEntry;
  const written = await made(resource, parts, { ...image, name }, context);
  const whole = await signed(parts, written, image, context);
  files.syncFilesystem(image.build);
  return whole;
}

/** The same files, with that which firmware starts signed: it stands first. */
async function signed(
  { boot: { sign } }: BootParts,
  written: readonly PackedFile[],
  { build, mode }: Image,
  context: ApplyContext,
): Promise<readonly PackedFile[]> {
  const [program, ...others] = written;
  if (sign === undefined || program === undefined) return written;
  return [await signProgram({ build, file: program, mode }, sign, context), ...others];
}

type Content = Uint8Array | { readonly file: string };

type Work = Image & { readonly name: string };

/** One EFI program: the stub with kernel, initramfs, command line and os-release as sections; the kernel last, since it grows when it runs. */
async function writeUki(
  resource: ArtifactResource,
  { boot, kernel, stub, microcode }: BootParts,
  { build, sha256, size_bytes, generation, mode, name }: Work,
  { host, signal }: ApplyContext,
): Promise<readonly PackedFile[]> {
  const bytes = (text: string) => new TextEncoder().encode(text);
  const initramfs = { file: `${build}/${resource.file}` };
  const sections: readonly { readonly name: string; readonly content: Content; readonly before?: Uint8Array }[] = [
    { name: ".osrel", content: bytes(osRelease(host.files, resource, generation)) },
    { name: ".cmdline", content: bytes(boot.cmdline) },
    { name: ".uname", content: bytes(kernel.release) },
    { name: ".initrd", content: initramfs, before: microcode },
    { name: ".linux", content: kernel.bytes },
  ];
  const sizes = sections.map(({ name: section, content, before }) => ({
    name: section,
    size_bytes: (before?.length ?? 0) + (content instanceof Uint8Array ? content.length : size_bytes),
  }));
  const placed = placeSections(stub?.bytes ?? new Uint8Array(), sizes);
  const path = `${BOOT_TREE}/EFI/Linux/${name}.efi`;
  host.files.makeDirectories(`${build}/${BOOT_TREE}/EFI/Linux`);
  const contents = sections.flatMap(({ content, before = new Uint8Array() }, index) => {
    const offset = placed.offsets[index] ?? 0;
    const first = before.length === 0 ? [] : [{ offset, content: before }];
    return [...first, { offset: offset + before.length, content }];
  });
  const input = {
    path: `${build}/${path}`,
    mode,
    size_bytes: placed.size_bytes,
    parts: [{ offset: 0, content: placed.start }, ...contents],
  };
  const output = await host.jobs.run("assemble", input, { signal });
  // What was read back from the disk is what was packed; the stub is the first part.
  if (output.parts[1 + contents.findIndex(({ content }) => content === initramfs)] !== sha256) {
    throw new RootloomError(`cannot make ${resource.name} a uki: the initramfs changed while it was read`, {
      retry: "transient",
    });
  }
  return [{ path, sha256: output.sha256, size_bytes: output.size_bytes }];
}

/** Kernel and initramfs side by side, and an entry as the Boot Loader Specification has it (type 1). */
async function writeEntry(
  resource: ArtifactResource,
  { boot, kernel, microcode }: BootParts,
  { build, size_bytes, generation, mode, name }: Work,
  { host }: ApplyContext,
): Promise<readonly PackedFile[]> {
  const { files } = host;
  if (size_bytes > FILE_BYTES_MAX) {
    throw new RootloomError(`cannot make an entry for ${resource.name}: its initramfs is larger than 4 GiB`, {
      hint: "no FAT filesystem holds it: leave more of the root out, or compress it with zstd",
    });
  }
  const directory = `${BOOT_TREE}/${name}`;
  const entry = `${BOOT_TREE}/loader/entries/${name}.conf`;
  const title = /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(osRelease(files, resource, generation))?.[1] ?? resource.name;
  const lines = [
    `title ${title} (${resource.name} ${generation})`,
    `version ${kernel.release}`,
    `sort-key ${resource.name}`,
    ...(boot.cmdline === "" ? [] : [`options ${boot.cmdline}`]),
    `linux /${name}/vmlinuz`,
    ...(microcode.length === 0 ? [] : [`initrd /${name}/${MICROCODE}`]),
    `initrd /${name}/${resource.file}`,
  ];
  const text = new TextEncoder().encode(`${lines.join("\n")}\n`);
  const stat = files.stat(build);
  const attributes = { owner: stat?.owner ?? 0, group: stat?.group ?? 0, mode };
  for (const folder of [directory, `${BOOT_TREE}/loader/entries`]) files.makeDirectories(`${build}/${folder}`);
  files.writeFile(`${build}/${directory}/vmlinuz`, kernel.bytes, attributes);
  files.writeFile(`${build}/${entry}`, text, attributes);
  if (microcode.length > 0) files.writeFile(`${build}/${directory}/${MICROCODE}`, microcode, attributes);
  // The image itself stands where it always does: once is enough of it.
  files.writeLink(`${build}/${directory}/${resource.file}`, `../../${resource.file}`);
  const early = { path: `${directory}/${MICROCODE}`, sha256: sha256Of(microcode), size_bytes: microcode.length };
  return [
    { path: `${directory}/vmlinuz`, sha256: kernel.sha256, size_bytes: kernel.bytes.length },
    ...(microcode.length === 0 ? [] : [early]),
    { path: entry, sha256: sha256Of(text), size_bytes: text.length },
  ];
}
