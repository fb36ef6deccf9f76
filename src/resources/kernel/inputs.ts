import { createHash } from "node:crypto";
import { posix } from "node:path";
import { canonicalJson } from "../../core/digest.ts";
import type { KernelResource } from "../../core/resource.ts";
import { CURRENT as CURRENT_IMAGE, readReport } from "../artifact/generations.ts";
import type { ObserveContext } from "../types.ts";
import { kernelSourceKey, patchesKey } from "./source.ts";
import { findToolchain, type Toolchain } from "./toolchain.ts";

/** Of what a build does beyond its inputs: another number builds all again. */
const BUILD_VERSION = "1";

export interface KernelInputs {
  /** By name; what a generation is called by. */
  readonly inputs: Readonly<Record<string, string>>;
  readonly toolchain: Toolchain;
  /** The image that is embedded; undefined where none is declared. */
  readonly initramfs: EmbeddedImage | undefined;
}

export interface EmbeddedImage {
  readonly path: string;
  readonly sha256: string;
  readonly size_bytes: number;
  readonly uncompressed_bytes: number;
}

/**
 * All that a kernel depends on, as it is now.
 * @throws RootloomError where the source or the compiler is not there. `initramfs` is empty where the image is not packed yet.
 */
export async function kernelInputs(
  resource: KernelResource,
  context: Pick<ObserveContext, "host" | "signal">,
): Promise<KernelInputs> {
  const { host, signal } = context;
  const toolchain = await findToolchain(resource, host, signal);
  const initramfs = embeddedImage(resource, context);
  const { config, added, required, sourceDate_s, modules } = resource;
  const inputs = {
    build: BUILD_VERSION,
    source: await kernelSourceKey(resource, context),
    patches: patchesKey(resource),
    config: digestOf({ config: config.sha256, added: { ...added }, required: { ...required } }),
    architecture: toolchain.architecture,
    compiler: `${resource.buildIn === undefined ? "" : `${resource.buildIn.tree}: `}${toolchain.prefix}gcc: ${toolchain.version}`,
    sourceDate: String(sourceDate_s),
    ...(modules === undefined ? {} : { modules: modules.strip ? "stripped" : "whole" }),
    ...(resource.initramfs === undefined ? {} : { initramfs: initramfs?.sha256 ?? "" }),
  };
  return { inputs, toolchain, initramfs };
}

/** Name of the generation that these inputs make. */
export function kernelGeneration(inputs: Readonly<Record<string, string>>): string {
  return digestOf(inputs).slice(0, 16);
}

function embeddedImage(
  { initramfs }: KernelResource,
  { host }: Pick<ObserveContext, "host">,
): EmbeddedImage | undefined {
  if (initramfs === undefined) return undefined;
  const current = host.files.readLink(posix.join(initramfs.path, CURRENT_IMAGE)) ?? "";
  const report = readReport(host.files, initramfs.path, current);
  if (report === undefined) return undefined;
  const { sha256, size_bytes, uncompressed_bytes, file } = report;
  return { path: posix.join(initramfs.path, current, file), sha256, size_bytes, uncompressed_bytes };
}

function digestOf(value: object): string {
  return createHash("sha256")
    .update(canonicalJson(value as Parameters<typeof canonicalJson>[0]))
    .digest("hex");
}
