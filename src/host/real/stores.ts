import { closeSync, constants, existsSync, openSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import type { Stores } from "../ports.ts";
import { openDatabase } from "./database.ts";
import { attempt } from "./failure.ts";
import { commandOf } from "./process-users.ts";
import { currentDirectory, statAt, statDescriptor, tryLock } from "./system-calls.ts";

/** The store port: SQLite files, and a lock that the kernel holds for as long as a process of ours lives. */
export function createStores(): Stores {
  return {
    open: openDatabase,
    lock: async (path, shared = false) => attempt("lock", path, () => lock(path, shared)),
    holders: (path) => attempt("find who holds", path, () => holders(path)),
  };
}

function lock(path: string, shared: boolean): { release(): void } | undefined {
  for (;;) {
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;
    const descriptor = openSync(path, flags, 0o600);
    let held = false;
    try {
      if (!tryLock(descriptor, shared)) return undefined;
      // Somebody may have put another file in its place between the opening and the locking.
      held = statAt(currentDirectory, path, "utf8")?.inode === statDescriptor(descriptor).inode;
      if (held) return { release: once(() => closeSync(descriptor)) };
    } finally {
      if (!held) closeSync(descriptor);
    }
  }
}

function once(body: () => void): () => void {
  let done = false;
  return () => {
    if (!done) body();
    done = true;
  };
}

/** Reads /proc/locks: `1: FLOCK  ADVISORY  WRITE 1234 fe:00:5678 0 EOF`. */
function holders(path: string): readonly { readonly pid: number; readonly command: string }[] {
  const facts = statAt(currentDirectory, path, "utf8");
  if (facts === undefined) return [];
  const pids = new Set<number>();
  for (const line of readFileSync("/proc/locks", "utf8").split("\n")) {
    const [, kind, , , pid, file] = line.trim().split(/\s+/);
    const [major, minor, inode] = (file ?? "").split(":");
    if (kind !== "FLOCK" || Number(inode) !== facts.inode) continue;
    const device = Number.parseInt(major ?? "", 16) * 2 ** 20 + Number.parseInt(minor ?? "", 16);
    // btrfs and overlayfs name another device there than stat does.
    if (device === facts.device || hasOpen(Number(pid), path)) pids.add(Number(pid));
  }
  return [...pids].filter((pid) => existsSync(`/proc/${pid}`)).map((pid) => ({ pid, command: commandOf(pid) }));
}

function hasOpen(pid: number, path: string): boolean {
  try {
    const descriptors = `/proc/${pid}/fd`;
    return readdirSync(descriptors).some((name) => readlinkSync(`${descriptors}/${name}`) === path);
  } catch {
    return false; // it ended, or is another user's
  }
}
