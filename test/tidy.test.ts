import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { describe, expect, it } from "vitest";

const root = new URL("..", import.meta.url).pathname;
const sources = filesBelow(join(root, "src")).filter((file) => file.endsWith(".ts"));
const text = new Map(sources.map((file) => [file, readFileSync(join(root, file), "utf8")]));

/** Longest a file may be, and the ones that may be longer: each says in its head why. */
const LONGEST_FILE = 220;
const LONG_FILES: Readonly<Record<string, string>> = {
  "src/host/ports.ts": "the six ports, one contract read as one",
  "src/core/resource.ts": "every kind of resource, one list read as one",
  "src/host/real/system-calls.ts": "all system calls in one file, so that the unsafe part can be read at a stretch",
};
const LONGEST_FUNCTION = 70;

function filesBelow(directory: string): readonly string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .sort();
}

/** What a file imports, types left out: `import type` ties nothing at run time. */
function importsOf(file: string, withTypes: boolean): readonly string[] {
  const statements = (text.get(file) ?? "").matchAll(/^(import|export)\s+(type\s)?[^;]*?from\s+"([^"]+)"/gm);
  const bare = (text.get(file) ?? "").matchAll(/(?:import|getBuiltinModule)\("([^"]+)"\)/g);
  const found = [...statements].filter((match) => withTypes || match[2] === undefined).map((match) => match[3] ?? "");
  return [...found, ...[...bare].map((match) => match[1] ?? "")];
}

