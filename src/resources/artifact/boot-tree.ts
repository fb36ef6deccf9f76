import { createHash } from "node:crypto";
import { type Kernel, readKernel } from "../../boot/kernel.ts";
import { placeSections } from "../../boot/pe.ts";
import { RootloomError } from "../../core/error.ts";
import type { ArtifactResource, BootForm } from "../../core/resource.ts";
import type { Files } from "../../host/ports.ts";
import { requireSpace } from "../../pack/checks.ts";
import type { ApplyContext } from "../types.ts";
import type { PackedFile } from "./generations.ts";
import { osRelease } from "./os-release.ts";
import { OF_HOST } from "./plan.ts";

/** Folder of a generation that is copied to the system partition as it is, links followed. */
export const BOOT_TREE = "boot";
/** Of a FAT filesystem, which firmware reads. */
const FILE_BYTES_MAX = 2 ** 32 - 1;
const STUB_BYTES_MAX = 16 << 20;

/** What a boot tree is made from, beside the image. */
export interface BootParts {
  readonly boot: BootForm;
  readonly kernel: Kernel;
  /** Empty for an entry. */
  readonly stub: Uint8Array;
}

/**
 * The parts as they are now; undefined where no form is declared.
 * @throws RootloomError where one of them is missing, or cannot be started by firmware.
 */
export function readBootParts({ name, boot, kernel: source }: ArtifactResource, files: Files): BootParts | undefined {
  if (boot === undefined || source === undefined) return undefined;
  const kernel = readKernel(files, source);
  if (boot.form === "entry") return { boot, kernel, stub: new Uint8Array() };
  if (!kernel.hasEfiStub || kernel.architecture !== "x86_64") {
    const of = kernel.architecture === "arm64" ? "is for arm64" : "is for 32 bits";
    const why = kernel.hasEfiStub || of === "is for arm64" ? of : "has no EFI stub: CONFIG_EFI_STUB is not set in it";
    throw new RootloomError(`cannot make ${name} a uki: the kernel ${kernel.place} ${why}`, {
      hint: "name another kernel, or take `boot.form: entry`",
    });
  }
  const stat = files.stat(files.realPath(boot.stub) ?? boot.stub);
  if (stat?.type !== "file" || stat.size > STUB_BYTES_MAX) {
    throw new RootloomError(`cannot make ${name} a uki: there is no EFI stub at ${boot.stub}`, {
      hint: "apt-get install systemd-boot-efi, or name one: `boot.stub`",
    });
  }
  return { boot, kernel, stub: files.readBytes(boot.stub) ?? new Uint8Array() };
}

/** What of a generation depends on its boot tree, by name; nothing where there is none. Contents are the host's, all else the commit's. */
export function bootInputs(parts: BootParts | undefined): Readonly<Record<string, string>> {
  if (parts === undefined) return {};
  const { boot, kernel, stub } = parts;
  const own = { boot: boot.form, cmdline: boot.cmdline, kernel: kernel.place, [`${OF_HOST}kernel`]: kernel.sha256 };
  if (boot.form === "entry") return own;
  return { ...own, stub: boot.stub, [`${OF_HOST}stub`]: createHash("sha256").update(stub).digest("hex") };
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
  const { kernel, stub } = parts;
  const name = `${resource.name}-${resource.target ?? kernel.architecture}-${image.generation}`;
  const needed_bytes = kernel.bytes.length + stub.length + (parts.boot.form === "uki" ? image.size_bytes : 0);
  requireSpace(files, image.build, needed_bytes);
  const made = parts.boot.form === "uki" ? writeUki : writeEntry;
  const written = await made(resource, parts, { ...image, name }, context);
  files.syncFilesystem(image.build);
  return written;
}

type Work = Image & { readonly name: string };

/** One EFI program: the stub with kernel, initramfs, command line and os-release as sections; the kernel last, since it grows when it runs. */
async function writeUki(
  resource: ArtifactResource,
  { boot, kernel, stub }: BootParts,
  { build, sha256, size_bytes, generation, mode, name }: Work,
  { host, signal }: ApplyContext,
): Promise<readonly PackedFile[]> {
  const bytes = (text: string) => new TextEncoder().encode(text);
  const initramfs = { file: `${build}/${resource.file}` };
  const sections: readonly { readonly name: string; readonly content: Uint8Array | { readonly file: string } }[] = [
    { name: ".osrel", content: bytes(osRelease(host.files, resource, generation)) },
    { name: ".cmdline", content: bytes(boot.cmdline) },
    { name: ".uname", content: bytes(kernel.release) },
    { name: ".initrd", content: initramfs },
    { name: ".linux", content: kernel.bytes },
  ];
  const sizes = sections.map(({ name: section, content }) => ({
    name: section,
    size_bytes: content instanceof Uint8Array ? content.length : size_bytes,
  }));
  const placed = placeSections(stub, sizes);
  const path = `${BOOT_TREE}/EFI/Linux/${name}.efi`;
  host.files.makeDirectories(`${build}/${BOOT_TREE}/EFI/Linux`);
  const contents = sections.map(({ content }, index) => ({ offset: placed.offsets[index] ?? 0, content }));
  const input = {
    path: `${build}/${path}`,
    mode,
    size_bytes: placed.size_bytes,
    parts: [{ offset: 0, content: placed.start }, ...contents],
  };
  const output = await host.jobs.run("assemble", input, { signal });
  // What was read back from the disk is what was packed: the initramfs is the fourth section.
  if (output.parts[4] !== sha256) {
    throw new RootloomError(`cannot make ${resource.name} a uki: the initramfs changed while it was read`, {
      retry: "transient",
    });
  }
  return [{ path, sha256: output.sha256, size_bytes: output.size_bytes }];
}

/** Kernel and initramfs side by side, and an entry as the Boot Loader Specification has it (type 1). */
async function writeEntry(
  resource: ArtifactResource,
  { boot, kernel }: BootParts,
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
    `initrd /${name}/${resource.file}`,
  ];
  const text = new TextEncoder().encode(`${lines.join("\n")}\n`);
  const stat = files.stat(build);
  const attributes = { owner: stat?.owner ?? 0, group: stat?.group ?? 0, mode };
  for (const folder of [directory, `${BOOT_TREE}/loader/entries`]) files.makeDirectories(`${build}/${folder}`);
  files.writeFile(`${build}/${directory}/vmlinuz`, kernel.bytes, attributes);
  files.writeFile(`${build}/${entry}`, text, attributes);
  // The image itself stands where it always does: once is enough of it.
  files.writeLink(`${build}/${directory}/${resource.file}`, `../../${resource.file}`);
  const sha256 = createHash("sha256").update(text).digest("hex");
  return [
    { path: `${directory}/vmlinuz`, sha256: kernel.sha256, size_bytes: kernel.bytes.length },
    { path: entry, sha256, size_bytes: text.length },
  ];
}
