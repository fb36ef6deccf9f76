import type { KernelSymbols } from "../../documents/kconfig.ts";

/** Of Kconfig's three values: n, m, y. */
export type Level = 0 | 1 | 2;

export const LEVELS: Readonly<Record<string, Level>> = { n: 0, m: 1, y: 2 };

/** Whether an expression comes to `level` at least; undefined where it has something that only Kconfig can answer. */
export function holdsAt(expression: string, level: Level, symbols: KernelSymbols): boolean | undefined {
  return expression.includes("$(") ? undefined : levelOf(expression, symbols) >= level;
}

/** The parts of `A && (B || C)`: A, and `(B || C)`. */
export function conjuncts(expression: string): readonly string[] {
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

/** The symbols that an expression names, each once. */
export function symbolsIn(expression: string): readonly string[] {
  const names = expression.replace(/"[^"]*"/g, "").match(/[A-Za-z_]\w*/g) ?? [];
  return [...new Set(names)].filter((name) => !/^[ymn]$/.test(name));
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

/** As Kconfig reckons: `&&` is the lesser, `||` the greater, `!` what is left to y (Documentation/kbuild/kconfig-language.rst). */
function levelOf(expression: string, symbols: KernelSymbols): Level {
  const tokens = expression.match(/&&|\|\||[()]|"[^"]*"|!=|[!<>=]=?|\w+/g) ?? [];
  let at = 0;
  const value = (token: string): string =>
    /^".*"$/.test(token) ? token.slice(1, -1) : /^(?:[ymn]|\d+)$/.test(token) ? token : (symbols.get(token) ?? "n");
  const atom = (): Level => {
    const token = tokens[at++] ?? "";
    if (token === "!") return (2 - atom()) as Level;
    if (token === "(") {
      const inner = either();
      at++;
      return inner;
    }
    const operator = tokens[at] ?? "";
    if (!/^(?:!=|[<>=]=?)$/.test(operator)) return LEVELS[value(token)] ?? (value(token) === "" ? 0 : 2);
    const other = value(tokens[at + 1] ?? "");
    at += 2;
    return compare(value(token), operator, other) ? 2 : 0;
  };
  const chain = (operator: string, part: () => Level, join: (one: Level, other: Level) => number) => (): Level => {
    let result = part();
    while (tokens[at] === operator) {
      at++;
      result = join(result, part()) as Level;
    }
    return result;
  };
  const both = chain("&&", atom, Math.min);
  const either: () => Level = chain("||", both, Math.max);
  return either();
}

function compare(left: string, operator: string, right: string): boolean {
  if (operator === "=") return left === right;
  if (operator === "!=") return left !== right;
  const [one, other] = [Number(left), Number(right)];
  return { "<": one < other, ">": one > other, "<=": one <= other, ">=": one >= other }[operator] ?? false;
}
