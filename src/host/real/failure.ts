import { type ErrorOptions, type RetryKind, RootloomError } from "../../core/error.ts";

/**
 * Runs `body`; what it throws becomes "cannot ACTION SUBJECT: why".
 * @param action verb in the user's words: "read", "make the directory".
 */
export function attempt<T>(action: string, subject: string, body: () => T): T {
  try {
    return body();
  } catch (thrown) {
    throw failure(action, subject, thrown);
  }
}

/** As `attempt`, with undefined where nothing is there (ENOENT, ENOTDIR). */
export function attemptUnlessMissing<T>(action: string, subject: string, body: () => T): T | undefined {
  try {
    return body();
  } catch (thrown) {
    if (isMissing(thrown)) return undefined;
    throw failure(action, subject, thrown);
  }
}

/** Turns a failed system call into a RootloomError that says why in words and whether trying again may help. */
export function failure(action: string, subject: string, thrown: unknown): RootloomError {
  if (thrown instanceof RootloomError) return thrown;
  const code = errorCode(thrown);
  const known = code === undefined ? undefined : reasons[code];
  const why = known?.[0] ?? (thrown instanceof Error ? thrown.message : String(thrown));
  const options: ErrorOptions = { cause: thrown, retry: known?.[1] ?? "terminal" };
  const hint = known?.[2];
  return new RootloomError(`cannot ${action} ${subject}: ${why}`, hint === undefined ? options : { ...options, hint });
}

/** The `code` of an error as Node gives it: "ENOENT". */
export function errorCode(thrown: unknown): string | undefined {
  if (thrown === null || typeof thrown !== "object" || !("code" in thrown)) return undefined;
  return typeof thrown.code === "string" ? thrown.code : undefined;
}

export function isMissing(thrown: unknown): boolean {
  const code = errorCode(thrown);
  return code === "ENOENT" || code === "ENOTDIR";
}

const reasons: Readonly<Record<string, readonly [why: string, retry: RetryKind, hint?: string]>> = {
  ENOENT: ["no such file or directory", "terminal"],
  ENOTDIR: ["a part of the path is no directory", "terminal"],
  EISDIR: ["a directory stands there", "terminal"],
  EEXIST: ["something stands there already", "terminal"],
  ENOTEMPTY: ["the directory is not empty", "terminal"],
  EACCES: ["permission denied", "terminal", "run as root, or give this user the right to it"],
  EPERM: ["not permitted", "terminal", "run as root; `lsattr` shows whether the file is immutable"],
  EROFS: [
    "the filesystem is mounted read-only",
    "terminal",
    "remount it read-write; `dmesg` says whether an error made it so",
  ],
  EXDEV: [
    "another mount or filesystem lies in the way",
    "terminal",
    "`findmnt` lists the mounts; unmount what does not belong",
  ],
  ELOOP: ["it is, or leads through, a symlink that may not be followed", "terminal"],
  ENAMETOOLONG: ["the name is too long", "terminal"],
  EINVAL: ["the kernel refuses the request", "terminal"],
  ENOSYS: ["this kernel lacks a system call that is needed", "terminal", "Linux 5.8 or later is needed"],
  ENOSPC: ["no space left on the filesystem", "transient", "free space, or run `rootloom gc`"],
  EDQUOT: ["the quota is used up", "transient", "raise the quota, or run `rootloom gc`"],
  EBUSY: ["it is in use, or a mount point", "transient"],
  ETXTBSY: ["a running program uses it", "transient"],
  EMFILE: ["too many open files in this process", "transient"],
  ENFILE: ["too many open files on this host", "transient"],
  ENOMEM: ["out of memory", "transient"],
  EAGAIN: ["it kept changing while it was read", "transient"],
  EINTR: ["interrupted", "transient"],
  EIO: ["input/output error", "transient", "`dmesg` says what the device reported"],
  ESTALE: ["stale file handle", "transient"],
};
