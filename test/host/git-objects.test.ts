import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { deflateSync } from "node:zlib";
import { describe, expect, onTestFinished, test } from "vitest";
import { createGit } from "../../src/host/real/git.ts";
import { createObjectReader, type ReadObjects } from "../../src/host/real/git-objects.ts";
import { commit, git, makeTree, repository, temporaryFolder, write } from "../source/repository.ts";

/** Where a git of the test's own stands, found before the real one until the test is over. */
let programs: string;

/** git that notes its process id and its words each time it is started, and then is git. */
function countStarts(body = 'exec "$real" "$@"'): () => readonly string[] {
  programs = temporaryFolder();
  const path = process.env.PATH;
  process.env.PATH = `${programs}:${path}`;
  onTestFinished(() => {
    process.env.PATH = path;
  });
  const [noted, real] = [join(programs, "starts"), execFileSync("which", ["git"], { encoding: "utf8" }).trim()];
  writeFileSync(noted, "");
  writeFileSync(join(programs, "git"), `#!/bin/sh\nreal=${real}\necho "$$ $*" >>${noted}\n${body}\n`);
  chmodSync(join(programs, "git"), 0o755);
  return () =>
    readFileSync(noted, "utf8")
      .split("\n")
      .filter((line) => line.includes("cat-file --batch"))
      .map((line) => line.split(" ")[0] ?? "");
}

async function contentsOf(readObjects: ReadObjects, folder: string, ...names: readonly string[]) {
  const found: (string | undefined)[] = [];
  await readObjects(folder, names, {
    take: (_, object) => void found.push(object?.content.toString("latin1")),
  });
  return found;
}

