import { describe, expect, it } from "vitest";
import { runScript } from "../../../src/host/fake/shell.ts";

/** Runs a script whose commands are only written down; `fail` exits with 1. */
async function run(script: string, values: readonly string[] = [], stop = false) {
  const started: string[][] = [];
  const answer = await runScript(
    script,
    values,
    async (file, rest) => {
      started.push([file, ...rest]);
      return file === "fail" ? { exitCode: 1 } : { stdout: `${rest.join(" ")}\n` };
    },
    stop,
  );
  return { started, ...answer };
}

describe("the fake shell", () => {
  it("runs commands in order and keeps quoted words whole", async () => {
    const { started } = await run(`one 'a b' "c d"\ntwo x\\ y; three 'it'\\''s'`);
    expect(started).toEqual([
      ["one", "a b", "c d"],
      ["two", "x y"],
      ["three", "it's"],
    ]);
  });

  it("goes on after && only on success and after || only on failure", async () => {
    const { started, exitCode } = await run("fail && never || rescue\nfail || say x");
    expect(started.map(([file]) => file)).toEqual(["fail", "rescue", "fail", "say"]);
    expect(exitCode).toBe(0);
  });

  it("leaves through a group with the code that it names, its words on standard error", async () => {
    const { exitCode, stderr, started } = await run("{ one && fail; } || { echo 'no mount' >&2; exit 125; }\nnever");
    expect(exitCode).toBe(125);
    expect(stderr).toBe("no mount\n");
    expect(started.map(([file]) => file)).toEqual(["one", "fail", "echo"]);
  });

  it("stops at the first failure with set -e, but not at a question", async () => {
    const { started, exitCode } = await run("set -e\nfail || two\nfail\nnever");
    expect(started.map(([file]) => file)).toEqual(["fail", "two", "fail"]);
    expect(exitCode).toBe(1);
  });

  it("hands on its parameters and ends with exec", async () => {
    const { started } = await run('first "$1"; shift; exec "$@"\nnever', ["sh", "a b", "c", "d"]);
    expect(started).toEqual([
      ["first", "a b"],
      ["c", "d"],
    ]);
  });

  it("fails loudly at what it does not know", async () => {
    await expect(run("echo $(date)")).rejects.toThrow("cannot emulate this part");
    await expect(run("echo $HOME")).rejects.toThrow("cannot emulate the expansion of $HOME");
  });
});
