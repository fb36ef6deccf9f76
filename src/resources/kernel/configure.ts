import { posix } from "node:path";
import { RootloomError } from "../../core/error.ts";
import { ARCHITECTURES } from "../../core/kernel.ts";
import type { KernelResource } from "../../core/resource.ts";
import { type KernelSymbols, readKernelSymbols } from "../../documents/kconfig.ts";
import type { Files, TreeHandle } from "../../host/ports.ts";
import type { EmbeddedImage } from "./inputs.ts";
import { readKconfig } from "./kconfig-language.ts";
import { whyNot } from "./kconfig-reason.ts";
import { INSIDE } from "./paths.ts";
import type { Workshop } from "./sandbox.ts";

/** Where make finds the image that it embeds. It is copied as it is: its name has two endings. */
const EMBEDDED = "initramfs.cpio.packed";

/** A kernel on x86 has to fit where it is unpacked: 512 MiB, twice that where its place is drawn at random. */
const X86_IMAGE_BYTES = 512 * 1024 ** 2;

/** Writes what make is given: the configuration as it is declared, and the image where one is embedded. */
export function writeInput(
  { config, added, name, modulesOf }: Pick<KernelResource, "config" | "added" | "name" | "modulesOf">,
  initramfs: EmbeddedImage | undefined,
  { paths }: Workshop,
  files: Files,
): void {
  const text = files.readText(config.content);
  if (text === undefined)
    throw new RootloomError(`cannot configure kernel ${name}: ${config.path} left the cache`, { retry: "transient" });
  const lines = Object.entries(added).map(([symbol, value]) => symbolLine(symbol, value));
  const isEmbedding = initramfs !== undefined || modulesOf !== undefined;
  const embedded = isEmbedding ? embed(initramfs, paths.input, files) : [];
  writeText([text.trimEnd(), ...lines, ...embedded, ""].join("\n"), { paths }, files);
}

/** The configuration that make is given. */
export function writeText(text: string, { paths }: Pick<Workshop, "paths">, files: Files): void {
  files.writeFile(posix.join(paths.input, "config"), text, { owner: 0, group: 0, mode: 0o644 });
}

/**
 * One that make has seen already keeps its time: make compares times, and would link again.
 * @param image undefined: an empty file, so that the configuration is that of the kernel with its image.
 */
function embed(image: EmbeddedImage | undefined, input: string, files: Files): readonly string[] {
  const { path, sha256 } = image ?? { path: "", sha256: "none" };
  const [place, note] = [posix.join(input, EMBEDDED), posix.join(input, "initramfs.sha256")];
  if (files.readText(note) !== sha256 || files.stat(place) === undefined) {
    for (const old of [note, place]) if (files.stat(old) !== undefined) files.removeFile(old);
    if (image === undefined) files.writeFile(place, "", { owner: 0, group: 0, mode: 0o644 });
    else files.copyFile(path, place);
    files.setAttributes(place, { owner: 0, group: 0, mode: 0o644 });
    files.writeFile(note, sha256, { owner: 0, group: 0, mode: 0o644 });
  }
  return [
    symbolLine("BLK_DEV_INITRD", "y"),
    symbolLine("INITRAMFS_SOURCE", `${INSIDE.input}/${EMBEDDED}`),
    "CONFIG_INITRAMFS_ROOT_UID=0",
    "CONFIG_INITRAMFS_ROOT_GID=0",
  ];
}

function symbolLine(symbol: string, value: string): string {
  if (value === "n") return `# CONFIG_${symbol} is not set`;
  return /^([ym]|-?\d+|0x[0-9a-fA-F]+)$/.test(value) ? `CONFIG_${symbol}=${value}` : `CONFIG_${symbol}="${value}"`;
}

/** The configuration that Kconfig answered with. Read as in a cage: make could have put a link there. */
export function answeredConfig({ paths }: Pick<Workshop, "paths">, files: Files): string {
  return withTree(files, paths.tree, (tree) => textAt(tree, ".config")) ?? "";
}

/** The same in short, without what is so anyway: fit to be committed. */
export function shortConfig({ paths }: Pick<Workshop, "paths">, files: Files): string {
  return withTree(files, paths.tree, (tree) => textAt(tree, "defconfig")) ?? "";
}

