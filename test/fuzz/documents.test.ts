import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { globMatcher } from "../../src/compile/glob.ts";
import { nearest } from "../../src/documents/nearest.ts";
import { limitProblems } from "../../src/documents/problems.ts";
import { manyDocuments } from "../documents/many.ts";
import { makeSite, type Site } from "../kit.ts";
import { checkTree } from "./documents.ts";

const head = (kind: string, name: string): string =>
  `apiVersion: rootloom/v1\nkind: ${kind}\nmetadata:\n  name: ${name}\nspec:\n`;
const repeat = (count: number, line: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => line(index)).join("");

/** Each of these took minutes or gigabytes once; `checkTree` bounds the time. */
describe("a tree of documents is read in seconds, and refused in words, though", () => {
  it.each<[string, Record<string, string>, string | RegExp]>([
    [
      "two names of 300,000 letters are alike",
      {
        "a.yaml": `${head("Volume", "a".repeat(300_000))}  backend: directory\n`,
        "b.yaml": `${head("Root", "b")}  volume: ${"b".repeat(300_000)}\n  source: {existing: {}}\n`,
      },
      "cannot use the name",
    ],
    [
      "it has 20,000 unknown fields",
      { "a.yaml": head("Host", "a") + repeat(20_000, (i) => `  k${i}: 1\n`) },
      "no such field",
    ],
    [
      "it has 20,000 bad variables",
      { "a.yaml": `${head("ArchTarget", "a")}  variables:\n${repeat(20_000, (i) => `    "-${i}": a\n`)}` },
      "it is no name",
    ],
    [
      "a kernel configuration has a line of 300,000 spaces",
      {
        "a.yaml": `${head("KernelConfig", "a")}  config: a.kconfig\n`,
        "a.kconfig": `CONFIG_A=${" ".repeat(300_000)}x`,
        "i.yaml": `${head("Image", "i")}  root: r\n  kernel: a\n`,
      },
      "CONFIG_BLK_DEV_INITRD is not set",
    ],
    ["it is a megabyte of brackets", { "a.yaml": "[".repeat(1_000_000) }, "it holds too much"],
    ["it is a megabyte of dashes", { "a.yaml": "- ".repeat(500_000) }, "it holds too much"],
    ["it is 170,000 documents", { "a.yaml": "--- x\n".repeat(170_000) }, "it holds too much"],
    ["it is nested 10,000 deep", { "a.yaml": `${"[".repeat(10_000)}${"]".repeat(10_000)}` }, "cannot read YAML"],
    ["a text is a megabyte", { "a.yaml": `a: "${"x".repeat(1_048_576)}"\n` }, "the file is too large"],
    [
      "its aliases write a list of 5,000 out 95 times",
      {
        "r.yaml": `${head("Root", "r")}  source: {existing: {}}\n  mounts:\n  - {target: /a, type: tmpfs, options: &o [${"rw,".repeat(5_000)}]}\n${repeat(95, (i) => `  - {target: /a${i}, type: tmpfs, options: *o}\n`)}`,
      },
      "it holds too many values",
    ],
    [
      "its aliases are a bomb",
      { "a.yaml": `a0: &a0 [x,x,x]\n${repeat(12, (i) => `a${i + 1}: &a${i + 1} [*a${i},*a${i},*a${i}]\n`)}` },
      "its aliases expand to too much",
    ],
    [
      "a matrix makes 300 of a large one",
      {
        "t.yaml": repeat(300, (i) => `---\n${head("ArchTarget", `t${i}`)}  cpu: x\n`),
        "r.yaml": `${head("Root", `r-$\{target.name}`)}  source: {mmdebstrap: {suite: a, include: [${"a,".repeat(50_000)}]}}\n  matrix: {targets: [${repeat(300, (i) => `t${i},`)}]}\n`,
      },
      "300 targets make too much of it",
    ],
    ["a key stands twice", { "a.yaml": `${head("Host", "a")}  a: 1\n  a: 2\n` }, "stands twice"],
    ["it merges", { "a.yaml": `${head("Host", "a")}  <<: {interval: 5s}\n` }, "`<<`"],
    ["a key is __proto__", { "a.yaml": `${head("Host", "a")}  __proto__: {interval: 5s}\n` }, "`__proto__`"],
    ["a tag makes a set of it", { "a.yaml": "%YAML 1.1\n---\n!!set {apiVersion, kind}\n" }, "cannot use this document"],
  ])("%s", (_, files, why) => {
    const { problems } = checkTree(files);
    expect(problems.map(({ message, hint }) => `${message} ${hint}`).join("\n")).toMatch(why);
  });

  it("2,500 references lead nowhere", () => {
    const volumes = repeat(1_250, (i) => `---\n${head("Volume", `volume-number-${i}`)}  backend: directory\n`);
    const roots = repeat(
      1_250,
      (i) => `---\n${head("Root", `r${i}`)}  volume: volume-nunber-${i}\n  source: {existing: {}}\n`,
    );
    const { problems } = checkTree({ "v.yaml": volumes, "r.yaml": roots });
    expect(problems).toHaveLength(1_250);
    expect(problems[0]?.hint).toBe("did you mean `volume-number-0`?");
  });

  it("1,900 volumes stand in one another", () => {
    const entries = Array.from({ length: 1_900 }, (_, i) => [
      `v${i}.yaml`,
      `${head("Volume", `v${i}`)}  backend: directory\n  path: /a${"/a".repeat(i)}\n`,
    ]);
    expect(checkTree(Object.fromEntries(entries)).problems).toEqual([]);
  });
});

