import { expect, test } from "vitest";
import { watchPaths } from "../../src/source/watch-paths.ts";

const options = {
  desired: "/r/desired",
  repository: undefined,
  ref: "HEAD",
  path: undefined,
  remote: undefined,
  worktree: false,
  cache: "/c",
};
const checkout = { repository: "/r", bare: false, top: "/r", gitDirectory: "/r/.git" };

test("a checkout: its folder, HEAD and every kind of refs", () => {
  expect(watchPaths(options, checkout)).toEqual([
    "/r/desired",
    "/r/.git/HEAD",
    "/r/.git/refs",
    "/r/.git/packed-refs",
    "/r/.git/reftable",
  ]);
});

test("a linked work tree: its own HEAD, the refs of the main repository", () => {
  const linked = { ...checkout, gitDirectory: "/main/.git/worktrees/r" };
  expect(watchPaths(options, linked)).toEqual([
    "/r/desired",
    "/main/.git/worktrees/r/HEAD",
    "/main/.git/refs",
    "/main/.git/packed-refs",
    "/main/.git/reftable",
  ]);
});

test("a bare repository: HEAD and refs only", () => {
  const bare = { repository: "/c.git", bare: true, top: "/c.git", gitDirectory: "/c.git" };
  expect(watchPaths({ ...options, repository: "/c.git" }, bare)).toEqual([
    "/c.git/HEAD",
    "/c.git/refs",
    "/c.git/packed-refs",
    "/c.git/reftable",
  ]);
});

test("a remote: nothing, its interval wakes the pass; no repository yet: the folder", () => {
  const remote = { url: "u", branch: "main", mirror: "/m" };
  expect(watchPaths({ ...options, remote }, undefined)).toEqual([]);
  expect(watchPaths(options, undefined)).toEqual(["/r/desired"]);
});
