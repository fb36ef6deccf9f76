import { posix } from "node:path";
import type { Files } from "../../host/ports.ts";

/** At least one of these stands in every root filesystem. */
const LOOKS_OF_A_ROOT = ["bin", "sbin", "usr/bin", "usr/sbin", "init", "etc"];

/** Whether a directory holds what a root filesystem has, rather than nothing or only what was laid into it. */
export function looksLikeRoot(path: string, files: Files): boolean {
  return LOOKS_OF_A_ROOT.some((name) => files.stat(posix.join(path, name)) !== undefined);
}
