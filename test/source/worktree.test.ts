import { mkdirSync, renameSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { HOST, load, paths } from "./host.ts";
import { commit, git, repository, temporaryFolder, write } from "./repository.ts";

describe("--worktree", () => {
  test("reads the files on disk: untracked ones too, ignored and removed ones not", async () => {
    const folder = repository({
      "desired/host.yaml": "1",
      "desired/gone": "",
      "desired/.gitignore": "*.tmp\n",
      "desired/run": "",
    });
    renameSync(join(folder, "desired/gone"), join(folder, "gone"));
    write(folder, {
      "desired/host.yaml": "2",
      "desired/new.yaml": "3",
      "desired/x.tmp": "",
      "desired/run*": "",
      "desired/l@": "/",
    });
    const snapshot = await load(folder, { worktree: true });
    expect(snapshot).toMatchObject({ revision: "", uncommitted: [], prefix: "desired", problems: [] });
    expect(paths(snapshot)).toEqual([".gitignore", "host.yaml", "l", "new.yaml", "run"]);
    expect([...snapshot.texts.values()]).toEqual(["2", "3"]);
    expect(snapshot.files[2]).toMatchObject({ type: "symlink", target: "/" });
    expect(snapshot.files[4]).toMatchObject({ executable: true });
    expect((await load(folder, { worktree: true })).treeHash).toBe(snapshot.treeHash);
    write(folder, { "desired/new.yaml": "4" });
    expect((await load(folder, { worktree: true })).treeHash).not.toBe(snapshot.treeHash);
  });

  test("needs no commit, and no repository", async () => {
    const folder = temporaryFolder();
    write(folder, { "desired/host.yaml": HOST, "desired/overlays/common/a": "" });
    expect(paths(await load(folder, { worktree: true }))).toEqual(["host.yaml", "overlays/common/a"]);
    git(folder, "init", "--quiet");
    expect(paths(await load(folder, { worktree: true }))).toEqual(["host.yaml", "overlays/common/a"]);
  });

  test("never follows a folder that became a symlink out of it", async () => {
    const folder = repository({ "desired/etc/passwd": "mine" });
    renameSync(join(folder, "desired/etc"), join(folder, "etc"));
    symlinkSync("/etc", join(folder, "desired/etc"));
    expect(paths(await load(folder, { worktree: true }))).toEqual(["etc"]);
  });

  test("a repository inside is a problem", async () => {
    const folder = repository({ "desired/host.yaml": HOST });
    mkdirSync(join(folder, "desired/sub"));
    git(join(folder, "desired/sub"), "init", "--quiet");
    commit(join(folder, "desired/sub"), { x: "" });
    expect((await load(folder, { worktree: true })).problems).toMatchObject([{ file: "desired/sub" }]);
  });
});
