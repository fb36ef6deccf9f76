import { readKernel } from "../../boot/kernel.ts";
import { findConfiguration } from "../../boot/kernel-config.ts";
import { RootloomError } from "../../core/error.ts";
import type { ArtifactResource } from "../../core/resource.ts";
import type { Files } from "../../host/ports.ts";

/**
 * Whether a kernel that is there can start the image, as far as its configuration is known. Returns lines for the report.
 * @throws RootloomError that names the first symbol that is not as the image needs it.
 */
export function checkKernelSymbols(resource: ArtifactResource, files: Files): readonly string[] {
  const { name, kernel: source, symbols = {} } = resource;
  if (source === undefined || Object.keys(symbols).length === 0) return [];
  const kernel = readKernel(files, source);
  const found = findConfiguration(files, source, kernel);
  const wanted = Object.keys(symbols).map((symbol) => `CONFIG_${symbol}`);
  if (found === undefined)
    return [`nothing tells how the kernel ${kernel.place} is configured: it needs ${wanted.join(", ")}`];
  for (const [symbol, value] of Object.entries(symbols)) {
    const actual = found.symbols.get(symbol);
    if (actual === value) continue;
    throw new RootloomError(
      `cannot start ${name} with the kernel ${kernel.place}: CONFIG_${symbol} is ${actual ?? "not set"}, ${value} is needed (${found.place})`,
      { hint: "name another kernel, or compress the image with a codec that this one has: `compression.codec`" },
    );
  }
  return [];
}
