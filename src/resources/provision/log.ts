import { posix } from "node:path";
import type { Files } from "../../host/ports.ts";

/** Of one log; what a step prints beyond is not kept. */
const LOG_MAX_BYTES = 16 * 1024 ** 2;
/** Logs of one root. */
const LOGS_MAX = 40;
/** Lines that an error shows. */
const SHOWN_LINES = 15;
/** A shorter value would mask half of the log, and is no secret. */
const SECRET_MIN_LENGTH = 4;

export interface StepLog {
  readonly path: string;
  /** Masks and keeps one line; returns it as it is kept. */
  readonly line: (text: string) => string;
  /** The last lines that were printed. */
  readonly last: () => readonly string[];
  readonly close: () => void;
}

interface LogPlace {
  readonly state: string;
  readonly area?: "provision" | "kernel";
  /** The root, or the kernel. */
  readonly root: string;
  readonly runId: string;
  readonly step: string;
}

/** `STATE/logs/provision/ROOT/RUN-STEP.log`, 0600; the oldest of the root go beyond a number. */
export function openLog(
  { state, area = "provision", root, runId, step }: LogPlace,
  head: string,
  secrets: readonly string[],
  files: Files,
): StepLog {
  const folder = posix.join(state, "logs", area, root);
  files.makeDirectories(folder, 0o700);
  const name = `${runId}-${step.replaceAll(" ", "_")}`;
  let path = posix.join(folder, `${name}.log`);
  for (let count = 2; files.stat(path) !== undefined; count++) path = posix.join(folder, `${name}-${count}.log`);
  removeOldest(folder, files);
  const mask = masker(secrets);
  const writer = files.openWriter(path, 0o600);
  writer.write(new TextEncoder().encode(`${head}\n`));
  const last: string[] = [];
  let isFull = false;
  return {
    path,
    line: (text) => {
      const masked = mask(text);
      if (masked.trim() !== "") last.push(masked);
      if (last.length > SHOWN_LINES) last.shift();
      if (isFull) return masked;
      isFull = writer.bytes > LOG_MAX_BYTES;
      writer.write(new TextEncoder().encode(isFull ? "... it printed more than is kept\n" : `${masked}\n`));
      return masked;
    },
    last: () => [...last],
    close: () => writer.close(),
  };
}

/** Replaces each secret, and each line of one that has several. */
export function masker(secrets: readonly string[]): (text: string) => string {
  const parts = [...new Set(secrets.flatMap((secret) => [secret, ...secret.split("\n")]))]
    .filter((part) => part.length >= SECRET_MIN_LENGTH)
    .sort((one, other) => other.length - one.length);
  return (text) => parts.reduce((masked, part) => masked.replaceAll(part, "****"), text);
}

function removeOldest(folder: string, files: Files): void {
  const logs = (files.list(folder) ?? []).filter((name) => name.endsWith(".log"));
  // Names begin with the run's time.
  for (const name of logs.slice(0, Math.max(0, logs.length - LOGS_MAX + 1))) files.removeFile(posix.join(folder, name));
}
