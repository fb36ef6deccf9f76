import { posix } from "node:path";
import type { DesiredGraph, KernelResource } from "../../core/resource.ts";
import type { Host } from "../../host/ports.ts";
import { pickedPath } from "../artifact/picked.ts";
import { removeDirectory } from "../remove.ts";
import { buildPaths, unpackedPaths } from "./paths.ts";
import { kernelSourceKey, unpackedKey } from "./source.ts";

/** Removes what kernels that are no longer declared so were unpacked and made in. Says what, for people. */
export async function collectKernels(
  host: Host,
  cache: string,
  { resources }: Pick<DesiredGraph, "resources">,
  dryRun: boolean,
): Promise<readonly string[]> {
  const kernels = resources.filter((resource) => resource.kind === "kernel");
  const keys = await Promise.all(kernels.map((kernel) => keyOf(kernel, host)));
  const sources = posix.dirname(unpackedPaths(cache, "any").top);
  const builds = posix.dirname(buildPaths(cache, "any").folder);
  const images = resources.filter((resource) => resource.kind === "artifact");
  const picked = posix.dirname(pickedPath(cache, "any"));
  const going = [
    ...unused(host, picked, (name) =>
      images.some((image) => image.name === name && (image.modules ?? image.firmware) !== undefined),
    ),
    ...unused(host, sources, (name) => keys.includes(name.replace(/\.json$/, ""))),
    ...unused(host, builds, (name) => kernels.some((kernel) => (kernel.modulesOf ?? kernel.name) === name)),
  ];
  for (const path of dryRun ? [] : going) {
    if (host.files.stat(path)?.type === "directory") await removeDirectory(host, path);
    else host.files.removeFile(path);
  }
  const count = going.filter((path) => !path.endsWith(".json")).length;
  return count === 0
    ? []
    : [
        `cache kernels: ${count} sources, builds and picked modules of nothing declared ${dryRun ? "would be " : ""}removed`,
      ];
}

async function keyOf(kernel: KernelResource, host: Host): Promise<string> {
  if (kernel.source.type === "directory") return "";
  return unpackedKey(await kernelSourceKey(kernel, { host, signal: undefined }), kernel);
}

function unused({ files }: Host, folder: string, isUsed: (name: string) => boolean): readonly string[] {
  return (files.list(folder) ?? []).filter((name) => !isUsed(name)).map((name) => posix.join(folder, name));
}
