import type { Files } from "../host/ports.ts";

const DAY_S = 86_400;

/** Notes in a cached file's own time that it is in use, at most once a day: what was used longest ago is removed first. */
export function noteUse(files: Files, path: string, now_ms: number): void {
  const stat = files.stat(path);
  const now_s = Math.floor(now_ms / 1000);
  if (stat?.type !== "file" || stat.modified_s + DAY_S > now_s) return;
  const { owner, group, mode } = stat;
  files.setAttributes(path, { owner, group, mode, modified_s: now_s });
}
