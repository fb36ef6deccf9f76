import type { Files, Host } from "../host/ports.ts";

/** Who is in a root, in words: `pid 812 (bash)`. */
export interface Taken {
  readonly holders: string;
}

/**
 * The lease of a root (`STATE/leases/ROOT.lock`): a kernel lock, gone with its holder. A shell in the root holds it
 * alone, packings of the root share it, so that neither begins while the other lasts.
 */
export async function takeLease(
  host: Host,
  state: string,
  root: string,
  how: "alone" | "shared",
): Promise<{ release(): void } | Taken> {
  const { files, stores } = host;
  files.makeDirectories(`${state}/leases`, 0o700);
  const path = leasePath(state, root);
  const lease = await stores.lock(path, how === "shared");
  if (lease === undefined) {
    const holders = stores.holders(path).map(({ pid, command }) => `pid ${pid} (${command})`);
    return { holders: holders.join(", ") || "somebody" };
  }
  if (how === "shared") return lease;
  touch(files, path);
  return {
    release: () => {
      touch(files, path);
      lease.release();
    },
  };
}

/** When somebody began to hold the lease of a root alone, or ceased to, in real time; 0 where nobody ever held it. */
export function lastAlone_ms(files: Files, state: string, root: string): number {
  return files.stat(leasePath(state, root))?.changed_ms ?? 0;
}

/** Its ctime: taking the lease leaves it as it was. */
function touch(files: Files, path: string): void {
  const stat = files.stat(path);
  if (stat !== undefined) files.setAttributes(path, stat);
}

function leasePath(state: string, root: string): string {
  return `${state}/leases/${root}.lock`;
}
