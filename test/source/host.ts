import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Git, Host } from "../../src/host/ports.ts";
import { createClock } from "../../src/host/real/clock.ts";
import { createFiles } from "../../src/host/real/files.ts";
import { createGit } from "../../src/host/real/git.ts";
import { loadSource } from "../../src/source/load.ts";
import type { Snapshot, SourceOptions, SourceStatus } from "../../src/source/types.ts";
import { temporaryFolder } from "./repository.ts";

/** A document that loads; what it says does not matter here. */
export const HOST = "kind: Host\n";

/** Options of a checkout with `desired/` in a folder, and a cache of its own. */
export function options(folder: string, changes: Partial<SourceOptions> = {}): SourceOptions {
  return {
    desired: join(folder, "desired"),
    repository: undefined,
    ref: "HEAD",
    path: undefined,
    remote: undefined,
    worktree: false,
    cache: join(temporaryFolder(), "cache"),
    ...changes,
  };
}

export const load = (folder: string, changes: Partial<SourceOptions> = {}) =>
  loadWhole(countingHost().host, options(folder, changes));

/** A snapshot together with all that is told of it. */
export async function loadWhole(host: Host, options: SourceOptions): Promise<Snapshot & SourceStatus> {
  const { snapshot, status } = await loadSource(host, options);
  return { ...snapshot, ...(await status()) };
}

export const paths = (snapshot: Snapshot) => snapshot.files.map((file) => file.path);

/** The cached content of a file, one byte a character. */
export const contentOf = (snapshot: Snapshot, path: string) =>
  readFileSync(snapshot.files.find((file) => file.path === path)!.content, "latin1");

/** The ports of the real machine that loading uses, with each call of git noted. */
export function countingHost(): { readonly host: Host; readonly calls: string[] } {
  const calls: string[] = [];
  const git = new Proxy(createGit(), {
    get: (target, name: keyof Git) => {
      calls.push(name);
      return target[name];
    },
  });
  const files = createFiles({ mountNamespace: "/proc/self/ns/mnt" });
  const processes = { userId: process.geteuid?.() ?? 0 };
  return { host: { git, files, processes, clock: createClock() } as unknown as Host, calls };
}