/** Functions by their first line, with their length; the formatter guarantees the closing indentation. */
function functionsOf(file: string): readonly { readonly name: string; readonly lines: number }[] {
  const lines = (text.get(file) ?? "").split("\n");
  const found: { name: string; lines: number }[] = [];
  lines.forEach((line, index) => {
    const head =
      /^(\s*)(?:export )?(?:default )?(?:async )?(?:function\*? (\w+)|(?:const|let) (\w+) = (?:async )?(?:\(|<|\w+ =>)|(?:override |static |private )*(?:async )?\*?(\w+)\([^)]*\)[^;=]*\{$)/.exec(
        line,
      );
    const name = head?.[2] ?? head?.[3] ?? head?.[4];
    if (head === null || name === undefined || /^(if|for|while|switch|catch|return)$/.test(name)) return;
    const indentation = head[1] ?? "";
    const end = lines.findIndex((other, at) => at > index && other.startsWith(`${indentation}}`));
    const single = !/[{(]$/.test(line);
    if (end > index && !single) found.push({ name, lines: end - index + 1 });
  });
  return found;
}

function isPure(file: string): boolean {
  return /^src\/(core|compile)\//.test(file) || /\/plan\.ts$/.test(file);
}

describe("the core, compile and every plan", () => {
  const pure = sources.filter(isPure);

  it("are there", () => {
    expect(pure.filter((file) => file.endsWith("/plan.ts")).length).toBeGreaterThanOrEqual(8);
  });

  it("import no node module, no package and nothing of the host", () => {
    const guilty = pure.flatMap((file) =>
      importsOf(file, true)
        .filter((name) => name.startsWith("node:") || !name.startsWith(".") || /\/host\/(?!jobs|ports)/.test(name))
        .map((name) => `${file}: ${name}`),
    );
    expect(guilty).toEqual([]);
  });

  it("read no clock, no environment and no randomness", () => {
    const guilty = pure.filter((file) =>
      /\bDate\.now|new Date\(\)|Math\.random|process\.|performance\./.test(text.get(file) ?? ""),
    );
    expect(guilty).toEqual([]);
  });
});

describe("the host boundary", () => {
  const outside = sources.filter((file) => !file.startsWith("src/host/"));

  it("is the only place that touches files, processes, sockets or databases", () => {
    const forbidden =
      /^(node:(fs|fs\/promises|child_process|net|dgram|sqlite|ffi|worker_threads|http|https)|execa|simple-git|chokidar)$/;
    const guilty = outside.flatMap((file) =>
      importsOf(file, false)
        .filter((name) => forbidden.test(name))
        .map((name) => `${file}: ${name}`),
    );
    expect(guilty).toEqual([]);
  });

  it("is the only place that reads a clock", () => {
    const guilty = outside.filter((file) =>
      /\bDate\.now\(|new Date\(\)|performance\.now|Math\.random/.test(text.get(file) ?? ""),
    );
    expect(guilty).toEqual([]);
  });

  it("keeps system calls in one file", () => {
    expect(sources.filter((file) => importsOf(file, false).includes("node:ffi"))).toEqual([
      "src/host/real/system-calls.ts",
    ]);
  });

  it("lets no part but the entry point choose between the real and the fake host", () => {
    const guilty = outside.filter((file) => importsOf(file, false).some((name) => /host\/(real|fake)\//.test(name)));
    expect(guilty).toEqual(["src/cli/run.ts", "src/main.ts"]);
  });
});

it("the top level holds what belongs there and nothing that a tool left behind", () => {
  const folders = ["desired", "node_modules", "src", "state", "systemd", "test"];
  const documents = ["ARCHITECTURE.md", "CHANGELOG.md", "LICENSE", "README.md"];
  const settings = ["package-lock.json", "package.json", "tsconfig.json"];
  const found = readdirSync(root).filter((name) => !name.startsWith("."));
  expect(found.filter((name) => ![...folders, ...documents, ...settings].includes(name))).toEqual([]);
});

describe("sizes", () => {
  it("keeps files short", () => {
    const long = sources
      .map((file) => ({ file, lines: (text.get(file) ?? "").split("\n").length - 1 }))
      .filter(({ file, lines }) => lines > LONGEST_FILE && LONG_FILES[file] === undefined);
    expect(long).toEqual([]);
  });

  it("has a median file of at most 110 lines", () => {
    const lengths = sources.map((file) => (text.get(file) ?? "").split("\n").length - 1).sort((a, b) => a - b);
    expect(lengths[Math.floor(lengths.length / 2)]).toBeLessThanOrEqual(110);
  });

  it("keeps functions under 70 lines, nine of ten under 50", () => {
    const functions = sources.flatMap((file) =>
      functionsOf(file).map((it) => ({ ...it, name: `${file}: ${it.name}` })),
    );
    expect(functions.length).toBeGreaterThan(200);
    expect(functions.filter((it) => it.lines > LONGEST_FUNCTION)).toEqual([]);
    const lengths = functions.map((it) => it.lines).sort((a, b) => a - b);
    expect(lengths[Math.floor(lengths.length * 0.9)]).toBeLessThanOrEqual(50);
  });
});

describe("the source text", () => {
  it("holds no escape from the type checker or the linter", () => {
    const guilty = sources.filter((file) => /@ts-(ignore|nocheck|expect-error)/.test(text.get(file) ?? ""));
    expect(guilty).toEqual([]);
  });

  it("keeps no unfinished business", () => {
    expect(sources.filter((file) => /\b(TODO|FIXME|XXX)\b/.test(text.get(file) ?? ""))).toEqual([]);
  });

  it("throws nothing but the one error class", () => {
    const guilty = sources.filter((file) => /throw new (Type|Range|Syntax)?Error\(/.test(text.get(file) ?? ""));
    expect(guilty).toEqual([]);
  });
});

describe("a resource kind", () => {
  it("has its README, observe, plan and apply", () => {
    const kinds = ["volume", "tree", "overlay", "mount", "link", "environment", "provision", "artifact"];
    const expected = kinds.flatMap((kind) =>
      ["README.md", "apply.ts", "observe.ts", "plan.ts"].map((name) => `src/resources/${kind}/${name}`),
    );
    const present = new Set(filesBelow(join(root, "src/resources")));
    expect(expected.filter((file) => !present.has(file))).toEqual([]);
  });
});
