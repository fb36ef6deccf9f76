import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Node,
  type Pair,
  parseAllDocuments,
  visit,
  type YAMLMap,
} from "yaml";
import { countValues } from "./measure.ts";
import type { Locate, Position, Problem } from "./types.ts";

/** A document as YAML reads it, before any schema. */
export interface ParsedDocument {
  readonly value: unknown;
  /** Position of the value at a path; of the nearest parent that is there. */
  readonly locate: Locate;
  /** Position of the key itself, for fields that should not be there. */
  readonly locateKey: Locate;
}

const TEXT_LENGTH_MAX = 1024 * 1024;
/** The parser takes some KiB for each token: texts that could hold more of them are counted first. */
const TOKENS_MAX = 200_000;
const ALIASES_MAX = 100;
/** Of one document, aliases written out. */
const VALUES_MAX = 200_000;
const PROBLEMS_PER_FILE_MAX = 20;

export interface ParsedFile {
  readonly documents: readonly ParsedDocument[];
  readonly problems: readonly Problem[];
}

/** Files of the usual size as they were last read, by name: of a new commit only what it changed is parsed. */
const kept = new Map<string, { readonly text: string; readonly parsed: ParsedFile }>();
const KEPT_MAX = 4_000;
const KEPT_LENGTH_MAX = 8 * 1024;

/** Reads the YAML documents of one file; `file` is the name used in positions. Documents with problems are left out. */
export function parseDocuments(text: string, file: string): ParsedFile {
  const last = kept.get(file);
  if (last?.text === text) return last.parsed;
  const parsed = parseWhole(text, file);
  if (text.length > KEPT_LENGTH_MAX) kept.delete(file);
  else if (last !== undefined || kept.size < KEPT_MAX) kept.set(file, { text, parsed });
  return parsed;
}

function parseWhole(text: string, file: string): ParsedFile {
  const start = { file, line: 1, column: 1 };
  if (text.length > TEXT_LENGTH_MAX) {
    const hint = "a document holds what people write: at most 1 MiB";
    return { documents: [], problems: [{ ...start, message: "cannot read YAML: the file is too large", hint }] };
  }
  try {
    if (text.length > TOKENS_MAX && hasMoreTokens(text, TOKENS_MAX)) {
      const hint = `write it as several files: one has at most ${TOKENS_MAX} words and signs`;
      return { documents: [], problems: [{ ...start, message: "cannot read YAML: it holds too much", hint }] };
    }
    return parseText(text, file);
  } catch (thrown) {
    // Deep nesting ends in a RangeError of the parser's recursion.
    const why = thrown instanceof RangeError ? "it is nested too deeply" : "the parser gave up";
    return { documents: [], problems: [{ ...start, message: `cannot read YAML: ${why}`, hint: "write it flatter" }] };
  }
}

function hasMoreTokens(text: string, limit: number): boolean {
  let count = 0;
  for (const _ of new Lexer().lex(text)) if (++count > limit) return true;
  return false;
}

function parseText(text: string, file: string): ParsedFile {
  const lines = new LineCounter();
  const options = { lineCounter: lines, prettyErrors: false, uniqueKeys: false, stringKeys: true } as const;
  const parsed = parseAllDocuments(text, options);
  const documents: ParsedDocument[] = [];
  const problems: Problem[] = [];
  const at = (offset: number): Position => {
    const position = lines.linePos(offset);
    return { file, line: Math.max(1, position.line), column: Math.max(1, position.col) };
  };
  for (const document of Array.isArray(parsed) ? parsed : []) {
    const found = problemsOf(document, at);
    problems.push(...found);
    if (found.length > 0 || document.contents === null) continue;
    if (isScalar(document.contents) && document.contents.value === null) continue;
    const read = toValue(document, at);
    if ("message" in read) problems.push(read);
    else documents.push(read);
  }
  return { documents, problems: problems.slice(0, PROBLEMS_PER_FILE_MAX) };
}

