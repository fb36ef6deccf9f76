import { RootloomError } from "../core/error.ts";
import type { Files } from "../host/ports.ts";

/**
 * A private key is a file of its owner alone.
 * @throws RootloomError where it is not there, or others may read it.
 */
export function requirePrivateKey(files: Pick<Files, "stat" | "realPath">, path: string): void {
  const stat = files.stat(files.realPath(path) ?? path);
  if (stat?.type !== "file")
    throw new RootloomError(`cannot use the key ${path}: it is not there`, {
      hint: "put it there; it is not kept in git",
    });
  if ((stat.mode & 0o077) !== 0)
    throw new RootloomError(`cannot use the key ${path}: others may read it`, { hint: `chmod 600 ${path}` });
}