describe("the git that is kept", () => {
  test("answers again and again, of new commits, loose and packed, too", async () => {
    const starts = countStarts();
    const folder = repository({ "desired/a": "1" });
    const read = createObjectReader();
    expect(await contentsOf(read, folder, "HEAD:desired/a", "HEAD:none", "HEAD:desired/a")).toEqual([
      "1",
      undefined,
      "1",
    ]);
    commit(folder, { "desired/a": "2" });
    expect(await contentsOf(read, folder, "HEAD:desired/a")).toEqual(["2"]);
    git(folder, "checkout", "--quiet", "-b", "other", "HEAD~1");
    git(folder, "pack-refs", "--all");
    expect(await contentsOf(read, folder, "HEAD:desired/a", "main:desired/a")).toEqual(["1", "2"]);
    expect(starts()).toHaveLength(1);
  });

  test("answers two who ask at once, each with what he asked for", async () => {
    const starts = countStarts();
    const folder = repository({ "desired/a": "1", "desired/b": "2" });
    const read = createObjectReader();
    const both = [contentsOf(read, folder, "HEAD:desired/a"), contentsOf(read, folder, "HEAD:desired/b")];
    expect(await Promise.all(both)).toEqual([["1"], ["2"]]);
    expect(starts()).toHaveLength(1);
  });

  test("gives way to another where the repository was packed anew, is set up otherwise, or is another one", async () => {
    const starts = countStarts();
    const folder = repository({ "desired/a": "1" });
    const read = createObjectReader();
    await contentsOf(read, folder, "HEAD");
    git(folder, "repack", "-q", "-a", "-d");
    expect(await contentsOf(read, folder, "HEAD:desired/a")).toEqual(["1"]);
    expect(starts()).toHaveLength(2);

    const elsewhere = repository({ "desired/a": "borrowed" });
    writeFileSync(join(folder, ".git/objects/info/alternates"), `${join(elsewhere, ".git/objects")}\n`);
    git(folder, "update-ref", "refs/heads/borrowed", git(elsewhere, "rev-parse", "HEAD"));
    expect(await contentsOf(read, folder, "borrowed:desired/a")).toEqual(["borrowed"]);
    expect(starts()).toHaveLength(3);

    git(folder, "config", "core.bigFileThreshold", "1");
    expect(await contentsOf(read, folder, "HEAD:desired/a")).toEqual(["1"]);
    expect(starts()).toHaveLength(4);

    renameSync(folder, `${folder}-away`);
    renameSync(repository({ "desired/a": "another" }), folder);
    expect(await contentsOf(read, folder, "HEAD:desired/a")).toEqual(["another"]);
    expect(starts()).toHaveLength(5);
    expect(await contentsOf(read, elsewhere, "HEAD:desired/a")).toEqual(["borrowed"]);
  });

  test("is replaced where it was killed, and its question asked again", async () => {
    const starts = countStarts();
    const folder = repository({ "desired/a": "1" });
    const read = createObjectReader();
    await contentsOf(read, folder, "HEAD");
    process.kill(Number(starts()[0]), "SIGKILL");
    expect(await contentsOf(read, folder, "HEAD:desired/a")).toEqual(["1"]);
    expect(starts()).toHaveLength(2);
  });

  test("one that fails says why, and what to do", async () => {
    const folder = repository({ "desired/a": "1" });
    countStarts("echo 'fatal: the disk is gone' >&2; exit 128");
    await expect(contentsOf(createObjectReader(), folder, "HEAD")).rejects.toMatchObject({
      message: `cannot run git cat-file in ${folder}: the disk is gone`,
      hint: expect.stringContaining("fsck"),
      retry: "terminal",
    });
    await expect(contentsOf(createObjectReader(), join(folder, "none"), "HEAD")).rejects.toThrow(
      "there is no directory",
    );
  });

  test("one that ends in the middle of a content is an error, and the next question has a new one", async () => {
    const folder = repository({ "desired/a": "1" });
    const once = join(folder, "once");
    const starts = countStarts(`[ -e ${once} ] && exec "$real" "$@"; : >${once}; echo "1234 blob 9"; echo abc`);
    const read = createObjectReader();
    await expect(contentsOf(read, folder, "HEAD")).rejects.toThrow("it ended without an answer");
    expect(await contentsOf(read, folder, "HEAD:desired/a")).toEqual(["1"]);
    expect(starts()).toHaveLength(2);
  });

  test("what the asker throws ends the question, and the next one is answered as before", async () => {
    const folder = repository({ "desired/a": "1", "desired/b": "2" });
    const read = createObjectReader();
    const take = () => Promise.reject(new Error("the disk is full"));
    await expect(read(folder, ["HEAD:desired/a", "HEAD:desired/b"], { take })).rejects.toThrow("the disk is full");
    expect(await contentsOf(read, folder, "HEAD:desired/b")).toEqual(["2"]);
  });

  test("passes over what is not wanted, however large", async () => {
    const folder = repository({ "desired/large": "x".repeat(3_000_000), "desired/small": "y" });
    const sizes: number[] = [];
    const lengths: (number | undefined)[] = [];
    await createObjectReader()(folder, ["HEAD:desired/large", "HEAD:desired/small"], {
      wants: (_, size) => sizes.push(size) > 0 && size < 10,
      take: (_, object) => void lengths.push(object?.content.length),
    });
    expect([sizes, lengths]).toEqual([
      [3_000_000, 1],
      [0, 1],
    ]);
  });

  test("does not keep our own process alive", () => {
    const folder = repository({ "desired/a": "1" });
    const module = new URL("../../src/host/real/git.ts", import.meta.url).href;
    const source = `import { createGit } from ${JSON.stringify(module)};
      console.log((await createGit().resolve({ repository: ${JSON.stringify(folder)}, ref: "HEAD", path: "" })).subject);`;
    const words = ["--disable-warning=ExperimentalWarning", "--input-type=module", "-e", source];
    expect(execFileSync(process.execPath, words, { encoding: "utf8", timeout: 20_000 })).toBe("first\n");
  });
});