function problemsOf(document: Document, at: (offset: number) => Position): Problem[] {
  const problems: Problem[] = [...document.errors, ...document.warnings].map((error) => ({
    ...at(error.pos[0]),
    message: `cannot read YAML: ${error.message}`,
    hint: "correct the YAML at this place",
  }));
  return [...problems, ...duplicateKeys(document, at)];
}

/** Our own check: yaml's compares each key with each other one. */
function duplicateKeys(document: Document, at: (offset: number) => Position): Problem[] {
  const problems: Problem[] = [];
  visit(document, {
    Map(_, map) {
      const seen = new Map<string, number>();
      for (const pair of map.items) {
        if (!isScalar(pair.key)) continue;
        const key = String(pair.key.value);
        const offset = pair.key.range?.[0] ?? 0;
        const first = seen.get(key);
        if (first === undefined) seen.set(key, offset);
        else {
          const message = `cannot read YAML: the key \`${short(key)}\` stands twice, first in line ${at(first).line}`;
          problems.push({ ...at(offset), message, hint: "keep one of the two" });
        }
      }
    },
  });
  return problems;
}

function toValue(document: Document, at: (offset: number) => Position): ParsedDocument | Problem {
  const top = at((document.contents as Node | null)?.range?.[0] ?? 0);
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: ALIASES_MAX });
  } catch {
    const hint = `write the values out: at most ${ALIASES_MAX} uses of anchors are expanded`;
    return { ...top, message: "cannot read YAML: its aliases expand to too much", hint };
  }
  if (countValues(value, VALUES_MAX) > VALUES_MAX) {
    const hint = `write it as several documents: one has at most ${VALUES_MAX} values, aliases written out`;
    return { ...top, message: "cannot read YAML: it holds too many values", hint };
  }
  const pairOf = pairFinder();
  const locate = (path: readonly (string | number)[], wantKey: boolean): Position => {
    const offset = offsetOf(document, path, wantKey, pairOf);
    return offset === undefined ? top : at(offset);
  };
  return { value, locate: (path) => locate(path, false), locateKey: (path) => locate(path, true) };
}

type PairOf = (map: YAMLMap, key: string) => Pair | undefined;

/** Finds pairs by their keys; a mapping is indexed once, since each of its fields may have a problem. */
function pairFinder(): PairOf {
  const known = new Map<YAMLMap, Map<string, Pair>>();
  return (map, key) => {
    let pairs = known.get(map);
    if (pairs === undefined) {
      pairs = new Map(map.items.flatMap((pair) => (isScalar(pair.key) ? [[String(pair.key.value), pair]] : [])));
      known.set(map, pairs);
    }
    return pairs.get(key);
  };
}

/** Follows the path as far as it is there. */
function offsetOf(
  document: Document,
  path: readonly (string | number)[],
  wantKey: boolean,
  pairOf: PairOf,
): number | undefined {
  let node: unknown = document.contents;
  let offset = (document.contents as Node | null)?.range?.[0];
  for (const [index, step] of path.entries()) {
    if (isAlias(node)) node = node.resolve(document);
    if (isMap(node)) {
      const pair = pairOf(node, String(step));
      if (pair === undefined) break;
      const keyOffset = isScalar(pair.key) ? pair.key.range?.[0] : undefined;
      node = pair.value;
      const valueOffset = (pair.value as Node | null)?.range?.[0];
      offset = (wantKey && index === path.length - 1) || emptyAt(pair.value) ? keyOffset : (valueOffset ?? keyOffset);
    } else if (isSeq(node)) {
      node = node.items[Number(step)];
      if (node === undefined) break;
      offset = (node as Node | null)?.range?.[0] ?? offset;
    } else break;
  }
  return offset;
}

/** A key without a value: its value's place is the next line, which helps nobody. */
function emptyAt(node: unknown): boolean {
  return node === null || (isScalar(node) && node.value === null && (node.source ?? "") === "");
}

function short(key: string): string {
  return key.length > 60 ? `${key.slice(0, 60)}...` : key;
}
