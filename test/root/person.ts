import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { project, type Ran } from "../kit.ts";

/** Somebody without rights: the user that owns nothing. */
export const NOBODY = 65_534;

/** An ordinary user with a home of its own. */
export interface Person {
  readonly home: string;
  /** Runs the command line in a directory, with nothing in its environment but PATH, HOME and what is given. */
  run(directory: string, words: readonly string[], environment?: Readonly<Record<string, string>>): Ran;
  remove(): void;
}

/** The program is bound to a place that everybody may enter, wherever the checkout stands: to be run in a private mount namespace. */
export function makePerson(): Person {
  const directory = mkdtempSync("/tmp/rootloom-person-");
  chmodSync(directory, 0o755);
  const program = join(directory, "program");
  const home = join(directory, "home");
  mkdirSync(program);
  mkdirSync(home, 0o700);
  chownSync(home, NOBODY, NOBODY);
  execFileSync("mount", ["--bind", project, program]);
  return {
    home,
    run: (cwd, words, environment = {}) => {
      const identity = ["--reuid", `${NOBODY}`, "--regid", `${NOBODY}`, "--clear-groups", "--"];
      const ran = spawnSync("setpriv", [...identity, join(program, "src/rootloom"), ...words], {
        cwd,
        env: { PATH: process.env.PATH ?? "", HOME: home, NO_COLOR: "1", ...environment },
        encoding: "utf8",
      });
      return { exitCode: ran.status ?? -1, stdout: ran.stdout, stderr: ran.stderr };
    },
    remove: () => {
      execFileSync("umount", ["--", program]);
      rmdirSync(program);
      rmSync(home, { recursive: true });
      rmdirSync(directory);
    },
  };
}
