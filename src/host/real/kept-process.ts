import { spawn } from "node:child_process";
import type { Socket } from "node:net";

export interface KeptCommand {
  readonly file: string;
  readonly arguments: readonly string[];
  readonly directory: string;
  /** The whole environment. */
  readonly environment: Readonly<Record<string, string>>;
}

/** A child that is asked many questions. Its answers are bytes; it ends when we do, whatever ends us. */
export interface KeptProcess {
  write(text: string): void;
  /** The next part of what it says; undefined when it has ended. Our own process stays for that, and for nothing else of it. */
  read(): Promise<Buffer | undefined>;
  /** True until it has ended, or was stopped. */
  isAlive(): boolean;
  /** Waits for its end: what it complained of last, and its exit code; -1 where it never ran or was killed. */
  ended(): Promise<{ readonly said: string; readonly exitCode: number }>;
  stop(): void;
}

const COMPLAINT_LENGTH = 4096;

/**
 * Starts a child that the kernel kills when we die; it must start no others, which that would not reach. By Node alone:
 * the library for all other commands takes longer to load than a short command has.
 */
export function keepProcess({ file, arguments: values, directory, environment }: KeptCommand): KeptProcess {
  const words = ["--pdeathsig", "KILL", "--", file, ...values];
  const child = spawn("setpriv", words, { cwd: directory, env: { ...environment }, stdio: "pipe" });
  const streams = [child.stdin, child.stdout, child.stderr] as readonly unknown[] as readonly Socket[];
  const parts = child.stdout[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let alive = true;
  let said = "";
  const ended = new Promise<number>((resolve) => {
    child
      .on("close", (code) => resolve(code ?? -1))
      .on("error", (error) => {
        said = error.message;
        resolve(-1);
      });
  });
  const end = (): void => {
    alive = false;
  };
  child.on("exit", end).on("error", end);
  child.stdin.on("error", end); // it is gone: told by what it says no more
  child.stderr.on("data", (part: Buffer) => {
    said = (said + part.toString()).slice(-COMPLAINT_LENGTH);
  });
  child.unref();
  for (const stream of streams) stream.unref();
  return {
    write: (text) => child.stdin.write(text),
    async read() {
      for (const stream of streams) stream.ref();
      try {
        const { value, done } = await parts.next();
        return done === true ? undefined : value;
      } catch {
        return undefined;
      } finally {
        for (const stream of streams) stream.unref();
      }
    },
    isAlive: () => alive,
    async ended() {
      child.ref();
      return { exitCode: await ended, said };
    },
    stop() {
      end();
      child.kill("SIGKILL");
      for (const stream of streams) stream.destroy();
    },
  };
}
