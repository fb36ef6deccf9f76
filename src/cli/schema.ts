import { resolve } from "node:path";
import { RootloomError } from "../core/error.ts";
import { DOCUMENT_KINDS, type DocumentKind } from "../documents/types.ts";
import { type CommandDefinition, textOf } from "./command.ts";

export const schema: CommandDefinition = {
  name: "schema",
  summary: "print the JSON Schema of a document kind, for editors",
  argument: ["[kind]", DOCUMENT_KINDS.join(", ")],
  options: [["--out <dir>", "write KIND.json there, for the kind or for all kinds"]],
  examples: [
    ["rootloom schema Root", "one schema on standard output"],
    ["rootloom schema --out .schemas", "all of them, as the first line of the example's documents names them"],
  ],
  run: async (context, given) => {
    const { schemaFor } = await import("../documents/schema.ts");
    const kinds = given.names.length === 0 ? DOCUMENT_KINDS : [await kindOf(given.names[0] ?? "")];
    const out = textOf(given, "out");
    const text = (kind: DocumentKind) => `${JSON.stringify(schemaFor(kind), undefined, 2)}\n`;
    if (out === undefined) {
      const [kind] = kinds;
      if (kind === undefined || given.names.length === 0) {
        throw new RootloomError("cannot print a schema: say which kind", {
          hint: `one of ${DOCUMENT_KINDS.join(", ")}`,
        });
      }
      context.output.write(text(kind));
      return 0;
    }
    const { files, processes } = (await context.session()).host;
    const directory = resolve(context.directory, out);
    files.makeDirectories(directory);
    const attributes = { owner: processes.userId, group: files.stat(directory)?.group ?? 0, mode: 0o644 };
    for (const kind of kinds) files.writeFile(`${directory}/${kind}.json`, text(kind), attributes);
    context.output.write(`${kinds.length} schemas in ${directory}\n`);
    return 0;
  },
};

async function kindOf(given: string): Promise<DocumentKind> {
  const found = DOCUMENT_KINDS.find((kind) => kind.toLowerCase() === given.toLowerCase());
  if (found !== undefined) return found;
  const { suggest } = await import("../documents/nearest.ts");
  throw new RootloomError(`cannot print a schema: there is no kind ${given}`, {
    hint: suggest(given, DOCUMENT_KINDS, ""),
  });
}
