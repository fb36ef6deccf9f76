import { FORMATS } from "../core/format.ts";
import type { Format, ResourceId } from "../core/resource.ts";
import { type CompileContext, type Expanded, resolvePath, resourceId } from "./context.ts";

/** Where the generations of an image stand, and the name of its file in each. */
export interface ImagePlace {
  readonly artifact: ResourceId;
  readonly format: Format;
  /** Directory of the generations and of the link `current`. */
  readonly path: string;
  readonly file: string;
}

export function imagePlace({ name, spec }: Expanded<"Image">, context: CompileContext): ImagePlace {
  const { format = "initramfs" } = spec;
  const { file, codecs, defaultCodec } = FORMATS[format];
  return {
    artifact: resourceId("artifact", name),
    format,
    path: resolvePath(context.state, `artifacts/${name}`),
    file: `${file}${codecs[spec.compression?.codec ?? defaultCodec]?.ending ?? ""}`,
  };
}
