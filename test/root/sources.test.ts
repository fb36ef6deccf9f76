import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { eventually, fingerprint, project, type Ran } from "../kit.ts";
import { commit, git, write } from "../source/repository.ts";
import { NOBODY } from "./person.ts";
import { document, tarballRoot } from "./small-site.ts";

/** An image that holds one file of git's, on a tarball that is only packed: a pass takes well under a second. */
const desired = (mark: string, below = "desired") => ({
  [`${below}/host.yaml`]: document("Host", "host", {}),
  [`${below}/roots/small.yaml`]: JSON.stringify({ ...JSON.parse(tarballRoot()), spec: packedOnly }),
  [`${below}/images/a.yaml`]: document("Image", "a", { root: "small", compression: { codec: "none" } }),
  [`${below}/overlays/common/etc/mark`]: `mark=${mark}\n`,
  [`${below}/overlays/common/init*`]: "#!/bin/busybox sh\n",
});
const packedOnly = { source: JSON.parse(tarballRoot()).spec.source };

let directory: string;
let children: ChildProcess[] = [];
let log = "";

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "rootloom-sources-"));
  log = "";
});
afterEach(async () => {
  for (const child of children) {
    const ended = new Promise((resolve) => child.once("exit", resolve));
    if (child.exitCode === null && child.signalCode === null && child.kill("SIGTERM")) await ended;
  }
  children = [];
  rmSync(directory, { recursive: true });
});

const at = (...names: readonly string[]): string => join(directory, ...names);
const environment = () => ({
  PATH: process.env.PATH ?? "",
  HOME: directory,
  NO_COLOR: "1",
  ROOTLOOM_STATE: at("state"),
  ROOTLOOM_CACHE: at("cache"),
  ROOTLOOM_MOUNT_NAMESPACE: "/proc/self/ns/mnt",
});

function run(...words: readonly string[]): Ran {
  const ran = spawnSync(join(project, "src/rootloom"), words, { cwd: directory, env: environment(), encoding: "utf8" });
  return { exitCode: ran.status ?? -1, stdout: ran.stdout, stderr: ran.stderr };
}

function startDaemon(...words: readonly string[]): ChildProcess {
  const child = spawn(join(project, "src/rootloom"), [...words, "daemon"], {
    cwd: directory,
    env: environment(),
    stdio: ["ignore", "pipe", "pipe"],
  });
  child.stderr.on("data", (part: Buffer) => {
    log += part.toString();
  });
  children.push(child);
  return child;
}

/** What stands in the image: the mark that a commit put there. */
function packedMark(): string | undefined {
  const image = at("state/artifacts/a/current/initramfs.cpio");
  if (!existsSync(image)) return undefined;
  return /mark=(\w+)\n/.exec(readFileSync(image, "latin1"))?.[1];
}
const marked = (mark: string) =>
  eventually(`the image of ${mark}`, 30_000, () => (packedMark() === mark ? true : undefined)).catch((thrown) => {
    throw new Error(`${thrown}; the daemon said: ${log.slice(-1500)}`);
  });

function converge(...words: readonly string[]): void {
  const ran = run(...words, "apply");
  expect(ran.exitCode, ran.stdout + ran.stderr).toBe(0);
}

function makeRepository(name: string, mark = "one", below = "desired"): string {
  const folder = at(name);
  mkdirSync(folder, { recursive: true });
  git(folder, "init", "--quiet");
  commit(folder, desired(mark, below), "first");
  return folder;
}
const edit = (folder: string, mark: string, below = "desired") =>
  commit(folder, { [`${below}/overlays/common/etc/mark`]: `mark=${mark}\n` }, mark);

interface Condition {
  readonly object: string;
  readonly type: string;
  readonly status: string;
  readonly message: string;
}
const sourceVerified = (): Condition | undefined => {
  const ran = run("status", "--json");
  return (JSON.parse(ran.stdout).conditions as Condition[]).find(({ type }) => type === "SourceVerified");
};

