import { readKernel } from "../../boot/kernel.ts";
import { findConfiguration } from "../../boot/kernel-config.ts";
import { RootloomError } from "../../core/error.ts";
import type { ArtifactResource } from "../../core/resource.ts";
import type { ObserveContext } from "../types.ts";

/**
 * Whether a kernel that is there can start the image, as far as its configuration is known. Returns lines for the report.
 * @throws RootloomError that names the first symbol that is not as the image needs it.
 */
export async function checkKernelSymbols(
  resource: ArtifactResource,
  { host, signal }: Pick<ObserveContext, "host" | "signal">,
): Promise<readonly string[]> {
  const { name, kernel: source, symbols = {} } = resource;
  if (source === undefined || Object.keys(symbols).length === 0) return [];
  const kernel = readKernel(host.files, source);
  const found = await findConfiguration(host, source, kernel, signal);
  const wanted = Object.keys(symbols).map((symbol) => `CONFIG_${symbol}`);
  if ("why" in found) {
    const why = found.why === "" ? "" : ` (${found.why})`;
    return [`nothing tells how the kernel ${kernel.place} is configured${why}: it needs ${wanted.join(", ")}`];
  }
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
