import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/**
 * Processes that have a path, or anything below it, as their working directory, root, program, open file
 * or mapping. Those that we may not look into are left out.
 */
export function processUsers(path: string): readonly { readonly pid: number; readonly command: string }[] {
  const users: { readonly pid: number; readonly command: string }[] = [];
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name) || !uses(`/proc/${name}`, path)) continue;
    users.push({ pid: Number(name), command: commandOf(Number(name)) });
  }
  return users.sort((a, b) => a.pid - b.pid);
}

/** The short name of a process; empty when it is gone. */
export function commandOf(pid: number): string {
  return (quietly(() => readFileSync(`/proc/${pid}/comm`, "utf8")) ?? "").trim();
}

function uses(process: string, path: string): boolean {
  const inside = (other: string | undefined): boolean => other === path || other?.startsWith(`${path}/`) === true;
  for (const link of ["cwd", "root", "exe"]) if (inside(quietly(() => readlinkSync(`${process}/${link}`)))) return true;
  for (const descriptor of quietly(() => readdirSync(`${process}/fd`)) ?? []) {
    if (inside(quietly(() => readlinkSync(`${process}/fd/${descriptor}`)))) return true;
  }
  const maps = quietly(() => readFileSync(`${process}/maps`, "utf8")) ?? "";
  return maps.includes(` ${path}`) && maps.split("\n").some((line) => inside(line.slice(line.indexOf("/")).trimEnd()));
}

/** A process may end, or be another user's, at any moment. */
function quietly<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
