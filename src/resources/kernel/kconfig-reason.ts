import type { KernelSymbols } from "../../documents/kconfig.ts";
import { conjuncts, holdsAt, LEVELS, type Level, symbolsIn } from "./kconfig-expression.ts";
import type { SymbolFacts } from "./kconfig-language.ts";

/** Symbols that a reason names. */
const NAMED_MAX = 5;

/**
 * Why a symbol has not the wanted value, for people: `it depends on EFI, which is n`. Empty where nothing explains it.
 * @param symbols the configuration that Kconfig answered with.
 */
export function whyNot(symbol: string, wanted: string, facts: SymbolFacts | undefined, symbols: KernelSymbols): string {
  if (facts === undefined || facts.definitions.length === 0) return "this kernel has no such symbol";
  const stopped = wanted === "n" ? "" : whyStopped(wanted, facts, symbols);
  if (stopped !== "") return stopped;
  const { prompts, selectedBy, range, type } = facts;
  const selecting = selectedBy.filter((name) => valueIn(name, symbols) !== "n");
  if (selecting.length > 0 && (LEVELS[valueIn(symbol, symbols)] ?? 0) > (LEVELS[wanted] ?? 0))
    return `it is selected by ${selecting.slice(0, NAMED_MAX).join(", ")}`;
  const shown = fewest(prompts, 1, symbols);
  if (shown !== undefined && shown.length > 0) return `it can only be set if ${listed(shown, ", and if ", symbols)}`;
  if (range !== undefined && (type === "int" || type === "hex")) return whyOutside(wanted, range, symbols);
  if (shown !== undefined) return "";
  const by = selectedBy.slice(0, NAMED_MAX).join(", ");
  return by === "" ? "no configuration can set it" : `only what selects it can set it: ${by}`;
}

/** What keeps a symbol below the value that was asked for. */
function whyStopped(wanted: string, { definitions, choice, type }: SymbolFacts, symbols: KernelSymbols): string {
  // What is compiled in needs what is compiled in; a bool is content with a module.
  const level: Level = type === "tristate" && wanted === "y" ? 2 : 1;
  const missing = fewest(definitions, level, symbols) ?? [];
  if (missing.length > 0) return `it depends on ${listed(missing, ", and on ", symbols)}`;
  if (wanted === "m" && type === "bool") return "it is no module: y and n are its values";
  if (wanted === "m" && type === "tristate" && valueIn("MODULES", symbols) !== "y")
    return `it depends on ${told("MODULES", symbols)}`;
  const taken = choice.filter((name) => valueIn(name, symbols) === "y");
  return taken.length === 0 ? "" : `one of a choice is set, and that is ${taken.join(", ")}`;
}

function whyOutside(wanted: string, range: readonly [string, string], symbols: KernelSymbols): string {
  const [least, most] = range.map((bound) => Number(/^\w*[A-Z_]\w*$/.test(bound) ? symbols.get(bound) : bound));
  if (least === undefined || most === undefined || Number.isNaN(least) || Number.isNaN(most)) return "";
  const number = Number(wanted);
  return number >= least && number <= most ? "" : `it is to be from ${least} to ${most}`;
}

/** Of several lists of conditions, what misses of the one that misses least; undefined where there is none. */
function fewest(
  lists: readonly (readonly string[])[],
  level: Level,
  symbols: KernelSymbols,
): readonly string[] | undefined {
  const missing = lists.map((conditions) => [
    ...new Set(conditions.flatMap(conjuncts).filter((part) => holdsAt(part, level, symbols) === false)),
  ]);
  return missing.toSorted((one, other) => one.length - other.length)[0];
}

function listed(parts: readonly string[], between: string, symbols: KernelSymbols): string {
  return parts.map((part) => told(part, symbols)).join(between);
}

/** `EFI, which is n`; an expression with all its symbols. */
function told(part: string, symbols: KernelSymbols): string {
  if (part === "m") return "m, so that it can only be a module";
  if (/^\w+$/.test(part)) return `${part}, which is ${valueIn(part, symbols)}`;
  const names = symbolsIn(part).map((name) => `${name} is ${valueIn(name, symbols)}`);
  return `${part} (${names.join(", ")})`;
}

function valueIn(symbol: string, symbols: KernelSymbols): string {
  return symbols.get(symbol) ?? "n";
}
