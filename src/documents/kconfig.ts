import { FORMATS, formatSymbols } from "../core/format.ts";
import type { ImageSpec, KernelConfigSpec } from "./types.ts";

/** Values by symbol, without CONFIG_: `y`, `m`, `n`, a number or a text without its quotes. */
export type KernelSymbols = ReadonlyMap<string, string>;

/** Reads .kconfig texts in their order: a later file wins, and within a file a later line. */
export function readKernelSymbols(texts: readonly string[]): KernelSymbols {
  const symbols = new Map<string, string>();
  for (const line of texts.flatMap((text) => text.split(/\r?\n/))) {
    const set = /^\s*CONFIG_(\w+)=(.*)$/.exec(line.trimEnd());
    const unset = /^\s*#\s*CONFIG_(\w+) is not set\s*$/.exec(line);
    if (set !== null) symbols.set(set[1] ?? "", unquote(set[2] ?? ""));
    else if (unset !== null) symbols.set(unset[1] ?? "", "n");
  }
  return symbols;
}

/** The symbols an image needs of its kernel so that it boots, with the values that the KernelConfig requires. */
export function requiredSymbols(image: ImageSpec, kernel: KernelConfigSpec): ReadonlyMap<string, string> {
  return new Map([...imageSymbols(image), ...ownSymbols(kernel)]);
}

/** What an image needs of a kernel that is configured for it. */
export function imageSymbols(image: ImageSpec): ReadonlyMap<string, string> {
  const { boot } = image;
  const isEfi = boot?.form === "uki" || boot?.sign !== undefined;
  const more = ["DEVTMPFS", ...(isEfi ? ["EFI", "EFI_STUB"] : [])];
  return new Map([...startSymbols(image), ...more.map((symbol) => [symbol, "y"] as const)]);
}

/** What an image cannot be started without, by any kernel; what firmware can start says so itself, in its header. */
export function startSymbols({ format = "initramfs", compression }: ImageSpec): ReadonlyMap<string, string> {
  const symbols = formatSymbols(format, compression?.codec ?? FORMATS[format].defaultCodec);
  return new Map([...symbols, "BINFMT_ELF"].map((symbol) => [symbol, "y"]));
}

/** What a KernelConfig itself requires. */
export function ownSymbols({ require = {} }: KernelConfigSpec): ReadonlyMap<string, string> {
  return new Map(Object.entries(require).map(([symbol, value]) => [symbol, requiredText(value)]));
}

function requiredText(value: string | number | boolean): string {
  return typeof value === "boolean" ? (value ? "y" : "n") : unquote(String(value));
}

function unquote(value: string): string {
  return /^".*"$/.test(value) ? value.slice(1, -1).replace(/\\(["\\])/g, "$1") : value;
}
