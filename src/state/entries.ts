import { posix } from "node:path";
import type { Host } from "../host/ports.ts";

/** Somebody was in a root: `STATE/logs/enter/TIME-ROOT-PID.json`, 0600, for a command may hold what nobody else is to read. */
export interface Entry {
  readonly root: string;
  readonly who: string;
  readonly pid: number;
  readonly command: readonly string[];
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  /** Missing while it lasts, and for ever where it was killed. */
  readonly endedAt?: string;
  readonly exitCode?: number;
}

/** How many are kept; the oldest go. */
const ENTRIES_MAX = 500;

/** Notes that somebody enters a root, before they do; `end` adds how it ended. */
export function noteEntry(
  { files, clock, processes }: Pick<Host, "files" | "clock" | "processes">,
  state: string,
  entry: Pick<Entry, "root" | "who" | "command">,
): { readonly end: (exitCode: number) => void } {
  const folder = folderOf(state);
  files.makeDirectories(folder, 0o700);
  const names = files.list(folder) ?? [];
  for (const name of names.slice(0, Math.max(0, names.length - ENTRIES_MAX + 1))) {
    files.removeFile(posix.join(folder, name));
  }
  const now = () => new Date(clock.now_ms()).toISOString();
  const begun: Entry = { ...entry, pid: processes.pid, startedAt: now() };
  const name = `${begun.startedAt.replaceAll(/[-:]/g, "")}-${entry.root}-${processes.pid}.json`;
  const write = (text: Entry): void =>
    files.writeFile(posix.join(folder, name), `${JSON.stringify(text)}\n`, { owner: 0, group: 0, mode: 0o600 });
  write(begun);
  return { end: (exitCode) => write({ ...begun, endedAt: now(), exitCode }) };
}

/** The last entries, the newest first; what cannot be read is left out. */
export function listEntries({ files }: Pick<Host, "files">, state: string, limit: number): readonly Entry[] {
  const folder = folderOf(state);
  const names = (files.list(folder) ?? []).slice(-limit).reverse();
  return names.flatMap((name) => {
    try {
      const entry: unknown = JSON.parse(files.readText(posix.join(folder, name)) ?? "");
      return isEntry(entry) ? entry : [];
    } catch {
      return [];
    }
  });
}

function isEntry(value: unknown): value is Entry {
  if (typeof value !== "object" || value === null) return false;
  const { root, who, pid, command, startedAt } = value as Readonly<Record<string, unknown>>;
  return (
    [root, who, startedAt].every((text) => typeof text === "string") &&
    typeof pid === "number" &&
    Array.isArray(command)
  );
}

function folderOf(state: string): string {
  return posix.join(state, "logs", "enter");
}
