import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile/compile.ts";
import { compileFiles, type Files, head, inputOf, TARGET_NAME } from "./written.ts";

const policyOf = (files: Files) => compileFiles(files).graph.policy;
const volume = { "a.yaml": `${head("Volume", "a")}  backend: directory\n` };

describe("the policy of a host", () => {
  it("is careful, and as large as the machine, where nothing is written", () => {
    const nothing = {
      ...{ jobs: 2, memory_bytes: 1024, maxDeletions: 3, driftPolicy: "correct" },
      ...{ generations: 3, runs: 50, interval_s: 60 },
    };
    for (const files of [{}, volume, { ...volume, "host.yaml": `${head("Host", "h")}  budget: {}\n` }]) {
      expect(policyOf(files)).toMatchObject(nothing);
    }
  });

  it("is what its document says, wherever that stands", () => {
    const spec = `  budget: {jobs: 7, memory: 2GiB}
  prune: {maxDeletions: 0}
  drift: {policy: report}
  retention: {generations: 1, runs: 9}
  interval: 2h\n`;
    expect(policyOf({ ...volume, "z.yaml": `${head("Host", "h")}${spec}` })).toMatchObject({
      ...{ jobs: 7, memory_bytes: 2 * 1024 ** 3, maxDeletions: 0, driftPolicy: "report" },
      ...{ generations: 1, runs: 9, interval_s: 7200 },
    });
  });
});

it("a target that a matrix names and nobody declares is a problem of the compiler, too", () => {
  const target = `${head("ArchTarget", "t")}  cpu: x\n`;
  const matrix = `${head("Volume", `v-${TARGET_NAME}`)}  backend: directory\n  matrix: {targets: [t]}\n`;
  const input = inputOf({ ...volume, "t.yaml": target, "v.yaml": matrix });
  expect(compile(input).graph.resources.map(({ id }) => id)).toEqual(["volume/a", "volume/v-t"]);
  const { graph, problems } = compile({
    ...input,
    documents: input.documents.filter(({ kind }) => kind !== "ArchTarget"),
  });
  expect(graph.resources.map(({ id }) => id)).toEqual(["volume/a"]);
  expect(problems).toMatchObject([{ file: "desired/v.yaml", line: 7, column: 22 }]);
});
