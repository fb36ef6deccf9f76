/** A JSON Schema (draft 7) or a part of one. */
export interface JsonSchema {
  readonly [keyword: string]: unknown;
}

export const text = (description: string): JsonSchema => ({ type: "string", minLength: 1, description });
export const flag = (description: string): JsonSchema => ({ type: "boolean", description });
export const choice = (values: readonly string[], description: string): JsonSchema => ({
  type: "string",
  enum: values,
  description,
});
export const list = (items: JsonSchema, description: string): JsonSchema => ({ type: "array", items, description });
export const texts = (description: string): JsonSchema => list({ type: "string", minLength: 1 }, description);
export const whole = (minimum: number, maximum: number, description: string): JsonSchema => ({
  type: "integer",
  minimum,
  maximum,
  description,
});
/** An object with exactly these fields; unknown ones are refused. */
export const fields = (
  properties: Readonly<Record<string, JsonSchema>>,
  description: string,
  required: readonly string[] = [],
): JsonSchema => ({ type: "object", description, properties, required, additionalProperties: false });

export const SIZE: JsonSchema = {
  type: ["string", "integer"],
  description: 'A size such as "10GiB" or "512M" (powers of 1024), "10GB" (powers of 1000), or a number of bytes.',
};
export const OWNER = text('"user:group", names or numbers, such as "root:root" or "0:0".');
export const MODE = text('Octal permission bits in quotes, such as "0755".');
export const DATE: JsonSchema = {
  type: ["string", "integer"],
  description: "Seconds since the epoch, or an ISO date such as 2024-06-01 or 2024-06-01T12:00:00Z.",
};
export const ON_DELETE = choice(
  ["retain", "destroy"],
  "What happens when the declaration is removed: retain (default) forgets it and keeps the data.",
);
export const PROTECT = flag("No step that destroys this is planned, even approved, until a commit lifts it.");
export const DRIFT = fields(
  { policy: choice(["correct", "report"], "Correct what differs on the host, or only report it.") },
  "What to do when the host differs from what was applied.",
);
export const MATRIX = fields(
  { targets: { ...texts("Names of ArchTargets."), minItems: 1, uniqueItems: true } },
  `Makes one of this document for each target: \${target.name} and its other facts and variables stand in any string.`,
  ["targets"],
);
export const LINKS = list(
  fields(
    { path: text("Absolute path of the link."), to: text("What the link holds, exactly as written.") },
    "A symbolic link on the host.",
    ["path", "to"],
  ),
  "Symbolic links on the host that stand as long as this is declared.",
);
/** Fields of a check that boots something in a virtual machine. */
export const BOOT_CHECK: Readonly<Record<string, JsonSchema>> = {
  expect: text("What the guest prints on its serial console when it is well."),
  timeout: text('How long it may take until then: "5m" (default), "90s".'),
  memory: SIZE,
  machine: text("QEMU's name of the machine, such as q35. Default: QEMU's own choice; virt for arm64."),
  cmdline: text(
    "Added to the kernel's command line, which is `console=ttyS0 panic=-1` (arm64: `console=ttyAMA0`). Not of a uki.",
  ),
};

/** Which generations of an image or a kernel are kept. */
export const RETENTION = fields(
  {
    generations: whole(1, 1000, "Versions kept. Default: the host's."),
    age: text('None of them but the current one is older: "30d", "720h". Default: no matter how old.'),
    keep: texts("Names of generations that are kept whatever their number and age."),
  },
  "What is kept.",
);
