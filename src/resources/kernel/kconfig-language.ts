import type { KernelSymbols } from "../../documents/kconfig.ts";

/** What Kconfig files say of one symbol, as far as it explains why the symbol has not the value that was asked for. */
export interface SymbolFacts {
  /** Conditions that must all hold; of several definitions, those of each. */
  readonly definitions: readonly (readonly string[])[];
  /** Whether a configuration can set it; otherwise only what selects it can. */
  readonly isVisible: boolean;
  readonly selectedBy: readonly string[];
}

type Level = readonly string[];

/** Symbols that a reason names. */
const NAMED_MAX = 5;

/**
 * Reads Kconfig files, from the top one on. `read` gives a file's text, undefined where there is none; variables such as
 * `$(SRCARCH)` stand in `variables`. Only what explains a value is read: symbols, their conditions, and what selects them.
 */
export function readKconfig(
  read: (path: string) => string | undefined,
  variables: Readonly<Record<string, string>>,
): ReadonlyMap<string, SymbolFacts> {
  const found = new Map<string, { definitions: string[][]; isVisible: boolean; selectedBy: string[] }>();
  const facts = (symbol: string) => {
    const known = found.get(symbol) ?? { definitions: [], isVisible: false, selectedBy: [] };
    found.set(symbol, known);
    return known;
  };
  const seen = new Set<string>();
  const visit = (path: string, above: readonly Level[]): void => {
    if (seen.has(path)) return;
    seen.add(path);
    const levels: string[][] = above.map((level) => [...level]);
    let current = "";
    let conditions: string[] | undefined;
    for (const line of linesOf(read(path) ?? "")) {
      const [, word = "", rest = ""] = /^(\S+)\s*(.*)$/.exec(line) ?? [];
      if (word === "config" || word === "menuconfig") {
        current = rest;
        conditions = levels.flat();
        facts(current).definitions.push(conditions);
      } else if (word === "menu" || word === "choice" || word === "if") {
        // A choice and a menu have conditions of their own, which follow; an `if` has said it.
        conditions = word === "if" ? [rest] : [];
        levels.push(conditions);
        current = "";
      } else if (/^end(menu|choice|if)$/.test(word)) {
        levels.pop();
        conditions = undefined;
      } else if (word === "comment") conditions = undefined;
      else if (word === "source") visit(fill(rest.replace(/^"|"$/g, ""), variables), levels);
      else if (word === "depends") conditions?.push(rest.replace(/^on\s+/, ""));
      else if (current === "") continue;
      else if (/^(bool|tristate|string|int|hex|prompt)$/.test(word) && /^["']/.test(rest))
        facts(current).isVisible = true;
      else if (word === "select") facts(rest.split(/\s/)[0] ?? "").selectedBy.push(current);
    }
  };
  visit("Kconfig", []);
  return found;
}

/** Lines with continuations joined, without help texts and comments. */
function linesOf(text: string): readonly string[] {
  const lines: string[] = [];
  let help_indent: number | undefined;
  for (const line of text.replace(/\\\n/g, " ").split("\n")) {
    const indent = (/^\s*/.exec(line)?.[0] ?? "").replace(/\t/g, "        ").length;
    const bare = line.trim();
    if (bare === "") continue;
    if (help_indent !== undefined) {
      // A help text is all that is indented as much as its first line.
      if (help_indent < 0 && indent > 0) help_indent = indent;
      if (help_indent > 0 && indent >= help_indent) continue;
      help_indent = undefined;
    }
    if (/^(help|---help---)$/.test(bare)) help_indent = -1;
    else if (!bare.startsWith("#")) lines.push(bare.replace(/\s+#.*$/, ""));
  }
  return lines;
}

function fill(path: string, variables: Readonly<Record<string, string>>): string {
  return path.replace(/\$\((\w+)\)|\$(\w+)/g, (whole, one: string, other: string) => variables[one ?? other] ?? whole);
}

/**
 * Why a symbol has not the wanted value, for people: `it depends on EFI, which is n`. Empty where nothing explains it.
 * @param symbols the configuration that Kconfig answered with.
 */
export function whyNot(symbol: string, facts: SymbolFacts | undefined, symbols: KernelSymbols): string {
  if (facts === undefined || facts.definitions.length === 0) return "this kernel has no such symbol";
  const stopped = facts.definitions.map((conditions) =>
    conditions.flatMap(conjuncts).filter((part) => holds(part, symbols) === false),
  );
  const fewest = stopped.reduce((one, other) => (other.length < one.length ? other : one));
  if (fewest.length > 0)
    return `it depends on ${[...new Set(fewest)].map((part) => told(part, symbols)).join(", and on ")}`;
  const selecting = facts.selectedBy.filter((name) => (symbols.get(name) ?? "n") !== "n");
  if (selecting.length > 0 && symbols.has(symbol))
    return `it is selected by ${selecting.slice(0, NAMED_MAX).join(", ")}`;
  if (facts.isVisible) return "";
  const by = facts.selectedBy.slice(0, NAMED_MAX).join(", ");
  return by === "" ? "no configuration can set it" : `only what selects it can set it: ${by}`;
}

/** `EFI, which is n`; an expression with all its symbols. */
function told(part: string, symbols: KernelSymbols): string {
  if (/^\w+$/.test(part)) return `${part}, which is ${symbols.get(part) ?? "n"}`;
  const names = [...new Set(part.match(/[A-Za-z_]\w*/g) ?? [])].filter((name) => !/^[ymn]$/.test(name));
  return `${part} (${names.map((name) => `${name} is ${symbols.get(name) ?? "n"}`).join(", ")})`;
}

/** The parts of `A && (B || C)`: A, and `(B || C)`. */
function conjuncts(expression: string): readonly string[] {
  const parts: string[] = [""];
  let depth = 0;
  for (const token of expression.match(/&&|\|\||[()]|"[^"]*"|'[^']*'|!=|[!<>=]=?|\$\([^)]*\)|\w+|\s+|./g) ?? []) {
    if (token === "(") depth++;
    if (token === ")") depth--;
    if (token === "&&" && depth === 0) parts.push("");
    else parts[parts.length - 1] += token;
  }
  const whole = parts.map((part) => part.trim());
  // A lone `||` on the outside binds weaker than `&&`: then there is nothing to take apart.
  return whole.some((part) => outside(part).includes("||")) && whole.length > 1 ? [expression.trim()] : whole;
}

/** An expression without what stands in brackets. */
function outside(expression: string): string {
  let text = expression;
  for (let before = ""; before !== text; ) {
    before = text;
    text = text.replace(/\([^()]*\)/g, "");
  }
  return text;
}

/** Whether a condition holds; undefined where it has something that only Kconfig can answer. */
function holds(expression: string, symbols: KernelSymbols): boolean | undefined {
  const tokens = expression.match(/&&|\|\||[()]|"[^"]*"|!=|[!<>=]=?|\w+/g) ?? [];
  if (expression.includes("$(")) return undefined;
  let at = 0;
  const value = (token: string): string =>
    /^".*"$/.test(token) ? token.slice(1, -1) : /^(?:[ymn]|\d+)$/.test(token) ? token : (symbols.get(token) ?? "n");
  const atom = (): boolean => {
    const token = tokens[at++] ?? "";
    if (token === "!") return !atom();
    if (token === "(") {
      const inner = either();
      at++;
      return inner;
    }
    const operator = tokens[at] ?? "";
    if (!/^(?:!=|[<>=]=?)$/.test(operator)) return value(token) !== "n" && value(token) !== "";
    const other = value(tokens[at + 1] ?? "");
    at += 2;
    const [left, right] = [Number(value(token)), Number(other)];
    if (operator === "=") return value(token) === other;
    if (operator === "!=") return value(token) !== other;
    return { "<": left < right, ">": left > right, "<=": left <= right, ">=": left >= right }[operator] ?? false;
  };
  const both = (): boolean => {
    let result = atom();
    while (tokens[at] === "&&") {
      at++;
      result = atom() && result;
    }
    return result;
  };
  function either(): boolean {
    let result = both();
    while (tokens[at] === "||") {
      at++;
      result = both() || result;
    }
    return result;
  }
  return either();
}