describe("a bare repository that people push to", () => {
  it("is applied by ref and path; a push wakes the daemon by itself", async () => {
    const bare = at("host.git");
    execFileSync("git", ["init", "--quiet", "--bare", bare]);
    const folder = makeRepository("checkout", "one", "hosts/builder");
    git(folder, "push", "--quiet", bare, "main:production");
    const flags = ["--repository", bare, "--ref", "production", "--path", "hosts/builder"];
    converge(...flags);
    expect(packedMark()).toBe("one");
    expect(run(...flags, "apply").stdout).toMatch(/nothing to do/);

    startDaemon(...flags);
    await eventually("the daemon", 30_000, () => (existsSync(at("state/control.sock")) ? true : undefined));
    edit(folder, "two", "hosts/builder");
    git(folder, "push", "--quiet", bare, "main:production");
    await marked("two");
    git(bare, "pack-refs", "--all");
    edit(folder, "three", "hosts/builder");
    git(folder, "push", "--quiet", bare, "main:production");
    await marked("three");
  });

  it("without the ref or the folder says so, plans nothing and touches nothing", () => {
    const bare = at("host.git");
    execFileSync("git", ["init", "--quiet", "--bare", bare]);
    const empty = run("--repository", bare, "plan");
    expect([empty.exitCode, empty.stderr]).toEqual([1, expect.stringContaining("has no commit")]);
    git(makeRepository("checkout"), "push", "--quiet", bare, "main");
    const noRef = run("--repository", bare, "--ref", "prod", "plan");
    expect([noRef.exitCode, noRef.stderr]).toEqual([1, expect.stringContaining("there is no such commit")]);
    const noFolder = run("--repository", bare, "--ref", "main", "--path", "wrong", "plan");
    expect([noFolder.exitCode, noFolder.stderr]).toEqual([1, expect.stringContaining("no such folder")]);
    expect(existsSync(at("state"))).toBe(false);
  });
});

describe("a remote", () => {
  const remoteFlags = (url: string) => ["--remote", url, "--branch", "main", "--interval", "1s"];

  it("is followed forward by the daemon; away, its last commit stays in force and SourceVerified is False", async () => {
    const remote = makeRepository("remote");
    startDaemon(...remoteFlags(`file://${remote}`));
    await marked("one");
    edit(remote, "two");
    await marked("two");
    expect(sourceVerified()).toMatchObject({ status: "True" });

    renameSync(remote, `${remote}-away`);
    const away = await eventually("the fetch to fail", 30_000, () => {
      const found = sourceVerified();
      return found?.status === "False" ? found : undefined;
    });
    expect(away.message).toMatch(/cannot fetch branch main of .*commit [0-9a-f]{12} stays in force/);
    expect(packedMark()).toBe("two");
    renameSync(`${remote}-away`, remote);
    edit(remote, "three");
    await marked("three");
    await eventually("the source to be well", 30_000, () => (sourceVerified()?.status === "True" ? true : undefined));
    expect(run("status").exitCode).toBe(0);
  });

  it("whose history was rewritten is not followed until it contains the last commit again", () => {
    const remote = makeRepository("remote");
    const flags = remoteFlags(remote);
    edit(remote, "two");
    converge(...flags);
    const good = git(remote, "rev-parse", "HEAD");
    git(remote, "reset", "--quiet", "--hard", "HEAD~1");
    edit(remote, "evil");
    const ran = run(...flags, "apply");
    expect(ran.stdout).toMatch(/history was rewritten .* stays in force/s);
    expect(packedMark()).toBe("two");
    expect(sourceVerified()).toMatchObject({ status: "False" });
    git(remote, "reset", "--quiet", "--hard", good);
    edit(remote, "three");
    converge(...flags);
    expect(packedMark()).toBe("three");
    expect(sourceVerified()).toMatchObject({ status: "True" });
  });

  it("that was never reached is an error; nothing is planned and nothing is made", () => {
    const ran = run("--remote", `file://${at("nowhere")}`, "apply");
    expect([ran.exitCode, ran.stderr]).toEqual([1, expect.stringContaining("cannot fetch branch main")]);
    expect(existsSync(at("state/artifacts"))).toBe(false);
  });
});

