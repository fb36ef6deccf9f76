import { fields, type JsonSchema, text, texts } from "./common.ts";

/** KernelConfig: a .kconfig file, fragments, and symbols that must hold. */
export const kernelConfigSchema: JsonSchema = fields(
  {
    config: text("The .kconfig file beside this document."),
    fragments: texts("Further .kconfig files, laid over it in this order: the later one wins."),
    require: {
      type: "object",
      description: "Symbols that must hold, without CONFIG_: `RD_GZIP: y`.",
      additionalProperties: { type: ["string", "number", "boolean"] },
    },
  },
  "Configuration of a kernel.",
  ["config"],
);
