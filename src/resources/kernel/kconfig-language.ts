/** What Kconfig files say of one symbol, as far as it explains why the symbol has not the value that was asked for. */
export interface SymbolFacts {
  /** Conditions that must all hold; of several definitions, those of each. */
  readonly definitions: readonly (readonly string[])[];
  /** What must hold for a configuration to set it, a list for each of its prompts; without one, only what selects it can. */
  readonly prompts: readonly (readonly string[])[];
  readonly selectedBy: readonly string[];
  /** undefined where it is not said. */
  readonly type: SymbolType | undefined;
  /** The least and the most of a number, as they are written: numbers or symbols. */
  readonly range: readonly [least: string, most: string] | undefined;
  /** Of which just one is set; empty outside of a choice. */
  readonly choice: readonly string[];
}

export type SymbolType = "bool" | "tristate" | "string" | "int" | "hex";

interface Draft {
  readonly definitions: string[][];
  readonly prompts: string[][];
  readonly selectedBy: string[];
  type: SymbolType | undefined;
  range: readonly [string, string] | undefined;
  choice: string[];
}

/** What holds for all that stands in a menu, a choice or an `if`. */
interface Level {
  readonly depends: string[];
  /** Of prompts alone. */
  readonly visible: string[];
  /** Symbols of a choice; undefined elsewhere. */
  readonly members: string[] | undefined;
}

/**
 * Reads Kconfig files, from the top one on. `read` gives a file's text, undefined where there is none; variables such as
 * `$(SRCARCH)` stand in `variables`. Only what explains a value is read: symbols, their conditions, and what selects them.
 */
export function readKconfig(
  read: (path: string) => string | undefined,
  variables: Readonly<Record<string, string>>,
): ReadonlyMap<string, SymbolFacts> {
  const found = new Map<string, Draft>();
  const seen = new Set<string>();
  const visit = (path: string, above: readonly Level[]): void => {
    if (seen.has(path)) return;
    seen.add(path);
    readFile(read(path) ?? "", above, found, (name, levels) => visit(fill(name, variables), levels));
  };
  visit("Kconfig", []);
  return found;
}

function readFile(
  text: string,
  above: readonly Level[],
  found: Map<string, Draft>,
  visit: (path: string, levels: readonly Level[]) => void,
): void {
  const levels: Level[] = above.map((level) => ({ ...level, depends: [...level.depends] }));
  let symbol: Draft | undefined;
  let name = "";
  let conditions: string[] | undefined;
  let visible: string[] = [];
  for (const line of linesOf(text)) {
    const [, word = "", rest = ""] = /^(\S+)\s*(.*)$/.exec(line) ?? [];
    if (word === "config" || word === "menuconfig") {
      name = rest;
      symbol = draftOf(name, found);
      conditions = levels.flatMap(({ depends }) => depends);
      visible = levels.flatMap((level) => level.visible);
      symbol.definitions.push(conditions);
      const members = levels.findLast((level) => level.members !== undefined)?.members;
      if (members !== undefined) {
        members.push(name);
        symbol.choice = members;
      }
    } else if (word === "menu" || word === "choice" || word === "if") {
      // A choice and a menu have conditions of their own, which follow; an `if` has said it.
      conditions = word === "if" ? [rest] : [];
      visible = [];
      levels.push({ depends: conditions, visible, members: word === "choice" ? [] : undefined });
      symbol = undefined;
    } else if (/^end(menu|choice|if)$/.test(word)) {
      levels.pop();
      conditions = undefined;
    } else if (word === "comment") conditions = undefined;
    else if (word === "source") visit(rest.replace(/^"|"$/g, ""), levels);
    else if (word === "depends") conditions?.push(rest.replace(/^on\s+/, ""));
    else if (word === "visible" && symbol === undefined) visible.push(rest.replace(/^if\s+/, ""));
    else if (symbol !== undefined) readProperty(symbol, word, rest, { name, visible, found });
  }
}

/** A line of a symbol's own: its type and prompt, its range, what it selects. */
function readProperty(
  symbol: Draft,
  word: string,
  rest: string,
  { name, visible, found }: { readonly name: string; readonly visible: readonly string[]; found: Map<string, Draft> },
): void {
  const [, , type] = /^(def_)?(bool|tristate|string|int|hex)$/.exec(word) ?? [];
  if (type !== undefined) symbol.type = type as SymbolType;
  const prompt = /^(?:bool|tristate|string|int|hex|prompt)$/.test(word)
    ? /^(["']).*?(?<!\\)\1\s*(?:if\s+(.*))?$/.exec(rest)
    : null;
  if (prompt !== null) symbol.prompts.push([...visible, ...(prompt[2] === undefined ? [] : [prompt[2]])]);
  if (word === "select") draftOf(rest.split(/\s/)[0] ?? "", found).selectedBy.push(name);
  if (word !== "range") return;
  const [least = "", most = ""] = rest.split(/\s+/);
  // Of several, which one counts hangs on conditions.
  symbol.range = / if /.test(rest) ? undefined : [least, most];
}

function draftOf(symbol: string, found: Map<string, Draft>): Draft {
  const known = found.get(symbol);
  if (known !== undefined) return known;
  const made: Draft = { definitions: [], prompts: [], selectedBy: [], type: undefined, range: undefined, choice: [] };
  found.set(symbol, made);
  return made;
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
