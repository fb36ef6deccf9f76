import { RootloomError } from "../../core/error.ts";
import type { Host, MountEntry } from "../../host/ports.ts";
import { descendants } from "./match.ts";

/** Six tries over about three seconds. */
const WAITS_MS = [100, 200, 400, 800, 1600];

export interface UnmountContext {
  readonly host: Host;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Unmounts one mount with all below it, children first. `mayGo` says of each mount inside whether it is
 * ours to unmount; one that is not stops the whole before anything is done.
 */
export async function unmountTree(
  context: UnmountContext,
  top: MountEntry,
  mayGo: (entry: MountEntry, mounts: readonly MountEntry[]) => boolean,
): Promise<void> {
  const mounts = context.host.files.mounts();
  const below = descendants(mounts, top);
  const foreign = below.find((entry) => !mayGo(entry, mounts));
  if (foreign !== undefined) {
    throw new RootloomError(`cannot unmount ${top.target}: ${foreign.target} is mounted in it and is not ours`, {
      hint: `unmount it by hand: umount ${foreign.target}`,
      retry: "waiting",
      condition: "Mounted",
    });
  }
  for (const entry of [...below, top]) await unmountOne(context, entry);
}

/**
 * Unmounts what stands at these targets, deepest first, until nothing does (`rootloom unmount`).
 * Mounts inside that are neither listed nor copies that an rbind brought are refused.
 */
export async function unmountAll(context: UnmountContext, targets: readonly string[]): Promise<readonly string[]> {
  const wanted = new Set(targets);
  const unmounted: string[] = [];
  for (const target of [...wanted].sort((a, b) => b.length - a.length)) {
    for (let entry = topAt(context, target); entry !== undefined; entry = topAt(context, target)) {
      await unmountTree(context, entry, (child, mounts) => wanted.has(child.target) || isCopy(child, mounts));
      unmounted.push(target);
    }
  }
  return unmounted;
}

/** True when the same filesystem is mounted from the same root elsewhere: unmounting this one loses nothing. */
export function isCopy(entry: MountEntry, mounts: readonly MountEntry[]): boolean {
  return mounts.some((other) => other.id !== entry.id && other.device === entry.device && other.root === entry.root);
}

async function unmountOne(context: UnmountContext, entry: MountEntry): Promise<void> {
  let said = "";
  for (let attempt = 0; ; attempt += 1) {
    const isThere = context.host.files.mounts().some((other) => other.id === entry.id && other.target === entry.target);
    if (!isThere) return;
    const finished = await context.host.processes.run({
      file: "umount",
      arguments: ["--no-canonicalize", "--", entry.target],
      hostNamespace: true,
      accept: [0, 1, 2, 4, 8, 16, 32],
      signal: context.signal,
    });
    if (finished.exitCode === 0) continue;
    said = finished.stderr.trim().split("\n").at(-1) ?? "";
    const wait_ms = WAITS_MS[attempt];
    if (wait_ms === undefined) throw busy(context, entry, said);
    await context.host.clock.sleep(wait_ms, context.signal);
  }
}

function topAt(context: UnmountContext, target: string): MountEntry | undefined {
  return context.host.files.mounts().findLast((entry) => entry.target === target);
}

function busy(context: UnmountContext, entry: MountEntry, said: string): RootloomError {
  const users = context.host.processes.users(entry.target);
  const names = users.slice(0, 5).map((user) => `${user.pid} (${user.command})`);
  const more = users.length > 5 ? ` and ${users.length - 5} more` : "";
  const why = names.length > 0 ? `it is in use by ${names.join(", ")}${more}` : said || "it is busy";
  return new RootloomError(`cannot unmount ${entry.target}: ${why}`, {
    hint: "end these processes or leave the directory; it is tried again in the next pass, never lazily",
    retry: "waiting",
    condition: "Busy",
    details: said === "" ? [] : [said],
  });
}