it("the nearest name is still the nearest when only nearer ones are looked for", () => {
  expect(nearest("hardwear/quemu", ["hardware/kvm", "hardware/quemo", "hardware/qemu"])).toBe("hardware/quemo");
  expect(nearest("ab", ["ba", "xy"])).toBe("ba");
  expect(nearest("voluem-1", ["volume-12", "volume-1"])).toBe("volume-1");
  expect(nearest("x".repeat(200), [`${"x".repeat(199)}y`])).toBeUndefined();
});

it("a glob's last part and a literal path are compared as before", () => {
  expect(globMatcher("a/b")("a/b")).toBe(true);
  expect(globMatcher("**/b")("b")).toBe(true);
  expect(globMatcher("**/b")("a/xb")).toBe(false);
  expect(globMatcher("a*/")("ab")).toBe(false);
});

it("of a file with thousands of problems the first thousand are listed, and the rest counted", () => {
  const problems = Array.from({ length: 3_000 }, (_, line) => ({
    file: "a",
    line: line + 1,
    column: 1,
    message: "m",
    hint: "h",
  }));
  const limited = limitProblems([...problems, { file: "b", line: 1, column: 1, message: "m", hint: "h" }]);
  expect(limited).toHaveLength(1_002);
  expect(limited[1_000]?.message).toBe("cannot list all problems of this file: 2000 more follow");
});

describe("validate", () => {
  let site: Site | undefined;
  afterEach(() => site?.remove());

  it("reports all of 200 problems in 5,000 documents, each at its own place", { timeout: 60_000 }, () => {
    site = makeSite(manyDocuments(100));
    const ran = site.run("validate", "--json");
    const { problems } = JSON.parse(ran.stdout) as { problems: readonly { file: string; line: number }[] };
    expect(ran.exitCode).toBe(1);
    expect(new Set(problems.map(({ file, line }) => `${file}:${line}`)).size).toBe(200);
    expect(problems).toHaveLength(200);
  });

  it("takes a file that is no UTF-8 for a problem with its name", () => {
    site = makeSite({ "desired/b.yaml": "" });
    writeFileSync(join(site.directory, "desired/a.yaml"), Buffer.from([0x61, 0x3a, 0x20, 0xff, 0xfe]));
    site.commit({});
    const ran = site.run("validate");
    expect(ran.exitCode).toBe(1);
    expect(ran.stdout).toContain("desired/a.yaml:1:1: not UTF-8 text");
  });
});
