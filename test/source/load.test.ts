import { execFileSync } from "node:child_process";
import { renameSync, statSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { contentOf, HOST, load, paths } from "./host.ts";
import { commit, fingerprint, git, makeTree, repository, temporaryFolder, write } from "./repository.ts";

describe("a checkout", () => {
  test("gives the commit, its tree, its files with their contents, and the texts of its documents", async () => {
    const folder = repository({
      "desired/host.yaml": HOST,
      "desired/kernels/tiny.kconfig": "CONFIG_TTY=y\n",
      "desired/overlays/common/init*": "#!/bin/sh\n",
      "desired/overlays/common/etc/app.yaml": "\xff not a document",
      "desired/overlays/common/overlay.yaml": "kind: Overlay\n",
      "desired/overlays/hardware/box/overlay.yaml": "kind: Overlay\n",
      "desired/overlays/common/link@": "../init",
      "elsewhere.yaml": "no",
    });
    const snapshot = await load(folder);
    expect(snapshot).toMatchObject({
      revision: git(folder, "rev-parse", "HEAD"),
      treeHash: git(folder, "rev-parse", "HEAD:desired"),
      subject: "first",
      author: "Ada <ada@example.org>",
      prefix: "desired",
      uncommitted: [],
      problems: [],
      notes: [],
    });
    expect(paths(snapshot)).toEqual([
      "host.yaml",
      "kernels/tiny.kconfig",
      "overlays/common/etc/app.yaml",
      "overlays/common/init",
      "overlays/common/link",
      "overlays/common/overlay.yaml",
      "overlays/hardware/box/overlay.yaml",
    ]);
    expect([...snapshot.texts]).toEqual([
      ["host.yaml", HOST],
      ["kernels/tiny.kconfig", "CONFIG_TTY=y\n"],
      ["overlays/common/overlay.yaml", "kind: Overlay\n"],
      ["overlays/hardware/box/overlay.yaml", "kind: Overlay\n"],
    ]);
    const [init, link] = [snapshot.files[3]!, snapshot.files[4]!];
    expect(init).toMatchObject({ type: "file", executable: true, size: 10 });
    expect(init.sha256).toBe(execFileSync("sha256sum", [init.content]).toString().slice(0, 64));
    expect(statSync(init.content).mode & 0o7777).toBe(0o600);
    expect(link).toMatchObject({ type: "symlink", target: "../init", sha256: "", content: "", size: 7 });
  });

  test("edits are told as uncommitted and change nothing, until they are committed", async () => {
    const folder = repository({ "desired/host.yaml": HOST });
    const first = await load(folder);
    write(folder, { "desired/host.yaml": "edited", "desired/new.yaml": "" });
    const edited = await load(folder);
    expect(edited).toEqual({ ...first, uncommitted: ["desired/host.yaml", "desired/new.yaml"], files: edited.files });
    commit(folder);
    const committed = await load(folder);
    expect(committed.texts.get("host.yaml")).toBe("edited");
    expect(committed.uncommitted).toEqual([]);
    expect(committed.treeHash).not.toBe(first.treeHash);
  });

  test("a commit elsewhere is a new revision with the same tree", async () => {
    const folder = repository({ "desired/host.yaml": HOST });
    const first = await load(folder);
    const revision = commit(folder, { "README.md": "x" });
    expect(await load(folder)).toMatchObject({ revision, treeHash: first.treeHash });
  });

  test("lies below the top of its repository, is reached by a symlink, or is the whole repository", async () => {
    const folder = repository({ "hosts/alpha/desired/host.yaml": HOST });
    expect(await load(join(folder, "hosts/alpha"))).toMatchObject({ prefix: "hosts/alpha/desired" });
    const link = join(temporaryFolder(), "desired");
    symlinkSync(join(folder, "hosts/alpha/desired"), link);
    expect(await load(folder, { desired: link })).toMatchObject({ prefix: "hosts/alpha/desired" });
    const whole = await load(folder, { desired: folder });
    expect(whole.prefix).toBe("");
    expect(paths(whole)).toEqual(["hosts/alpha/desired/host.yaml"]);
  });

  test("a folder that was removed from the disk is still read from the commit, and told", async () => {
    const folder = repository({ "desired/host.yaml": HOST, x: "" });
    renameSync(join(folder, "desired"), join(temporaryFolder(), "away"));
    expect(await load(folder)).toMatchObject({ prefix: "desired", uncommitted: ["desired/host.yaml"] });
  });

  test("a detached HEAD, a shallow clone, a linked work tree and a ref are each read", async () => {
    const folder = repository({ "desired/host.yaml": "1" });
    const first = git(folder, "rev-parse", "HEAD");
    const second = commit(folder, { "desired/host.yaml": "2" });
    const shallow = temporaryFolder();
    git(shallow, "clone", "--quiet", "--depth", "1", `file://${folder}`, ".");
    expect(await load(shallow)).toMatchObject({ revision: second });
    const linked = join(temporaryFolder(), "linked");
    git(folder, "worktree", "add", "--quiet", "--detach", linked, first);
    expect(await load(linked)).toMatchObject({ revision: first, uncommitted: [] });
    git(folder, "checkout", "--quiet", "--detach", first);
    expect(await load(folder)).toMatchObject({ revision: first });
    expect(await load(folder, { ref: "main" })).toMatchObject({ revision: second, uncommitted: ["desired/host.yaml"] });
  });

  test("names with spaces, line breaks, other scripts and bytes that are not UTF-8 survive", async () => {
    const folder = repository({
      "desired/host.yaml": HOST,
      "desired/overlays/common/a b\nc": "1",
      "desired/日本@": "tárget",
    });
    const odd = Buffer.concat([Buffer.from(`${folder}/desired/overlays/common/`), Buffer.from([0xff, 0xfe])]);
    writeFileSync(odd, "odd");
    commit(folder);
    const snapshot = await load(folder);
    const japanese = Buffer.from("日本").toString("latin1");
    expect(paths(snapshot)).toEqual(["host.yaml", "overlays/common/a b\nc", "overlays/common/\xff\xfe", japanese]);
    expect(contentOf(snapshot, "overlays/common/\xff\xfe")).toBe("odd");
    expect(snapshot.files[3]!.target).toBe(Buffer.from("tárget").toString("latin1"));
    expect(paths(await load(folder, { worktree: true }))).toEqual(paths(snapshot));
  });

  test("loading leaves every byte of the repository as it was, the index too", async () => {
    const folder = repository({ "desired/host.yaml": HOST });
    utimesSync(join(folder, "desired/host.yaml"), 1, 1);
    write(folder, { "desired/new.yaml": "" });
    const before = fingerprint(folder);
    await load(folder);
    await load(folder, { worktree: true });
    expect(fingerprint(folder)).toBe(before);
  });
});

describe("problems in a commit are told with file and hint, all at once", () => {
  test("submodules, Git LFS pointers and documents that are not UTF-8", async () => {
    const other = repository({ x: "" });
    const folder = repository({
      "desired/overlays/common/firmware": "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
      "desired/bad.yaml": Buffer.from([0x61, 0xff]),
    });
    git(
      folder,
      "-c",
      "protocol.file.allow=always",
      "submodule",
      "--quiet",
      "add",
      other,
      "desired/overlays/common/sub",
    );
    commit(folder);
    const cache = join(temporaryFolder(), "cache");
    const { problems, texts } = await load(folder, { cache });
    expect(problems.map(({ file, message }) => `${file}: ${message}`)).toEqual([
      "desired/overlays/common/sub: a submodule: its files are in another repository",
      "desired/bad.yaml: not UTF-8 text",
      "desired/overlays/common/firmware: a Git LFS pointer: the content is not in this repository",
    ]);
    expect(problems.every((problem) => problem.hint !== "")).toBe(true);
    expect(texts.size).toBe(0);
    expect((await load(folder, { cache })).problems).toEqual(problems);
  });

  test("documents that are too large alone or together, or Git LFS pointers: none of them is read", async () => {
    const large = (name: string) => `# ${name}\n`.padEnd(4 * 1024 * 1024, "#");
    const names = Array.from({ length: 17 }, (_, index) => `desired/volumes/${String(index).padStart(2, "0")}.yaml`);
    const folder = repository({
      ...Object.fromEntries(names.map((name) => [name, large(name)])),
      "desired/a.yaml": `${large("a")}#`,
      "desired/b.yaml": "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    });
    const committed = await load(folder);
    expect(committed.problems.map(({ file, message }) => `${file}: ${message}`)).toEqual([
      "desired/a.yaml: larger than 4 MiB, which no document is",
      "desired/b.yaml: a Git LFS pointer: the content is not in this repository",
      "desired/volumes/15.yaml: beyond 64 MiB of documents in all",
      "desired/volumes/16.yaml: beyond 64 MiB of documents in all",
    ]);
    expect(committed.texts.size).toBe(15);
    expect((await load(folder, { worktree: true })).problems).toEqual(committed.problems);
  });
});

test("names that only a crafted tree object can hold are a problem, and no file", async () => {
  const folder = repository({ "desired/host.yaml": HOST });
  const blob = git(folder, "rev-parse", "HEAD:desired/host.yaml");
  const tree = (entries: string) => makeTree(folder, entries);
  const up = tree(`100644 blob ${blob}\tpasswd\n`);
  const desired = tree(`100644 blob ${blob}\thost.yaml\n040000 tree ${up}\t..\n`);
  const crafted = git(folder, "commit-tree", "-m", "crafted", tree(`040000 tree ${desired}\tdesired\n`));
  git(folder, "update-ref", "refs/heads/crafted", crafted);
  const snapshot = await load(folder, { ref: "crafted" });
  expect(paths(snapshot)).toEqual(["host.yaml"]);
  expect(snapshot.problems).toMatchObject([{ file: "desired/../passwd", message: expect.stringContaining("a name") }]);
});

describe("where there is nothing to load, the error says what and what to do", () => {
  test("no folder", async () => {
    await expect(load(temporaryFolder())).rejects.toMatchObject({
      message: expect.stringMatching(/cannot load .*\/desired: there is no such folder/),
      hint: expect.stringContaining("rootloom init"),
    });
  });

  test("no repository", async () => {
    const folder = temporaryFolder();
    write(folder, { "desired/host.yaml": HOST });
    await expect(load(folder)).rejects.toMatchObject({
      message: expect.stringMatching(/cannot load .*\/desired: it is not in a git repository/),
      hint: expect.stringContaining("git init"),
    });
  });

  test("no commit yet, in a checkout and in a bare repository", async () => {
    const folder = temporaryFolder();
    git(folder, "init", "--quiet");
    git(folder, "init", "--quiet", "--bare", "conf.git");
    write(folder, { "desired/host.yaml": HOST });
    const message = expect.stringContaining("its repository has no commit at HEAD yet");
    await expect(load(folder)).rejects.toMatchObject({ message, hint: expect.stringContaining("commit") });
    const bare = join(folder, "conf.git");
    await expect(load(folder, { repository: bare })).rejects.toMatchObject({
      message,
      hint: expect.stringContaining("push"),
    });
  });

  test("no such ref", async () => {
    const folder = repository({ "desired/host.yaml": HOST });
    await expect(load(folder, { ref: "production" })).rejects.toMatchObject({
      message: expect.stringContaining("cannot load production of"),
      hint: expect.stringContaining("--ref"),
    });
  });

  test("no such folder at the ref, though it lies on the disk", async () => {
    const folder = repository({ x: "" });
    write(folder, { "desired/host.yaml": HOST });
    await expect(load(folder)).rejects.toMatchObject({
      message: expect.stringContaining("that commit has no such folder"),
      hint: expect.stringContaining(`git -C ${folder} add desired`),
    });
  });

  test("a bare repository given as a folder", async () => {
    const folder = temporaryFolder();
    git(folder, "init", "--quiet", "--bare");
    await expect(load(folder)).rejects.toMatchObject({ hint: `use --repository ${folder} --path desired` });
  });
});

describe("a bare repository that people push to", () => {
  test("gives what was pushed, at the path inside it", async () => {
    const bare = join(temporaryFolder(), "conf.git");
    git(temporaryFolder(), "init", "--quiet", "--bare", bare);
    const folder = repository({ "etc/desired/host.yaml": HOST });
    git(folder, "push", "--quiet", bare, "main");
    const before = fingerprint(bare);
    const snapshot = await load(folder, { repository: bare, path: "/etc/desired/" });
    expect(snapshot).toMatchObject({
      revision: git(folder, "rev-parse", "HEAD"),
      prefix: "etc/desired",
      uncommitted: [],
    });
    expect(snapshot.texts.get("host.yaml")).toBe(HOST);
    expect(fingerprint(bare)).toBe(before);
  });
});

describe("a remote", () => {
  const remoteOptions = (url: string) => {
    const mirror = join(temporaryFolder(), "mirror.git");
    return { remote: { url, branch: "main", mirror }, cache: join(temporaryFolder(), "cache") };
  };

  test("is followed forward; when it is away or rewritten its last commit stays, with a note", async () => {
    const remote = repository({ "desired/host.yaml": "1" });
    const settings = remoteOptions(remote);
    await load(remote, settings);
    const second = commit(remote, { "desired/host.yaml": "2" });
    const forward = await load(remote, settings);
    expect(forward).toMatchObject({ revision: second, notes: [], prefix: "desired", uncommitted: [] });

    git(remote, "reset", "--quiet", "--hard", "HEAD~1");
    commit(remote, { "desired/host.yaml": "3" });
    const rewritten = await load(remote, settings);
    expect(rewritten).toMatchObject({ revision: second });
    expect(rewritten.notes).toEqual([expect.stringMatching(/its history was rewritten .* stays in force$/)]);

    renameSync(remote, `${remote}-away`);
    const away = await load(remote, settings);
    renameSync(`${remote}-away`, remote);
    expect(away).toMatchObject({ revision: second });
    expect(away.texts.get("host.yaml")).toBe("2");
    expect(away.notes).toEqual([expect.stringMatching(/^cannot fetch branch main .* stays in force$/)]);
  });

  test("that was never reached is an error that will be tried again", async () => {
    const settings = remoteOptions(join(temporaryFolder(), "nowhere"));
    await expect(load("/nowhere", settings)).rejects.toMatchObject({
      message: expect.stringContaining("cannot fetch branch main"),
      retry: "transient",
    });
  });
});

test.skipIf(process.geteuid?.() !== 0)(
  "as root, a repository of another user is read, and stays that user's",
  async () => {
    const folder = repository({ "desired/host.yaml": HOST });
    execFileSync("chown", ["-R", "65534:65534", folder]);
    write(folder, { "desired/new": "" });
    const before = fingerprint(folder);
    expect(await load(folder)).toMatchObject({ uncommitted: ["desired/new"], notes: [] });
    expect(fingerprint(folder)).toBe(before);
    execFileSync("chmod", ["0700", folder]);
    execFileSync("chown", ["0:0", folder]);
    expect(await load(folder)).toMatchObject({ notes: [expect.stringContaining("cannot tell what is uncommitted")] });
  },
);
