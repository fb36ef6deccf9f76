import { type ChildProcess, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { project, type Site } from "../kit.ts";
import type { Trouble } from "./points.ts";

/** How a life of the daemon went: killed at a point, or the verdict of a pass that it lived through. */
export type Ending = "killed" | "converged" | "failed" | "waiting" | "invalid" | "interrupted";

/** One life of a real daemon that dies at points of its journal. */
export class Daemon {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  /** Its log, for messages of tests. */
  log = "";

  constructor(
    site: Site,
    deaths: { readonly file: string; readonly only?: string; readonly trouble?: Partial<Trouble> | undefined },
  ) {
    const words = ["--desired", join(site.directory, "desired"), "--mount-namespace", "/proc/self/ns/mnt", "daemon"];
    const victim = join(project, "test/kills/victim.ts");
    this.#child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", victim, ...words], {
      cwd: site.directory,
      env: {
        ...process.env,
        ROOTLOOM_STATE: site.state,
        ROOTLOOM_CACHE: site.cache,
        NODE_COMPILE_CACHE: join(site.directory, "compiled"),
        KILLS_FILE: deaths.file,
        KILLS_ONLY: deaths.only ?? "",
        KILLS_EDITED: deaths.trouble?.edited ?? "",
        KILLS_FULL: deaths.trouble?.full === true ? "yes" : "",
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child.stderr?.on("data", (part: Buffer) => {
      this.log += part.toString();
    });
    this.#ended = new Promise((resolve) => this.#child.once("close", () => resolve()));
  }

  /** Waits for the verdict of its next pass, or for its death. */
  async ending(): Promise<Ending> {
    const verdict = new Promise<Ending>((resolve) => {
      this.#child.stdout?.on("data", (part: Buffer) => {
        const found = /^STATUS=(converged|failed|waiting|invalid|interrupted) at /m.exec(part.toString());
        if (found !== null) resolve(found[1] as Ending);
      });
    });
    return Promise.race([verdict, this.#ended.then(() => "killed" as const)]);
  }

  async kill(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    this.#child.kill(signal);
    await this.#ended;
  }
}

/** A command line of a person, which the daemon answers: the exit code, and what it said. */
export async function ask(
  site: Site,
  ...words: readonly string[]
): Promise<{ readonly code: number; readonly said: string }> {
  const child = site.start(...words);
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream?.on("data", (part: Buffer) => {
      said += part.toString();
    });
  return new Promise((resolve) => child.once("close", (code) => resolve({ code: code ?? -1, said })));
}

/** A file in which daemons write where they died. */
export function deathsFile(site: Site): string {
  const file = join(site.directory, "deaths");
  writeFileSync(file, "");
  return file;
}
