import { fields, flag, type JsonSchema, LINKS, text } from "./common.ts";

/** ArchTarget: one row of architecture facts. */
export const archTargetSchema: JsonSchema = fields(
  {
    cpu: text("Processor, such as x86_64 or i686."),
    kernelArch: text("What the kernel calls it: x86, arm64."),
    triplet: text("Such as x86_64-linux-gnu."),
    crossPrefix: text("Such as aarch64-linux-gnu-."),
    debianArchitecture: text("Such as amd64."),
    multilib: flag("Whether 32-bit libraries stand beside 64-bit ones."),
    variables: {
      type: "object",
      description: `Further facts under names of your own, reached as \${target.NAME}.`,
      additionalProperties: { type: "string" },
    },
    links: LINKS,
    environmentFile: text(
      "A file of NAME='value' lines with the variables; relative paths are below the state directory.",
    ),
  },
  "Facts about an architecture.",
);
