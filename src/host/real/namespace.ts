import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { RootloomError } from "../../core/error.ts";
import { parseMounts } from "../mountinfo.ts";
import type { MountEntry } from "../ports.ts";
import { errorCode } from "./failure.ts";

export const defaultMountNamespace = "/proc/1/ns/mnt";
const mountListLimit_bytes = 64 * 1024 * 1024;

/**
 * True when the mount namespace that a file stands for is the one we are in. Where the default cannot be
 * looked at (no right to trace process 1: an ordinary user, or a confined root), ours is taken for it.
 * @throws RootloomError when the file is no namespace that we may look at.
 */
export function isOwnNamespace(file: string): boolean {
  const own = statSync("/proc/self/ns/mnt", { bigint: true });
  try {
    const other = statSync(file, { bigint: true });
    return other.ino === own.ino && other.dev === own.dev;
  } catch (thrown) {
    const code = errorCode(thrown);
    if (file === defaultMountNamespace && (code === "EACCES" || code === "EPERM")) return true;
    throw new RootloomError(`cannot look into the mount namespace ${file}: ${code ?? String(thrown)}`, {
      hint: "--mount-namespace takes a file such as /proc/1/ns/mnt, and entering it needs root",
      cause: thrown,
    });
  }
}

/** The mounts of a namespace, as they are now. */
export function listMounts(namespace: string): readonly MountEntry[] {
  try {
    return parseMounts(readMountInfo(namespace));
  } catch (thrown) {
    if (thrown instanceof RootloomError) throw thrown;
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    throw new RootloomError(`cannot list the mounts of ${namespace}: ${why}`, { retry: "transient", cause: thrown });
  }
}

/** The mounts of every namespace that a process is in. Processes that we may not look into, or that end meanwhile, are left out. */
export function listMountsOfProcesses(): readonly MountEntry[] {
  const seen = new Set<string>();
  return readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const namespace = readlinkSync(`/proc/${name}/ns/mnt`);
      if (seen.has(namespace)) return [];
      const mounts = parseMounts(readFileSync(`/proc/${name}/mountinfo`, "utf8"));
      seen.add(namespace);
      return mounts;
    } catch (thrown) {
      const code = errorCode(thrown);
      if (["ENOENT", "ESRCH", "EACCES", "EPERM", "EINVAL"].includes(code ?? "")) return [];
      throw thrown;
    }
  });
}

function readMountInfo(namespace: string): string {
  if (isOwnNamespace(namespace)) return readFileSync("/proc/self/mountinfo", "utf8");
  const [, processId] = /^\/proc\/(\d+)\/ns\/mnt$/.exec(namespace) ?? [];
  if (processId !== undefined) return readFileSync(`/proc/${processId}/mountinfo`, "utf8");
  // Loaded here alone: it brings networks along, and each thread that walks would wait for them.
  const { spawnSync } = process.getBuiltinModule("node:child_process");
  const finished = spawnSync("nsenter", [`--mount=${namespace}`, "--", "cat", "/proc/self/mountinfo"], {
    encoding: "utf8",
    maxBuffer: mountListLimit_bytes,
    timeout: 30_000,
  });
  if (finished.error !== undefined) throw finished.error;
  if (finished.status !== 0) throw new RootloomError(finished.stderr.trim());
  return finished.stdout;
}
