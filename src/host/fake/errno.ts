import { RootloomError } from "../../core/error.ts";
import { failure } from "../real/failure.ts";
import { Crash } from "./faults.ts";

const MESSAGES = {
  EACCES: "permission denied",
  EBUSY: "resource busy or locked",
  EEXIST: "file already exists",
  EINVAL: "invalid argument",
  EISDIR: "illegal operation on a directory",
  ELOOP: "too many symbolic links encountered",
  ENAMETOOLONG: "name too long",
  ENODEV: "no such device",
  ENOENT: "no such file or directory",
  ENOSPC: "no space left on device",
  ENOTDIR: "not a directory",
  ENOTEMPTY: "directory not empty",
  EPERM: "operation not permitted",
  EROFS: "read-only file system",
  EXDEV: "cross-device link not permitted",
  EIO: "input/output error",
} as const;
export type ErrnoCode = keyof typeof MESSAGES;

/** What a system call of the fake machine fails with; shaped like Node's own. */
export class ErrnoError extends Error {
  readonly code: ErrnoCode;
  readonly path: string;

  constructor(code: ErrnoCode, path: string) {
    // Most are answers, not failures ("nothing is there"): a stack for each costs more than all else here.
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 0;
    super(`${code}: ${MESSAGES[code]}, '${path}'`);
    Error.stackTraceLimit = limit;
    this.name = "ErrnoError";
    this.code = code;
    this.path = path;
  }
}

export function isErrno(thrown: unknown, ...codes: readonly ErrnoCode[]): thrown is ErrnoError {
  return thrown instanceof ErrnoError && (codes.length === 0 || codes.includes(thrown.code));
}

/** Runs one operation of a port; what fails becomes the error that the real side gives. A crash stays a crash. */
export function attempt<T>(action: string, subject: string, body: () => T): T {
  try {
    return body();
  } catch (thrown) {
    throw thrown instanceof Crash ? thrown : failure(action, subject, thrown);
  }
}

/** As `attempt`, with undefined where nothing is there. */
export function attemptUnlessMissing<T>(action: string, subject: string, body: () => T): T | undefined {
  return attempt(action, subject, () => {
    try {
      return body();
    } catch (thrown) {
      if (isErrno(thrown, "ENOENT", "ENOTDIR")) return undefined;
      throw thrown;
    }
  });
}

/** For what the machine was never taught: told apart by its condition, and listed by the host. */
export function notEmulated(what: string): RootloomError {
  return new RootloomError(`cannot emulate ${what}`, {
    condition: "NotEmulated",
    hint: "teach the fake machine, or do without it",
  });
}
