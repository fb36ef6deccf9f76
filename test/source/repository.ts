import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { onTestFinished } from "vitest";

/** A new folder that goes away with the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "rootloom-source-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Runs git as a person would, with a name of its own and none of this machine's settings. */
export function git(folder: string, ...words: readonly string[]): string {
  const environment = {
    PATH: process.env.PATH ?? "",
    HOME: folder,
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_AUTHOR_NAME: "Ada",
    GIT_AUTHOR_EMAIL: "ada@example.org",
    GIT_COMMITTER_NAME: "Ada",
    GIT_COMMITTER_EMAIL: "ada@example.org",
    GIT_ALLOW_PROTOCOL: "file",
  };
  const settings = ["-c", "init.defaultBranch=main", "-c", "safe.directory=*"];
  return execFileSync("git", [...settings, ...words], { cwd: folder, env: environment, stdio: "pipe" })
    .toString()
    .trim();
}

export type Files = Readonly<Record<string, string | Buffer>>;

/** Writes files (`path*` executable, `path@` a symlink) below a folder. */
export function write(folder: string, files: Files): void {
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name.replace(/[*@]$/, ""));
    mkdirSync(dirname(path), { recursive: true });
    rmSync(path, { force: true });
    if (name.endsWith("@")) symlinkSync(content, path);
    else writeFileSync(path, content);
    if (name.endsWith("*")) chmodSync(path, 0o755);
  }
}

export function commit(folder: string, files: Files = {}, subject = "change"): string {
  write(folder, files);
  git(folder, "add", "--all", ".");
  git(folder, "commit", "--quiet", "--allow-empty", "--message", subject);
  return git(folder, "rev-parse", "HEAD");
}

/** A repository with one commit of these files. */
export function repository(files: Files = {}): string {
  const folder = temporaryFolder();
  git(folder, "init", "--quiet");
  commit(folder, files, "first");
  return folder;
}

/** A tree object from lines of `git ls-tree`: of names too that no checkout could make. */
export function makeTree(folder: string, lines: string): string {
  return execFileSync("git", ["-C", folder, "mktree"], { input: lines }).toString().trim();
}

/** Every byte below a folder, with modes and times: to show that nothing was written. */
export function fingerprint(folder: string): string {
  const hash = createHash("sha256");
  for (const name of readdirSync(folder, { recursive: true, encoding: "latin1" }).sort()) {
    const path = Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(name, "latin1")]);
    const stat = lstatSync(path, { bigint: true });
    hash.update(`${name}\0${stat.mode} ${stat.ino} ${stat.mtimeNs} ${stat.ctimeNs}\0`);
    if (stat.isFile()) hash.update(readFileSync(path));
    if (stat.isSymbolicLink()) hash.update(readlinkSync(path, { encoding: "buffer" }));
  }
  return hash.digest("hex");
}
