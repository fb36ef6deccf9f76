import type { Host } from "../host/ports.ts";

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
  host.files.makeDirectories(`${state}/leases`, 0o700);
  const path = `${state}/leases/${root}.lock`;
  const lease = await host.stores.lock(path, how === "shared");
  if (lease !== undefined) return lease;
  const holders = host.stores.holders(path).map(({ pid, command }) => `pid ${pid} (${command})`);
  return { holders: holders.join(", ") || "somebody" };
}