describe("a tree", () => {
  const at = (folder: string) => ({ repository: folder, ref: "HEAD", path: "desired" });
  const listed = async (port: ReturnType<typeof createGit>, folder: string) =>
    port.listTree(folder, (await port.resolve(at(folder)))!.treeHash!);

  test("of a repository of either hash is listed as git lists it", async () => {
    for (const format of ["sha1", "sha256"]) {
      const folder = temporaryFolder();
      git(folder, "init", "--quiet", `--object-format=${format}`);
      commit(folder, { "desired/a/b/c": "1", "desired/a.b": "2", "desired/run*": "3", "desired/link@": "a" });
      const lines = git(folder, "ls-tree", "-r", "HEAD:desired").split("\n");
      const entries = await listed(createGit(), folder);
      expect(entries.map(({ mode, oid, path }) => `${mode} blob ${oid}\t${path}`)).toEqual(lines);
    }
  });

  test("that was listed before is not read again: of a new commit only what it changed", async () => {
    const folder = repository({ "desired/a/one": "1", "desired/b/two": "2", "desired/b/c/three": "3" });
    const port = createGit();
    const first = await listed(port, folder);
    const unread = ["desired/b", "desired/b/c"].map((path) => git(folder, "rev-parse", `HEAD:${path}`));
    commit(folder, { "desired/a/one": "changed" });
    for (const oid of unread) rmSync(join(folder, ".git/objects", oid.slice(0, 2), oid.slice(2)));
    const second = await listed(port, folder);
    expect(second.map(({ path }) => path)).toEqual(first.map(({ path }) => path));
    expect(second.map(({ oid }) => oid)).not.toEqual(first.map(({ oid }) => oid));
    await expect(listed(createGit(), folder)).rejects.toMatchObject({
      message: `cannot read tree ${unread[0]} from ${folder}: the repository does not hold it`,
      hint: expect.stringContaining("fsck"),
    });
  });

  test("that is damaged in the object store is refused", async () => {
    const folder = repository({ "desired/a": "1" });
    const oid = git(folder, "rev-parse", "HEAD:desired");
    const file = join(folder, ".git/objects", oid.slice(0, 2), oid.slice(2));
    const other = Buffer.from(git(folder, "rev-parse", "HEAD^{commit}"), "hex");
    rmSync(file);
    writeFileSync(file, deflateSync(Buffer.concat([Buffer.from("tree 29\0" + "100644 a\0"), other])));
    await expect(createGit().listTree(folder, oid)).rejects.toThrow(
      `cannot read tree ${oid} from ${folder}: its content does not have that hash`,
    );
  });

  test("that was crafted to unfold into more than anybody keeps is refused", async () => {
    const folder = repository({ "desired/a": "1" });
    const blob = git(folder, "rev-parse", "HEAD:desired/a");
    const ten = (line: string) => Array.from({ length: 10 }, (_, index) => `${line}\t${index}\n`).join("");
    let wide = makeTree(folder, ten(`100644 blob ${blob}`));
    for (let level = 0; level < 7; level++) wide = makeTree(folder, ten(`040000 tree ${wide}`));
    await expect(createGit().listTree(folder, wide)).rejects.toThrow("it holds more than 1000000 paths");
  });
});

describe("where a repository is", () => {
  const discoveries = () => {
    const noted = join(programs, "starts");
    return readFileSync(noted, "utf8")
      .split("\n")
      .filter((line) => line.includes("rev-parse --is-inside-work-tree")).length;
  };

  test("is asked once, and again where something has come, gone or changed that decides about it", async () => {
    countStarts();
    const folder = repository({ "desired/deep/a": "1" });
    const [desired, deep] = [join(folder, "desired"), join(folder, "desired/deep")];
    const port = createGit();
    const outer = { repository: folder, bare: false, top: folder, gitDirectory: join(folder, ".git") };
    expect(await port.discover(deep)).toEqual(outer);
    commit(folder, { "desired/deep/a": "2", "desired/b": "3" });
    expect(await port.discover(deep)).toEqual(outer);
    expect(discoveries()).toBe(1);

    git(desired, "init", "--quiet");
    expect(await port.discover(deep)).toMatchObject({ top: desired });
    rmSync(join(desired, ".git"), { recursive: true });
    expect(await port.discover(deep)).toEqual(outer);
    git(folder, "config", "core.bare", "true");
    expect(await port.discover(deep)).toMatchObject({ bare: true });
    rmSync(join(folder, ".git"), { recursive: true });
    expect(await port.discover(deep)).toBeUndefined();
    expect(await port.discover(deep)).toBeUndefined();
  });

  test("is asked again where a link leads elsewhere, and of a linked work tree when that was moved", async () => {
    const [one, other] = [repository({ a: "1" }), repository({ a: "2" })];
    const link = join(temporaryFolder(), "link");
    const port = createGit();
    symlinkSync(one, link);
    expect(await port.discover(link)).toMatchObject({ top: one });
    rmSync(link);
    symlinkSync(other, link);
    expect(await port.discover(link)).toMatchObject({ top: other });

    const parent = temporaryFolder();
    git(one, "worktree", "add", "--quiet", "--detach", join(parent, "tree"));
    expect(await port.discover(join(parent, "tree"))).toMatchObject({ gitDirectory: join(one, ".git/worktrees/tree") });
    git(one, "worktree", "move", join(parent, "tree"), join(parent, "moved"));
    mkdirSync(join(parent, "tree"));
    write(join(parent, "tree"), { a: "3" });
    expect(await port.discover(join(parent, "tree"))).toBeUndefined();
  });
});
