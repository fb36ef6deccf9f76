import type { RootloomError } from "../../core/error.ts";
import { catFile, catFileError } from "./git-command.ts";
import { repositoryStamp } from "./git-stamp.ts";
import { type KeptProcess, keepProcess } from "./kept-process.ts";
import { requireDirectory, requireTool } from "./tools.ts";

export interface GitObject {
  readonly oid: string;
  readonly type: string;
  readonly content: Buffer;
}

/** Hears the answers, in the order of the names. The next one is read when the last was dealt with. */
export interface ObjectTaker {
  /** False for an object that is passed over: its content is not kept. */
  readonly wants?: (index: number, size_bytes: number) => boolean;
  /** Undefined where the repository has no object of that name. */
  readonly take: (index: number, object: GitObject | undefined) => void | Promise<void>;
}

/** Reads objects by any name that git knows; names hold no line break. */
export type ReadObjects = (repository: string, names: readonly string[], taker: ObjectTaker) => Promise<void>;

/** Without a word of an answer: then it is ended. */
const SILENCE_MS = 60_000;

/**
 * Reads through one `git cat-file --batch` that is kept for the repository that was asked last. It sees new commits and
 * objects by itself; where anything else has changed that it read when it began, another one takes its place.
 */
export function createObjectReader(): ReadObjects {
  let kept: Asked | undefined;
  let turn: Promise<unknown> = Promise.resolve();
  const readIn = async (repository: string, names: readonly string[], taker: ObjectTaker): Promise<void> => {
    const stamp = repositoryStamp(repository);
    if (kept?.serves(repository, stamp) === true) {
      if (await kept.read(names, taker)) return;
      // It had ended meanwhile, by itself or by somebody's hand.
    }
    kept?.process.stop();
    kept = new Asked(repository, stamp);
    if (await kept.read(names, taker)) return;
    throw await kept.failure();
  };
  return (repository, names, taker) => {
    if (names.length === 0) return Promise.resolve();
    const answer = turn.then(() => readIn(repository, names, taker));
    turn = answer.catch(() => undefined);
    return answer;
  };
}

/** One git that is asked, one question after the other. */
class Asked {
  readonly process: KeptProcess;
  readonly #repository: string;
  readonly #stamp: string;
  #rest: Buffer = Buffer.alloc(0);
  #isSilent = false;

  constructor(repository: string, stamp: string) {
    for (const tool of ["git", "setpriv"]) requireTool(tool);
    requireDirectory("git", repository);
    this.#repository = repository;
    this.#stamp = stamp;
    this.process = keepProcess(catFile(repository));
  }

  serves(repository: string, stamp: string): boolean {
    return this.process.isAlive() && this.#repository === repository && this.#stamp === stamp;
  }

  /** False where it ended before the first answer. What fails later leaves it out of step: it is stopped. */
  async read(names: readonly string[], taker: ObjectTaker): Promise<boolean> {
    try {
      this.process.write(`${names.join("\n")}\n`);
      for (const index of names.keys()) {
        const header = await this.#line();
        if (header === undefined && index === 0) return false;
        if (header === undefined) throw await this.failure();
        await taker.take(index, await this.#object(index, header, taker));
      }
      return true;
    } catch (thrown) {
      this.process.stop();
      throw thrown;
    }
  }

  async failure(): Promise<RootloomError> {
    if (this.#isSilent) return catFileError(this.#repository, `nothing was heard for ${SILENCE_MS / 1000} s`, -1);
    const { said, exitCode } = await this.process.ended();
    return catFileError(this.#repository, said, exitCode);
  }

  async #object(index: number, header: string, taker: ObjectTaker): Promise<GitObject | undefined> {
    const [, oid, type, length] = /^([0-9a-f]+) (commit|tree|blob|tag) (\d+)$/.exec(header) ?? [];
    if (oid === undefined || type === undefined) return undefined;
    const size = Number(length);
    const isWanted = taker.wants?.(index, size) ?? true;
    const content = await this.#bytes(size, isWanted);
    await this.#bytes(1, false);
    return { oid, type, content };
  }

  /** Undefined where it ended. */
  async #line(): Promise<string | undefined> {
    for (;;) {
      const end = this.#rest.indexOf(0x0a);
      if (end >= 0) {
        const line = this.#rest.toString("latin1", 0, end);
        this.#rest = this.#rest.subarray(end + 1);
        return line;
      }
      const part = await this.#part();
      if (part === undefined) return undefined;
      this.#rest = this.#rest.length === 0 ? part : Buffer.concat([this.#rest, part]);
    }
  }

  async #bytes(size: number, isWanted: boolean): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (let missing = size; missing > 0; ) {
      if (this.#rest.length === 0) {
        const part = await this.#part();
        if (part === undefined) throw await this.failure();
        this.#rest = part;
      }
      const taken = this.#rest.subarray(0, missing);
      this.#rest = this.#rest.subarray(taken.length);
      missing -= taken.length;
      if (isWanted) parts.push(taken);
    }
    // A copy: what is kept of a part must not keep the whole part.
    return Buffer.concat(parts);
  }

  async #part(): Promise<Buffer | undefined> {
    const silence = setTimeout(() => {
      this.#isSilent = true;
      this.process.stop();
    }, SILENCE_MS);
    try {
      return await this.process.read();
    } finally {
      clearTimeout(silence);
    }
  }
}
