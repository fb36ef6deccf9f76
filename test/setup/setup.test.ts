import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const source = new URL("../../src/", import.meta.url).pathname;
let directory: string;

/** A small project with the real script, and stand-ins that only write down how they were called. */
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "rootloom-setup-"));
  for (const name of ["src", "bin", "test"]) mkdirSync(join(directory, name));
  copyFileSync(join(source, "setup"), join(directory, "src/setup"));
  writeFileSync(
    join(directory, "src/tools.txt"),
    "# a comment\nsh start dash app-shells/dash\nno-such-tool start,zfs some-package some/package\nno-such-other xfs,test other-package\nno-such-third lvm third-package\n/etc/passwd start passwd-package\n/no/such/header.h test header-package\n",
  );
  writeFileSync(join(directory, "package-lock.json"), "{}");
  standIn("src/rootloom", 'echo "rootloom $*" >>"$CALLS"');
  standIn("test/prepare", 'echo "prepare" >>"$CALLS"; [ "$FAILS" != prepare ] || exit 1');
  standIn(
    "bin/npm",
    `echo "npm $*" >>"$CALLS"; mkdir -p node_modules; [ "$3" != "$FAILS" ] || { echo "$3 is red"; exit 1; }`,
  );
  standIn("bin/apt-get", 'echo "apt-get $*" >>"$CALLS"; exit "$APT_EXIT"');
  standIn("bin/id", "echo 0");
  standIn("bin/node", 'if [ "$1" = -p ]; then echo "$NODE_MAJOR"; else echo "v$NODE_MAJOR.0.0"; fi');
});
afterEach(() => rmSync(directory, { recursive: true }));

function standIn(path: string, text: string): void {
  writeFileSync(join(directory, path), `#!/bin/sh\n${text}\n`);
  chmodSync(join(directory, path), 0o755);
}

function setUp(purpose: string, environment: Readonly<Record<string, string>> = {}) {
  const calls = join(directory, "calls");
  rmSync(calls, { force: true });
  const env = {
    PATH: `${join(directory, "bin")}:/usr/bin:/bin`,
    CALLS: calls,
    APT_EXIT: "0",
    NODE_MAJOR: "20",
    FAILS: "nothing",
    ...environment,
  };
  const ran = spawnSync("sh", [join(directory, "src/setup"), purpose], {
    env,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
  const lines = existsSync(calls) ? readFileSync(calls, "utf8").trim().split("\n") : [];
  return { exitCode: ran.status, stdout: ran.stdout, stderr: ran.stderr, calls: lines };
}

describe("setup start", () => {
  it("installs packages and missing tools without a question where there is no terminal, then converges", () => {
    const ran = setUp("start");
    expect(ran.calls).toEqual([
      "npm ci --no-audit --no-fund --loglevel=error",
      "apt-get update -qq",
      "apt-get install -y -qq --no-install-recommends some-package",
      "rootloom apply",
      "rootloom drift",
    ]);
    expect(ran.stdout).toContain("setup: missing: no-such-tool");
    expect(ran.stdout).toContain("apt-get install --no-install-recommends some-package");
    expect(ran.exitCode).toBe(0);
  });

  it("installs the npm packages again only when the lock file is newer", () => {
    setUp("start");
    expect(setUp("start").calls).not.toContainEqual(expect.stringMatching(/^npm ci/));
    const future = new Date(Date.now() + 60_000);
    utimesSync(join(directory, "package-lock.json"), future, future);
    expect(setUp("start").calls[0]).toMatch(/^npm ci/);
  });

  it("without root shows the command, installs nothing, and shows the plan only", () => {
    standIn("bin/id", "echo 1000");
    const ran = setUp("start");
    expect(ran.calls).toEqual(["npm ci --no-audit --no-fund --loglevel=error", "rootloom plan"]);
    expect(ran.stdout).toContain("apt-get install --no-install-recommends some-package");
  });

  it("fails with one line when apt fails, and when Node is too old", () => {
    expect(setUp("start", { APT_EXIT: "100" })).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining("error: cannot set up: apt-get failed"),
    });
    expect(setUp("start", { NODE_MAJOR: "18" })).toMatchObject({
      exitCode: 1,
      calls: [],
      stderr: expect.stringContaining("too old"),
    });
  });

  it("fails when the apply fails", () => {
    standIn("src/rootloom", 'echo "rootloom $*" >>"$CALLS"; exit 1');
    expect(setUp("start")).toMatchObject({ exitCode: 1, calls: expect.not.arrayContaining(["rootloom drift"]) });
  });
});

describe("setup test", () => {
  it("installs the tools of the tests too, then runs types, lint and every project", () => {
    const { calls } = setUp("test");
    expect(calls).toContain("apt-get install -y -qq --no-install-recommends header-package other-package some-package");
    const run = (name: string) => `npm run --silent ${name}`;
    const parts = [run("check"), run("unit"), run("sim -- --seeds 2000 --jobs 2"), "prepare", run("root"), run("long")];
    const tests = calls.slice(-parts.length);
    expect(tests.toSorted()).toEqual(parts.toSorted());
    // The fixtures are made beside the first parts, and stand before what needs them.
    expect(tests[0]).toBe(run("check"));
    expect(tests.slice(-2).toSorted()).toEqual([run("long"), run("root")]);
  });

  it.each(["unit", "sim", "root", "long"])("goes on to the end where %s fails, says so, and fails", (part) => {
    const { exitCode, stdout, calls } = setUp("test", { FAILS: part });
    expect(stdout).toContain(`${part} is red`);
    expect(calls).toEqual(expect.arrayContaining(["npm run --silent root", "npm run --silent long"]));
    expect(exitCode).toBe(1);
  });

  it.each(["check", "prepare"])("ends where %s fails: nothing behind it could tell more", (part) => {
    const { exitCode, calls } = setUp("test", { FAILS: part });
    expect(calls).not.toContain("npm run --silent root");
    expect(exitCode).toBe(1);
  });
});

describe("setup", () => {
  it("without a known purpose says how it is used", () => {
    expect(setUp("everything")).toMatchObject({ exitCode: 2, calls: [], stderr: "usage: src/setup start|test\n" });
  });
});
