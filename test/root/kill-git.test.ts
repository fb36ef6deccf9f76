import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { eventually } from "../kit.ts";
import { whyNotMount } from "./private-namespace.ts";

const module = new URL("../../src/host/real/git.ts", import.meta.url).pathname;
let directory: string;
beforeEach(() => {
  expect(whyNotMount()).toBeUndefined();
  directory = mkdtempSync(join(tmpdir(), "rootloom-git-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** A program that says who it is and then only waits. */
function waiting(name: string): { readonly path: string; readonly pidFile: string } {
  const [path, pidFile] = [join(directory, name), join(directory, `${name}.pid`)];
  // Process ids of a process namespace are others outside of it: the arguments tell, too.
  writeFileSync(path, `#!/bin/sh\n: >${pidFile}\nexec tail -f ${pidFile}\n`);
  chmodSync(path, 0o755);
  return { path, pidFile };
}

/** Another process that uses the git port so. */
function start(use: string, environment: Readonly<Record<string, string>> = {}): ChildProcess {
  const source = `import { createGit } from ${JSON.stringify(module)}; ${use}`;
  const words = ["--disable-warning=ExperimentalWarning", "--input-type=module", "-e", source];
  return spawn(process.execPath, words, { stdio: "ignore", env: { ...process.env, ...environment } });
}

/** False also for what has ended and that nobody has asked for yet. */
const runs = (pid: string): boolean => {
  const states = execFileSync("ps", ["-eo", "pid=,stat="], { encoding: "utf8" });
  return new RegExp(`^ *${pid} +[^ZX]`, "m").test(states);
};

const which = (tool: string): string => execFileSync("which", [tool], { encoding: "utf8" }).trim();

const lives = (word: string): boolean => {
  const lines = execFileSync("ps", ["-eo", "args"], { encoding: "utf8" }).split("\n");
  return lines.some((line) => line.includes(word) && !line.includes("import {"));
};

async function killed(parent: ChildProcess, pidFile: string): Promise<void> {
  await eventually("git", 20_000, () => (existsSync(pidFile) && lives(directory) ? true : undefined));
  const gone = new Promise((resolve) => parent.once("exit", resolve));
  parent.kill("SIGKILL");
  await gone;
}

describe("git, when we are killed", () => {
  it("ends in the middle of a fetch, with the transport that it started", async () => {
    const { path, pidFile } = waiting("transport");
    const parent = start(
      `await createGit({ environment: { GIT_SSH_COMMAND: ${JSON.stringify(path)} } })
        .fetch(${JSON.stringify(join(directory, "mirror.git"))}, "ssh://host.invalid/conf.git", "main");`,
    );
    await killed(parent, pidFile);
    await eventually("the end of all of them", 5_000, () => (lives(directory) ? undefined : true));
    expect(readFileSync(join(directory, "mirror.git/HEAD"), "utf8")).toMatch(/^ref: /);
  });

  it("ends where it is kept for the next question, though it is in the middle of nothing", async () => {
    const [program, pidFile] = [join(directory, "git"), join(directory, "git.pid")];
    writeFileSync(program, `#!/bin/sh\necho $$ >${pidFile}\nexec ${which("git")} "$@"\n`, { mode: 0o755 });
    execFileSync("git", ["init", "--quiet", "--bare", directory]);
    const parent = start(
      `await createGit().resolve({ repository: ${JSON.stringify(directory)}, ref: "HEAD", path: "" });
       (await import("node:fs")).writeFileSync(${JSON.stringify(join(directory, "answered"))}, "");
       setInterval(() => undefined, 1_000_000);`,
      { PATH: `${directory}:${process.env.PATH}` },
    );
    await eventually("the answer", 20_000, () => (existsSync(join(directory, "answered")) ? true : undefined));
    const pid = readFileSync(pidFile, "utf8").trim();
    expect(runs(pid)).toBe(true);
    parent.kill("SIGKILL");
    await eventually("the end of it", 5_000, () => (runs(pid) ? undefined : true));
  });

  it("ends in the middle of a read", async () => {
    const { pidFile } = waiting("git");
    const parent = start(`await createGit().listTree(${JSON.stringify(directory)}, "HEAD");`, {
      PATH: `${directory}:${process.env.PATH}`,
    });
    await killed(parent, pidFile);
    await eventually("the end of it", 5_000, () => (lives(directory) ? undefined : true));
  });
});
