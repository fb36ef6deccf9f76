import { execFileSync } from "node:child_process";
import { lstatSync, mkdirSync, readFileSync, renameSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { createGit } from "../../src/host/real/git.ts";
import { commit, fingerprint, git, repository, temporaryFolder, write } from "../source/repository.ts";

const port = createGit();
const at = (folder: string, ref = "HEAD", path = "desired") => ({ repository: folder, ref, path });
const blobsOf = async (folder: string, oids: readonly string[]) => {
  const blobs = new Map<string, Uint8Array>();
  await port.readBlobs(folder, oids, { take: (oid, content) => void blobs.set(oid, content) });
  return blobs;
};
const latin1 = (text: string) => Buffer.from(text, "utf8").toString("latin1");

describe("discovering a repository", () => {
  test("finds the top from a folder far below it, through a symlink too", async () => {
    const folder = repository({ "a/b/desired/host.yaml": "x" });
    const found = { repository: folder, bare: false, top: folder, gitDirectory: join(folder, ".git") };
    expect(await port.discover(join(folder, "a/b/desired"))).toEqual(found);
    symlinkSync(join(folder, "a/b/desired"), join(folder, "link"));
    expect(await port.discover(join(folder, "link"))).toEqual(found);
  });

  test("knows a bare repository, and a folder that is no repository", async () => {
    const folder = temporaryFolder();
    expect(await port.discover(folder)).toBeUndefined();
    git(folder, "init", "--quiet", "--bare", "conf.git");
    const bare = join(folder, "conf.git");
    expect(await port.discover(bare)).toEqual({ repository: bare, bare: true, top: bare, gitDirectory: bare });
  });

  test("takes no word from the environment of this process about which repository it is", async () => {
    const folder = repository({ "desired/host.yaml": "x" });
    process.env.GIT_DIR = "/nowhere";
    onTestFinished(() => {
      delete process.env.GIT_DIR;
    });
    expect(await port.discover(folder)).toMatchObject({ top: folder });
  });

  test("says what git says of a damaged repository, rather than that there is none", async () => {
    const folder = repository({ "desired/host.yaml": "x" });
    writeFileSync(join(folder, ".git/config"), "[core\n");
    await expect(port.discover(folder)).rejects.toThrow(/cannot read the git repository of .*bad config line 1/);
  });
});

describe("resolving a ref", () => {
  test("gives commit, tree of the path, date, subject and author in any language", async () => {
    const folder = repository({ "desired/host.yaml": "x" });
    const revision = commit(folder, { "desired/a": "1" }, "Überlagerung für 日本\n\nbody");
    expect(await port.resolve(at(folder))).toEqual({
      commit: revision,
      treeHash: git(folder, "rev-parse", "HEAD:desired"),
      date_s: Number(git(folder, "log", "-1", "--format=%ct")),
      subject: "Überlagerung für 日本",
      author: "Ada <ada@example.org>",
    });
  });

  test("an annotated tag leads to its commit, the empty path to the whole tree", async () => {
    const folder = repository({ "desired/host.yaml": "x" });
    git(folder, "tag", "--annotate", "--message", "v1", "v1");
    const resolved = await port.resolve(at(folder, "v1", ""));
    expect(resolved).toMatchObject({
      commit: git(folder, "rev-parse", "HEAD"),
      treeHash: git(folder, "rev-parse", "HEAD^{tree}"),
    });
  });

  test("a ref that is not there is undefined; a path that is not there, or is a file, has no tree", async () => {
    const folder = repository({ "desired/host.yaml": "x" });
    expect(await port.resolve(at(folder, "nowhere"))).toBeUndefined();
    expect(await port.resolve(at(folder, "HEAD", "other"))).toMatchObject({ treeHash: undefined });
    expect(await port.resolve(at(folder, "HEAD", "desired/host.yaml"))).toMatchObject({ treeHash: undefined });
  });
});

describe("reading objects", () => {
  test("lists and reads files with odd names and binary contents, byte for byte", async () => {
    const content = Buffer.from([0, 255, 10, 13, 0, 128]);
    const folder = repository({
      "desired/a b\nc": content,
      "desired/é": "",
      "desired/run*": "#!",
      "desired/l@": "a b",
    });
    const badName = Buffer.concat([Buffer.from(`${folder}/desired/`), Buffer.from([0xff, 0x20])]);
    writeFileSync(badName, "bad");
    commit(folder);
    const resolved = await port.resolve(at(folder));
    const entries = await port.listTree(folder, resolved!.treeHash!);
    expect(entries.map(({ mode, path }) => [mode, path])).toEqual([
      ["100644", "a b\nc"],
      ["120000", "l"],
      ["100755", "run"],
      ["100644", latin1("é")],
      ["100644", "\xff "],
    ]);
    const oids = entries.map((entry) => entry.oid);
    const blobs = await blobsOf(folder, oids);
    expect(entries.map((entry) => Buffer.from(blobs.get(entry.oid)!).toString("latin1"))).toEqual([
      content.toString("latin1"),
      "a b",
      "#!",
      "",
      "bad",
    ]);
  });

  test("a content that the repository does not hold is an error with a hint", async () => {
    const folder = repository({ "desired/host.yaml": "x" });
    await expect(blobsOf(folder, ["1".repeat(40)])).rejects.toMatchObject({
      message: expect.stringContaining("the repository does not hold it"),
      hint: expect.stringContaining("fsck"),
    });
  });

  test("replacement objects do not change what a commit says", async () => {
    const folder = repository({ "desired/host.yaml": "true" });
    const oid = git(folder, "rev-parse", "HEAD:desired/host.yaml");
    write(folder, { other: "false" });
    git(folder, "replace", oid, git(folder, "hash-object", "-w", "other"));
    expect(Buffer.from((await blobsOf(folder, [oid])).get(oid)!).toString()).toBe("true");
  });
});

describe("uncommitted paths", () => {
  test("staged, edited, removed and untracked ones below the path, not the ignored ones, nor those elsewhere", async () => {
    const folder = repository({
      "desired/a": "1",
      "desired/b": "1",
      "desired/gone": "1",
      "desired/.gitignore": "*.tmp",
      x: "1",
    });
    write(folder, { "desired/a": "2", "desired/new/é": "1", "desired/b": "2", "desired/c.tmp": "1", x: "2", y: "1" });
    git(folder, "add", "desired/b");
    git(folder, "rm", "--quiet", "desired/gone");
    expect(await port.uncommitted(at(folder))).toEqual(["desired/a", "desired/b", "desired/gone", "desired/new/é"]);
  });

  test("are told against the configured ref, not against what is checked out", async () => {
    const folder = repository({ "desired/a": "1", "desired/b": "1" });
    git(folder, "branch", "production");
    commit(folder, { "desired/a": "2" });
    write(folder, { "desired/new": "1" });
    expect(await port.uncommitted(at(folder, "production"))).toEqual(["desired/a", "desired/new"]);
    expect(await port.uncommitted(at(folder))).toEqual(["desired/new"]);
  });

  test("reading them writes nothing, not even the index, and runs nothing that the repository names", async () => {
    const folder = repository({ "desired/a": "1", "desired/.gitattributes": "" });
    const trace = join(temporaryFolder(), "trace");
    writeFileSync(join(folder, ".git/hooks/post-index-change"), `#!/bin/sh\ntouch ${trace}\n`, { mode: 0o755 });
    git(folder, "config", "core.fsmonitor", `touch ${trace}; false`);
    utimesSync(join(folder, "desired/a"), 1, 1);
    const before = fingerprint(folder);
    expect(await port.uncommitted(at(folder))).toEqual([]);
    await port.resolve(at(folder));
    expect(fingerprint(folder)).toBe(before);
    expect(() => fingerprint(trace)).toThrow("ENOENT");
  });

  test.skipIf(process.geteuid?.() !== 0)(
    "as root, a filter that another user's repository names runs as that user",
    async () => {
      const folder = repository({ "desired/a": "1", "desired/.gitattributes": "a filter=mine" });
      const traces = join(folder, "traces");
      mkdirSync(traces, { mode: 0o777 });
      git(folder, "config", "filter.mine.clean", `id -u > ${traces}/user; cat`);
      execFileSync("chown", ["-R", "65534:65534", folder]);
      write(folder, { "desired/a": "2" });
      expect(await port.uncommitted(at(folder))).toEqual(["desired/a"]);
      expect(lstatSync(`${traces}/user`).uid).toBe(65534);
      expect(readFileSync(`${traces}/user`, "utf8").trim()).toBe("65534");
    },
  );
});

test("files of the work tree are the tracked and the untracked ones, without the ignored ones", async () => {
  const folder = repository({ "desired/a": "1", "desired/.gitignore": "*.tmp", other: "1" });
  write(folder, { "desired/x.tmp": "", "desired/b c": "" });
  expect(await port.worktreeFiles(join(folder, "desired"))).toEqual([".gitignore", "a", "b c"]);
});

describe("fetching into the mirror", () => {
  test("follows the branch forward, and keeps its commit when the remote is gone or rewritten", async () => {
    const remote = repository({ "desired/a": "1" });
    const mirror = join(temporaryFolder(), "deep/mirror.git");
    const tip = async () => (await port.resolve(at(mirror, "refs/heads/main")))?.commit;
    await port.fetch(mirror, remote, "main");
    expect(await tip()).toBe(git(remote, "rev-parse", "HEAD"));
    const second = commit(remote, { "desired/a": "2" });
    await port.fetch(mirror, remote, "main");
    await port.fetch(mirror, remote, "main");
    expect(await tip()).toBe(second);

    git(remote, "reset", "--quiet", "--hard", "HEAD~1");
    commit(remote, { "desired/a": "3" });
    await expect(port.fetch(mirror, remote, "main")).rejects.toMatchObject({
      retry: "terminal",
      message: expect.stringContaining("its history was rewritten"),
      hint: expect.stringContaining(mirror),
    });
    expect(await tip()).toBe(second);

    renameSync(remote, `${remote}-away`);
    await expect(port.fetch(mirror, remote, "main")).rejects.toMatchObject({ retry: "transient" });
    renameSync(`${remote}-away`, remote);
    expect(await tip()).toBe(second);
  });

  test("a lock file that a kill left long ago does not stop it", async () => {
    const remote = repository({ "desired/a": "1" });
    const mirror = join(temporaryFolder(), "mirror.git");
    await port.fetch(mirror, remote, "main");
    const lock = join(mirror, "refs/heads/main.lock");
    writeFileSync(lock, "");
    utimesSync(lock, 1, 1);
    const second = commit(remote, { "desired/a": "2" });
    await port.fetch(mirror, remote, "main");
    expect(await port.resolve(at(mirror, "refs/heads/main"))).toMatchObject({ commit: second });
  });

  test("a password in the address is in no message", async () => {
    const mirror = join(temporaryFolder(), "mirror.git");
    const failure = port.fetch(mirror, "https://ada:secret@localhost:1/conf.git", "main");
    await expect(failure).rejects.toMatchObject({ retry: "transient" });
    await expect(failure).rejects.not.toThrow(/secret/);
  });

  test("an address or a branch that would be read as an option, or as a command to run, is refused", async () => {
    const mirror = join(temporaryFolder(), "mirror.git");
    await expect(port.fetch(mirror, "ext::sh -c touch% /tmp/never", "main")).rejects.toThrow(
      "cannot fetch branch main",
    );
    await expect(port.fetch(mirror, mirror, "--upload-pack=x")).rejects.toThrow("it is not a branch name");
  });
});