describe("a checkout", () => {
  it("with a detached HEAD is applied at that commit, and followed when it moves", async () => {
    const folder = makeRepository("checkout");
    const first = git(folder, "rev-parse", "HEAD");
    edit(folder, "two");
    git(folder, "checkout", "--quiet", "--detach", first);
    const flags = ["--desired", join(folder, "desired")];
    startDaemon(...flags);
    await marked("one");
    git(folder, "checkout", "--quiet", "main");
    await marked("two");
  });

  it("that is shallow is applied like a full one", () => {
    const folder = makeRepository("checkout");
    edit(folder, "two");
    execFileSync("git", ["clone", "--quiet", "--depth", "1", `file://${folder}`, at("shallow")]);
    converge("--desired", at("shallow/desired"));
    expect(packedMark()).toBe("two");
  });

  it("may have its top above desired/; what is committed elsewhere in it changes nothing", () => {
    const folder = makeRepository("checkout", "one", "infrastructure/builder/desired");
    const flags = ["--desired", join(folder, "infrastructure/builder/desired")];
    converge(...flags);
    commit(folder, { "README.md": "hello\n" });
    const again = run(...flags, "apply");
    expect([again.exitCode, again.stdout]).toEqual([0, expect.stringMatching(/nothing to do/)]);
  });

  it("may be a linked worktree, whose commits wake the daemon", async () => {
    const folder = makeRepository("checkout");
    const linked = at("linked");
    git(folder, "worktree", "add", "--quiet", "-b", "production", linked);
    startDaemon("--desired", join(linked, "desired"));
    await marked("one");
    edit(linked, "two");
    await marked("two");
    edit(folder, "elsewhere");
    expect(run("--desired", join(linked, "desired"), "plan").exitCode).toBe(0);
  });

  it("shows with plan --worktree what its uncommitted files would do, and applies none of them", () => {
    const folder = makeRepository("checkout");
    const flags = ["--desired", join(folder, "desired")];
    converge(...flags);
    write(folder, {
      "desired/overlays/common/etc/mark": "mark=two\n",
      "desired/images/b.yaml": document("Image", "b", { root: "small" }),
    });
    const before = fingerprint(at("state"));
    const plan = run(...flags, "plan");
    expect([plan.exitCode, plan.stdout]).toEqual([0, expect.stringContaining("desired/images/b.yaml")]);
    const trial = JSON.parse(run(...flags, "plan", "--worktree", "--json").stdout);
    expect(trial.revision).toBe("");
    const changed = trial.steps.filter((step: { action: string }) => step.action !== "keep");
    expect(changed.map((step: { action: string; id: string }) => `${step.action} ${step.id}`)).toEqual([
      "update artifact/a",
      "create artifact/b",
    ]);
    expect(fingerprint(at("state"))).toBe(before);
    expect(run(...flags, "apply").stdout).toMatch(/nothing to do/);
    expect(packedMark()).toBe("one");
  });

  it.skipIf(process.geteuid?.() !== 0)(
    "of another user is read by root, runs nothing of it, and stays that user's",
    () => {
      const folder = makeRepository("checkout");
      const trace = at("trace");
      git(folder, "config", "core.fsmonitor", `touch ${trace}; false`);
      write(folder, { ".git/hooks/post-checkout*": `#!/bin/sh\ntouch ${trace}\n` });
      execFileSync("chown", ["--recursive", `${NOBODY}:${NOBODY}`, folder]);
      const before = fingerprint(folder);
      converge("--desired", join(folder, "desired"));
      expect(packedMark()).toBe("one");
      expect(run("--desired", join(folder, "desired"), "plan").exitCode).toBe(0);
      expect(fingerprint(folder)).toBe(before);
      expect(existsSync(trace)).toBe(false);
    },
  );
});
