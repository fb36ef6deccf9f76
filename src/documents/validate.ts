import { Ajv, type ErrorObject, type ValidateFunction } from "ajv";
import { suggest } from "./nearest.ts";
import type { ParsedDocument } from "./parse.ts";
import { schemaFor } from "./schema.ts";
import { API_VERSION, DOCUMENT_KINDS, type DocumentKind, type Problem } from "./types.ts";

type Path = readonly (string | number)[];

/** A document whose shape is right; what its texts mean is checked later. */
export interface ShapedDocument {
  readonly kind: DocumentKind;
  /** Empty where `metadata.name` is left out. */
  readonly name: string;
  readonly spec: object;
}

/** Checks apiVersion, kind and the kind's schema; all problems of the document at once. */
export function validateShape(parsed: ParsedDocument): {
  readonly document: ShapedDocument | undefined;
  readonly problems: readonly Problem[];
} {
  const head = checkHead(parsed);
  if ("problems" in head) return { document: undefined, problems: head.problems };
  const validate = validatorFor(head.kind);
  if (!validate(parsed.value)) {
    const problems = (validate.errors ?? []).map((error) => toProblem(error, head.kind, parsed));
    return { document: undefined, problems };
  }
  const value = parsed.value as { metadata?: { name?: string }; spec?: object };
  return { document: { kind: head.kind, name: value.metadata?.name ?? "", spec: value.spec ?? {} }, problems: [] };
}

// The schemas are our own and a test checks them: checking them again costs more than checking the documents.
const trusted = { meta: false, validateSchema: false };
const ajv = new Ajv({ allErrors: true, strict: true, allowUnionTypes: true, verbose: true, ...trusted });
const validators = new Map<DocumentKind, ValidateFunction>();

function validatorFor(kind: DocumentKind): ValidateFunction {
  const known = validators.get(kind);
  if (known !== undefined) return known;
  const made = ajv.compile(schemaFor(kind));
  validators.set(kind, made);
  return made;
}

function checkHead(parsed: ParsedDocument): { kind: DocumentKind } | { problems: Problem[] } {
  const { value, locate } = parsed;
  const problem = (path: Path, message: string, hint: string): { problems: Problem[] } => ({
    problems: [{ ...locate(path), message, hint }],
  });
  const shape = "start with `apiVersion`, `kind`, `metadata` and `spec`";
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return problem([], "cannot use this document: it is no mapping of fields", shape);
  }
  const { apiVersion, kind } = value as { apiVersion?: unknown; kind?: unknown };
  if (apiVersion !== API_VERSION) {
    const why = apiVersion === undefined ? "`apiVersion` is missing" : `apiVersion ${shown(apiVersion)} is not known`;
    return problem(["apiVersion"], `cannot use this document: ${why}`, `write \`apiVersion: ${API_VERSION}\``);
  }
  const known = DOCUMENT_KINDS.find((candidate) => candidate === kind);
  if (known !== undefined) return { kind: known };
  if (typeof kind !== "string") {
    return problem(["kind"], "cannot use this document: `kind` is missing or no text", suggest("", DOCUMENT_KINDS, ""));
  }
  return problem(["kind"], `cannot use this document: unknown kind ${shown(kind)}`, suggest(kind, DOCUMENT_KINDS, ""));
}

function toProblem(error: ErrorObject, kind: DocumentKind, parsed: ParsedDocument): Problem {
  const path = pointerPath(error.instancePath);
  const field = path.length === 0 ? kind : `\`${fieldName(path)}\``;
  const parameters = error.params as Readonly<Record<string, unknown>>;
  const at = parsed.locate(path);
  if (error.keyword === "additionalProperties") {
    const unknown = String(parameters.additionalProperty);
    const known = Object.keys((error.parentSchema?.properties ?? {}) as object);
    const hint = suggest(unknown, known, `${field} takes no fields: leave it out`);
    const message = `cannot use field \`${unknown.slice(0, 100)}\`: ${field} has no such field`;
    return { ...parsed.locateKey([...path, unknown]), message, hint };
  }
  if (error.keyword === "required") {
    const missing = String(parameters.missingProperty);
    return { ...at, message: `cannot use ${field}: \`${missing}\` is missing`, hint: `add \`${missing}:\`` };
  }
  const [why, hint] = explain(error, valueAt(parsed.value, path));
  return { ...at, message: `cannot use ${field}: ${why}`, hint };
}

/** What is wrong with one value, and what to write. */
function explain(error: ErrorObject, value: unknown): readonly [string, string] {
  const { limit, type, allowedValues } = error.params as Readonly<Record<string, unknown>>;
  const alternatives = [type].flat().map((name) => TYPE_WORDS[String(name)] ?? String(name));
  switch (error.keyword) {
    case "type":
      return [`${shown(value)} is not ${alternatives.join(" or ")}`, typeHint(type, value)];
    case "enum": {
      const choices = (allowedValues as readonly string[]) ?? [];
      return [`${shown(value)} is none of its values`, suggest(String(value), choices, "")];
    }
    case "minLength":
      return ["the text is empty", "write it, or leave the field out"];
    case "minimum":
      return [`${shown(value)} is below ${limit}`, `write at least ${limit}`];
    case "maximum":
      return [`${shown(value)} is above ${limit}`, `write at most ${limit}`];
    case "minItems":
      return ["the list is empty", "name at least one"];
    case "uniqueItems":
      return ["an item stands twice", "keep one of the two"];
    case "minProperties":
      return ["it says nothing", `write exactly one of ${fieldChoices(error)}`];
    case "maxProperties":
      return ["it says more than one", `write exactly one of ${fieldChoices(error)}`];
    default:
      return [error.message ?? error.keyword, "see `rootloom schema`"];
  }
}

const TYPE_WORDS: Readonly<Record<string, string>> = {
  string: "a text",
  integer: "a whole number",
  number: "a number",
  boolean: "true or false",
  array: "a list",
  object: "a mapping of fields",
};

function typeHint(type: unknown, value: unknown): string {
  const wanted = [type].flat();
  if (value === null) return "write its value, or leave the field out";
  if (wanted.includes("string") && typeof value !== "object") return `put it in quotes: "${String(value)}"`;
  if (wanted.includes("boolean")) return "write true or false, without quotes";
  if (wanted.includes("array")) return "write a list: each item on a line of its own behind a dash";
  if (wanted.includes("object")) return "write its fields below it, indented";
  if (wanted.includes("string")) return "write a text";
  return "write a number, without quotes";
}

function fieldChoices(error: ErrorObject): string {
  return Object.keys((error.parentSchema?.properties ?? {}) as object)
    .map((name) => `\`${name}\``)
    .join(", ");
}

function pointerPath(pointer: string): (string | number)[] {
  if (pointer === "") return [];
  return pointer
    .slice(1)
    .split("/")
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
}

/** `["spec", "mounts", "0", "type"]` -> `spec.mounts[0].type`. */
function fieldName(path: Path): string {
  const name = path.map((part) => (/^\d+$/.test(String(part)) ? `[${part}]` : `.${part}`)).join("");
  return name.replace(/^\./, "").slice(0, 200);
}

function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (parent, step) => (typeof parent === "object" && parent !== null ? Reflect.get(parent, step) : undefined),
    value,
  );
}

function shown(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "a mapping";
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 80 ? `${text.slice(0, 80)}...` : text;
}
