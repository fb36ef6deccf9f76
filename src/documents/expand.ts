/** Matrix expansion: pure, used by validation and by `compile`. */
import { countValues } from "./measure.ts";
import { suggest } from "./nearest.ts";
import type { ArchTargetSpec, Document, DocumentOf, Problem } from "./types.ts";

/** A document with its variables filled in; `target` names the ArchTarget they came from. */
export type ExpandedDocument = Document & { readonly target: string | undefined };

/** Facts of an ArchTarget that `${target.NAME}` reaches, beside its variables. */
export const TARGET_FACTS = [
  "name",
  "cpu",
  "kernelArch",
  "triplet",
  "crossPrefix",
  "debianArchitecture",
  "multilib",
] as const;

/**
 * One document per target for each `matrix`; an Image or a KernelConfig with a `target` of its own has that one's variables.
 * Unknown targets and variables are problems; what has one is left out.
 */
export function expandDocuments(documents: readonly Document[]): {
  readonly documents: readonly ExpandedDocument[];
  /** Those left out, as written. */
  readonly failed: readonly Document[];
  readonly problems: readonly Problem[];
} {
  const targets = new Map<string, DocumentOf<"ArchTarget">>();
  for (const document of documents) if (document.kind === "ArchTarget") targets.set(document.name, document);
  const expanded: ExpandedDocument[] = [];
  const failed: Document[] = [];
  const problems: Problem[] = [];
  for (const document of documents) {
    const result = expandOne(document, targets);
    if (result.documents.length === 0) failed.push(document);
    expanded.push(...result.documents);
    problems.push(...result.problems);
  }
  return { documents: expanded, failed, problems };
}

/** Of one matrix: looking for the name that was meant costs a look at all of them. */
const SUGGESTIONS_MAX = 20;
/** Of all documents that one matrix makes. */
const VALUES_MAX = 1_000_000;

interface Expansion {
  readonly documents: ExpandedDocument[];
  readonly problems: Problem[];
}
type Path = readonly (string | number)[];

function expandOne(document: Document, targets: ReadonlyMap<string, DocumentOf<"ArchTarget">>): Expansion {
  const problems: Problem[] = [];
  const report = (path: Path, message: string, hint: string): void => {
    problems.push({ ...document.locate(path), message, hint });
  };
  const matrix = "matrix" in document.spec ? document.spec.matrix : undefined;
  if (matrix === undefined) {
    const own = document.kind === "Image" || document.kind === "KernelConfig" ? document.spec.target : undefined;
    const filled = fill(document, own === undefined ? undefined : targets.get(own), report);
    // A target that is not there is reported with the other references.
    return own !== undefined && !targets.has(own) ? { documents: [filled], problems: [] } : settle([filled], problems);
  }
  const several = matrix.targets.length > 1;
  if (several && !document.name.includes("${target.")) {
    const message = `cannot expand ${document.kind} ${document.name}: all its targets would have the same name`;
    report(["metadata", "name"], message, `name it \`${document.name}-\${target.name}\``);
    return { documents: [], problems };
  }
  if (matrix.targets.length * countValues(document.spec, VALUES_MAX) > VALUES_MAX) {
    const message = `cannot expand ${document.kind} ${document.name}: ${matrix.targets.length} targets make too much of it`;
    report(["spec", "matrix", "targets"], message, "name fewer targets, or write less for each");
    return { documents: [], problems };
  }
  const documents: ExpandedDocument[] = [];
  for (const [index, name] of matrix.targets.entries()) {
    const target = targets.get(name);
    if (target !== undefined) documents.push(fill(document, target, report));
    else {
      const known = problems.length < SUGGESTIONS_MAX ? [...targets.keys()] : [];
      const hint = suggest(name, known, "declare an ArchTarget of that name");
      const message = `cannot expand ${document.kind} ${document.name}: no ArchTarget is called \`${name}\``;
      report(["spec", "matrix", "targets", index], message, hint);
    }
  }
  return settle(documents, problems);
}

function settle(documents: ExpandedDocument[], problems: Problem[]): Expansion {
  return { documents: problems.length > 0 ? [] : documents, problems };
}

type Report = (path: Path, message: string, hint: string) => void;

function fill(document: Document, target: DocumentOf<"ArchTarget"> | undefined, report: Report): ExpandedDocument {
  const facts = target === undefined ? undefined : factsOf(target.name, target.spec);
  const name = fillText(document.name, facts, ["metadata", "name"], report);
  const spec = fillValue(document.spec, facts, ["spec"], report);
  // The shape is the same as before: only texts have changed.
  return { ...document, name, spec, target: target?.name } as ExpandedDocument;
}

function factsOf(name: string, spec: ArchTargetSpec): ReadonlyMap<string, string> {
  const facts = new Map<string, string>([["name", name]]);
  for (const fact of TARGET_FACTS) {
    const value = fact === "name" ? undefined : spec[fact];
    if (value !== undefined) facts.set(fact, String(value));
  }
  for (const [variable, value] of Object.entries(spec.variables ?? {})) facts.set(variable, value);
  return facts;
}

function fillValue(
  value: unknown,
  facts: ReadonlyMap<string, string> | undefined,
  path: Path,
  report: Report,
): unknown {
  if (typeof value === "string") return fillText(value, facts, path, report);
  if (Array.isArray(value)) return value.map((item, index) => fillValue(item, facts, [...path, index], report));
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([key, member]) => [key, fillValue(member, facts, [...path, key], report)]);
  return Object.fromEntries(entries);
}

function fillText(text: string, facts: ReadonlyMap<string, string> | undefined, path: Path, report: Report): string {
  if (!text.includes("${target.")) return text;
  return text.replace(/\$\{target\.([^}]*)\}/g, (whole, variable: string) => {
    const value = facts?.get(variable);
    if (value !== undefined) return value;
    if (facts === undefined) {
      report(path, `cannot fill in \`${whole}\`: this document has no target`, "give it a `matrix` of targets");
    } else {
      const message = `cannot fill in \`${whole}\`: ArchTarget ${facts.get("name")} does not set \`${variable}\``;
      report(path, message, suggest(variable, [...facts.keys()], "add it to the target's `variables`"));
    }
    return whole;
  });
}
