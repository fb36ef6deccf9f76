import { readFileSync, readlinkSync } from "node:fs";

/**
 * Why tests that mount may not run here; undefined when they may: as root, in a mount namespace that is not
 * the host's and that hands nothing back to it. Start them by `unshare --mount --propagation private`.
 */
export function whyNotMount(): string | undefined {
  if (process.geteuid?.() !== 0) return "not root";
  if (!isPrivate()) return "not in a private mount namespace: run under `unshare --mount --propagation private --`";
  const shared = readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .some((line) => / shared:\d+ /.test(line));
  return shared ? "the mount namespace shares mounts with another" : undefined;
}

/** True when process 1, or where that may not be looked at any process above us, is in another mount namespace. */
function isPrivate(): boolean {
  const own = readlinkSync("/proc/self/ns/mnt");
  const others = [namespaceOf(1)];
  for (let pid = process.ppid; pid > 1; pid = parentOf(pid)) others.push(namespaceOf(pid));
  return others.some((other) => other !== undefined && other !== own);
}

function namespaceOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/mnt`);
  } catch {
    return undefined;
  }
}

function parentOf(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return Number(/^PPid:\s+(\d+)/m.exec(status)?.[1] ?? 0);
  } catch {
    return 0;
  }
}