/**
 * Every required symbol against the answer.
 * @throws RootloomError with symbol, wanted, got and the reason, a line each.
 */
export function checkAnswer(
  resource: Pick<KernelResource, "name" | "required" | "config">,
  answered: string,
  { source, toolchain }: Pick<Workshop, "source" | "toolchain">,
  files: Files,
): void {
  const symbols = readKernelSymbols([answered]);
  const wrong = Object.entries(resource.required).filter(([symbol, wanted]) => (symbols.get(symbol) ?? "n") !== wanted);
  if (wrong.length === 0) return;
  const { folder } = ARCHITECTURES[toolchain.architecture];
  const facts = withTree(files, source, (tree) =>
    readKconfig((path) => textAt(tree, path), { SRCARCH: folder, HEADER_ARCH: folder }),
  );
  const declared = readKernelSymbols([files.readText(resource.config.content) ?? ""]);
  const lines = wrong.map(([symbol, wanted]) => {
    const why = whyNot(symbol, wanted, facts.get(symbol), symbols) || whySaid(symbol, wanted, declared);
    const got = symbols.get(symbol) ?? "n";
    return `CONFIG_${symbol}: ${wanted} is wanted, it is ${got === "n" ? "not set" : got}${why === "" ? "" : `: ${why}`}`;
  });
  const [first = ""] = lines;
  const more = lines.length > 1 ? `, and ${lines.length - 1} more` : "";
  throw new RootloomError(`cannot build kernel ${resource.name}: ${first}${more}`, {
    hint: `set them, and what they depend on, in ${resource.config.path} or in a fragment; or no longer require them`,
    details: lines,
    condition: "ConfigRefused",
  });
}

/** Where nothing stops it: what is declared of it. */
function whySaid(symbol: string, wanted: string, declared: KernelSymbols): string {
  const said = declared.get(symbol);
  if (said === undefined) return "the configuration does not set it";
  return said === wanted ? "" : `the configuration says ${said}`;
}

/**
 * Before anything is compiled: an image that is too large is known to be.
 * @throws RootloomError where the image is larger than the kernel can be, or is allowed to be.
 */
export function checkSize(
  { name, maxSize_bytes }: Pick<KernelResource, "name" | "maxSize_bytes">,
  answered: string,
  initramfs: EmbeddedImage | undefined,
  { toolchain }: Workshop,
): void {
  if (initramfs === undefined) return;
  if (maxSize_bytes !== undefined && initramfs.size_bytes >= maxSize_bytes)
    throw tooLarge(name, `the image to embed alone has ${initramfs.size_bytes} bytes`, maxSize_bytes);
  if (ARCHITECTURES[toolchain.architecture].folder !== "x86") return;
  const isRandom = readKernelSymbols([answered]).get("RANDOMIZE_BASE") === "y";
  const limit_bytes = isRandom ? 2 * X86_IMAGE_BYTES : X86_IMAGE_BYTES;
  if (initramfs.size_bytes < limit_bytes) return;
  throw new RootloomError(
    `cannot build kernel ${name}: the image to embed has ${initramfs.size_bytes} bytes, and a kernel with it at most ${limit_bytes}`,
    { hint: "leave more out of the image, compress it harder, or boot it beside the kernel" },
  );
}

/** @throws RootloomError where a kernel that was made is larger than it may be. */
export function checkMade({ name, maxSize_bytes }: KernelResource, size_bytes: number): void {
  if (maxSize_bytes !== undefined && size_bytes > maxSize_bytes)
    throw tooLarge(name, `it has ${size_bytes} bytes`, maxSize_bytes);
}

function tooLarge(name: string, what: string, limit_bytes: number): RootloomError {
  return new RootloomError(`cannot take kernel ${name}: ${what}, and its maxSize is ${limit_bytes}`, {
    hint: "leave more out of the image or of the configuration, compress harder, or raise `maxSize`",
    condition: "TooLarge",
  });
}

function textAt(tree: TreeHandle, path: string): string | undefined {
  const place = tree.resolve(path);
  return place !== undefined && tree.stat(place)?.type === "file"
    ? new TextDecoder().decode(tree.read(place))
    : undefined;
}

function withTree<T>(files: Files, path: string, read: (tree: TreeHandle) => T): T {
  const tree = files.openTree(path);
  try {
    return read(tree);
  } finally {
    tree.close();
  }
}
