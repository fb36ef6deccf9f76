import { archTargetSchema } from "./kinds/arch-target.ts";
import type { JsonSchema } from "./kinds/common.ts";
import { fields, text } from "./kinds/common.ts";
import { hostSchema } from "./kinds/host.ts";
import { imageSchema } from "./kinds/image.ts";
import { kernelConfigSchema } from "./kinds/kernel-config.ts";
import { overlaySchema } from "./kinds/overlay.ts";
import { rootSchema } from "./kinds/root.ts";
import { volumeSchema } from "./kinds/volume.ts";
import { API_VERSION, type DocumentKind } from "./types.ts";

const SPEC_SCHEMAS: { readonly [K in DocumentKind]: JsonSchema } = {
  Host: hostSchema,
  Volume: volumeSchema,
  Root: rootSchema,
  Overlay: overlaySchema,
  KernelConfig: kernelConfigSchema,
  ArchTarget: archTargetSchema,
  Image: imageSchema,
};

/**
 * The JSON Schema (draft 7) of one kind's whole document, with descriptions, for validation and for editors.
 * An Overlay's name comes from its folder and a Host's from being the only one: there `metadata` can be left out.
 */
export function schemaFor(kind: DocumentKind): JsonSchema {
  const spec = SPEC_SCHEMAS[kind];
  const named = kind !== "Overlay" && kind !== "Host";
  const specNeeded = Array.isArray(spec.required) && spec.required.length > 0;
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: `Rootloom ${kind}`,
    ...fields(
      {
        apiVersion: { type: "string", const: API_VERSION, description: "Version of this format." },
        kind: { type: "string", const: kind, description: "Kind of this document." },
        metadata: fields(
          { name: text("Letters, digits, dot, dash, underscore; at most 63.") },
          "What the document is called.",
          named ? ["name"] : [],
        ),
        spec,
      },
      String(spec.description),
      ["apiVersion", "kind", ...(named ? ["metadata"] : []), ...(specNeeded ? ["spec"] : [])],
    ),
  };
}
