import type { Git, Host } from "../../src/host/ports.ts";
import { createFiles } from "../../src/host/real/files.ts";
import { createGit } from "../../src/host/real/git.ts";

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
  return { host: { git, files, processes } as unknown as Host, calls };
}
