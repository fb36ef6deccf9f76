import type { ArtifactResource } from "../../core/resource.ts";
import type { PackInput } from "../../host/jobs.ts";
import type { ApplyContext } from "../types.ts";
import { bootInputs, readBootParts } from "./boot-tree.ts";
import { packFilesystem } from "./filesystem.ts";
import { MANIFEST } from "./generations.ts";
import { generationOf, inputsOf, packInput } from "./inputs.ts";
import { pickedLayers } from "./picked.ts";
import { provideBase } from "./tarball.ts";

export type BuildContext = Pick<ApplyContext, "host" | "cache" | "signal" | "progress">;

/** An image that was made apart from all generations. */
export interface Rebuilt {
  readonly image: string;
  readonly manifest: string;
  readonly sha256: string;
  readonly size_bytes: number;
  /** Name of the generation that the inputs make. */
  readonly generation: string;
}

/** Makes an image in an empty directory, with caches of its own in it: nothing that was made before is used. */
export async function rebuild(
  resource: ArtifactResource,
  directory: string,
  context: Omit<BuildContext, "cache">,
): Promise<Rebuilt> {
  const { files } = context.host;
  const build = `${directory}/build`;
  const fresh: BuildContext = { ...context, cache: `${directory}/cache` };
  for (const path of [build, fresh.cache]) files.makeDirectories(path, 0o700);
  await provideBase(resource, fresh);
  const input = packInput(files, resource, fresh.cache, await pickedLayers(resource, fresh));
  const places = { image: `${build}/${resource.file}`, manifest: `${build}/${MANIFEST}`, build };
  const { sha256, size_bytes, layers } = await make(resource, input, places, fresh);
  return {
    ...places,
    sha256,
    size_bytes,
    generation: generationOf(inputsOf(resource, layers, bootInputs(readBootParts(resource, files)))),
  };
}

/** Writes image and manifest: an archive by the packer, a filesystem by its own tool. */
export function make(
  resource: ArtifactResource,
  input: PackInput,
  places: { readonly image: string; readonly manifest: string; readonly build: string },
  context: BuildContext,
) {
  if (resource.format !== "initramfs") return packFilesystem(resource, input, places, context);
  const { image, manifest } = places;
  const onProgress = (done: number, total: number) => context.progress("packing", done, total, "bytes");
  return context.host.jobs.run("pack", { ...input, image, manifest }, { signal: context.signal, onProgress });
}
