import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RootloomError } from "../../src/core/error.ts";
import type { Command } from "../../src/host/ports.ts";
import { createProcesses } from "../../src/host/real/processes.ts";

const processes = createProcesses({ mountNamespace: "/proc/self/ns/mnt" });
const shell = (script: string, rest: Partial<Command> = {}) =>
  processes.run({ file: "sh", arguments: ["-c", script], ...rest });

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "rootloom-processes-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

async function refusal(running: Promise<unknown>): Promise<RootloomError> {
  const thrown: unknown = await running.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (thrown instanceof RootloomError) return thrown;
  throw new Error(`no RootloomError was thrown, but ${String(thrown)}`);
}

describe("running a command", () => {
  it("gives back output, error output and input as they were", async () => {
    expect(await shell("cat; echo wrong >&2", { input: "in\n" })).toEqual({
      exitCode: 0,
      stdout: "in\n",
      stderr: "wrong\n",
    });
  });

  it("passes on PATH, HOME and LANG and what it was given, and nothing else", async () => {
    process.env.ROOTLOOM_TEST_SECRET = "secret";
    const { stdout } = await shell("env", { environment: { GIVEN: "1" } });
    delete process.env.ROOTLOOM_TEST_SECRET;
    const names = stdout.split("\n").map((line) => line.split("=")[0]);
    expect(names.filter((name) => name !== "" && name !== "PWD").sort()).toEqual(["GIVEN", "HOME", "LANG", "PATH"]);
  });

  it("runs in the directory that it was given, and says when there is none", async () => {
    expect((await shell("pwd", { directory })).stdout.trim()).toBe(directory);
    const missing = join(directory, "missing");
    expect((await refusal(shell("pwd", { directory: missing }))).message).toBe(
      `cannot run sh: there is no directory ${missing} to run it in`,
    );
  });

  it("tells of a failure with the exit code, the last line, and a line that can be pasted", async () => {
    const error = await refusal(shell("echo 'it is'; echo broken >&2; exit 3"));
    expect(error.message).toMatch(/^cannot run sh: exit 3: /);
    expect(error.details[0]).toBe("sh -c 'echo '\\''it is'\\''; echo broken >&2; exit 3'");
    expect([...error.details.slice(1)].sort()).toEqual(["broken", "it is"]);
  });

  it("takes an accepted exit code as an answer", async () => {
    expect((await shell("exit 3", { accept: [0, 3] })).exitCode).toBe(3);
    expect((await refusal(shell("true", { accept: [3] }))).message).toMatch(/exit 0/);
  });

  it("names a tool that is not installed and says where to look", async () => {
    const error = await refusal(processes.run({ file: "no-such-tool", arguments: [] }));
    expect(error.message).toBe("cannot run no-such-tool: it is not installed");
    expect(error.hint).toContain("rootloom doctor");
  });

  it("finds tools of administrators too", () => {
    expect(processes.find("sh")).toMatch(/\/sh$/);
    expect(processes.find("no-such-tool")).toBeUndefined();
    expect(processes.find("/bin/no-such-tool")).toBeUndefined();
  });

  it("hands over each line as it comes, the last without a newline too", async () => {
    const lines: string[] = [];
    const finished = await shell("printf 'one\\ntwo\\rthree'", { onLine: (line) => lines.push(line) });
    expect(lines).toEqual(["one", "two", "three"]);
    expect(finished.stdout).toBe("");
  });

  it("keeps the end of a long output", async () => {
    const { stdout } = await shell("head -c 20000000 /dev/zero | tr '\\0' a; echo end");
    expect(stdout.length).toBe(4 * 1024 * 1024);
    expect(stdout.endsWith("aend\n")).toBe(true);
  });

  it("ends a command and all that it started when its time is over", async () => {
    const pids = join(directory, "pids");
    const error = await refusal(shell(`sleep 60 & sleep 60 & echo x > ${pids}; wait`, { timeout_ms: 400 }));
    expect(error).toMatchObject({ message: "cannot run sh: not done within 400 ms", retry: "transient" });
    expect(readFileSync(pids, "utf8")).toBe("x\n");
  });

  it("ends a command at once when it is cancelled, and does not start a cancelled one", async () => {
    const started = performance.now();
    const error = await refusal(shell("sleep 60", { signal: AbortSignal.timeout(100) }));
    expect(error).toMatchObject({ message: "cannot run sh: cancelled", retry: "transient" });
    expect(performance.now() - started).toBeLessThan(5_000);
    const mark = join(directory, "mark");
    await refusal(shell(`touch ${mark}`, { signal: AbortSignal.abort() }));
    expect(existsSync(mark)).toBe(false);
  });

  it("ends a command that ignores being asked to", async () => {
    const error = await refusal(shell("trap '' TERM; while :; do sleep 1; done", { timeout_ms: 100 }));
    expect(error.message).toBe("cannot run sh: not done within 100 ms");
  });

  it("names the processes that use a path", async () => {
    const running = shell("sleep 60", { directory, timeout_ms: 1_500 });
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(processes.users(directory).map(({ command }) => command)).toContain("sleep");
    await refusal(running);
    expect(processes.users(directory)).toEqual([]);
  });
});
