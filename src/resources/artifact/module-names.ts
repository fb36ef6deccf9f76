import { toTreePath } from "../../core/entry.ts";
import { RootloomError } from "../../core/error.ts";
import { compileExcludes } from "../../pack/excludes.ts";

/** What depmod says of a release: `kernel/lib/crc7.ko: kernel/lib/other.ko`, a line each. */
export type ModuleDependencies = ReadonlyMap<string, readonly string[]>;

export function parseDependencies(text: string): ModuleDependencies {
  const lines = text.split("\n").filter((line) => line.includes(":"));
  return new Map(
    lines.map((line) => {
      const [path = "", needed = ""] = line.split(":");
      return [path.trim(), needed.split(/\s+/).filter((each) => each !== "")] as const;
    }),
  );
}

/** Names in lines such as `softdep crc32c pre: a b post: c`: what is loaded before and behind a module, where it is there. */
export function parseSoftDependencies(text: string): ModuleDependencies {
  const lines = text.split("\n").filter((line) => line.startsWith("softdep "));
  return new Map(
    lines.map((line) => {
      const [, name = "", ...words] = line.split(/\s+/);
      return [moduleName(name), words.filter((word) => word !== "" && !word.endsWith(":")).map(moduleName)] as const;
    }),
  );
}

/** Name of a module by its path, as `lsmod` shows it. */
export function moduleName(path: string): string {
  return (path.split("/").at(-1) ?? "").replace(/\.ko(\.(gz|xz|zst))?$/, "").replaceAll("-", "_");
}

/**
 * Paths of the modules with these names, and of all that they depend on, sorted.
 * @throws RootloomError that names what this kernel does not have; what is built in needs no module.
 */
export function pickModules(
  image: string,
  release: string,
  only: readonly string[],
  known: {
    readonly dependencies: ModuleDependencies;
    readonly soft: ModuleDependencies;
    readonly builtIn: readonly string[];
  },
): readonly string[] {
  const { dependencies, soft } = known;
  const byName = Map.groupBy(dependencies.keys(), moduleName);
  const builtIn = known.builtIn.map(moduleName);
  const missing: string[] = [];
  const begin = only.flatMap((pattern) => {
    const matches = nameMatcher(pattern);
    const found = [...byName].filter(([name]) => matches(name)).flatMap(([, paths]) => paths);
    if (found.length === 0 && !builtIn.some(matches)) missing.push(pattern);
    return found;
  });
  if (missing.length > 0)
    throw new RootloomError(`cannot pack ${image}: kernel ${release} has no module ${missing.join(", ")}`, {
      hint: "correct `modules.only`, or set the symbol of the module in the kernel's configuration",
    });
  const picked = new Set<string>();
  const next = [...begin];
  for (let path = next.pop(); path !== undefined; path = next.pop()) {
    if (picked.has(path)) continue;
    picked.add(path);
    const beside = (soft.get(moduleName(path)) ?? []).flatMap((name) => byName.get(name) ?? []);
    next.push(...(dependencies.get(path) ?? []), ...beside);
  }
  return [...picked].sort();
}

function nameMatcher(pattern: string): (name: string) => boolean {
  const { covers } = compileExcludes([pattern.replaceAll("-", "_")]);
  return (name) => covers(toTreePath(name));
}
