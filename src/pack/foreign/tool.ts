import { asRootloomError, RootloomError } from "../../core/error.ts";
import type { Host } from "../../host/ports.ts";

/** A program that decompresses one form, from standard input to standard output by `-dc`. */
export interface Tool {
  readonly tool: "xz" | "bzip2" | "lz4" | "lzma" | "lzop";
  readonly arguments: readonly string[];
  readonly debian: string;
  /** First bytes, in hex. */
  readonly magic: string;
}

interface Extent {
  readonly file: string;
  readonly position: number;
  readonly end: number | undefined;
}

/** Cuts an extent out of a file and decompresses it: `$1` file, `$2` first byte from 1, `$3` length, then the tool. */
const SCRIPT = 'file=$1 first=$2 length=$3; shift 3; tail -c "+$first" -- "$file" | head -c "$length" | "$@" -dc';

/** What an extent of a file holds, as its tool says it. The tool waits while nobody asks for more, and ends with the reading. */
export async function* decodeByTool(
  { processes }: Pick<Host, "processes">,
  { tool, arguments: options, debian }: Tool,
  { file, position, end = Number.MAX_SAFE_INTEGER }: Extent,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  if (processes.find(tool) === undefined) {
    throw new RootloomError(`cannot read ${file}: it holds a member in ${tool} form, and ${tool} is not installed`, {
      hint: `apt-get install ${debian}`,
    });
  }
  const handover = new Handover();
  const stop = new AbortController();
  const running = processes
    .run({
      file: "sh",
      arguments: ["-c", SCRIPT, "sh", file, String(position + 1), String(end - position), tool, ...options],
      timeout_ms: 0,
      signal: signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]),
      onOutput: (part) => handover.put(part),
    })
    .then(
      () => handover.finish(undefined),
      (thrown: unknown) => handover.finish({ thrown: damaged(tool, thrown) }),
    );
  try {
    yield* handover.parts();
  } finally {
    stop.abort();
    handover.drop();
    await running;
  }
}

function damaged(tool: string, thrown: unknown): RootloomError {
  const { details } = asRootloomError(thrown);
  return new RootloomError(`a member in ${tool} form is damaged, or something else follows it`, {
    details,
    cause: thrown,
  });
}

/** Parts that one side hands to the other, one at a time. */
class Handover {
  #part: Uint8Array | undefined;
  #ended: { readonly failure: { readonly thrown: unknown } | undefined } | undefined;
  #dropped = false;
  #wakeTaker: () => void = () => undefined;
  #wakeGiver: () => void = () => undefined;

  /** Returns when the part was dealt with. */
  put(part: Uint8Array): Promise<void> {
    if (this.#dropped) return Promise.resolve();
    this.#part = part;
    const dealtWith = new Promise<void>((resolve) => {
      this.#wakeGiver = resolve;
    });
    this.#wakeTaker();
    return dealtWith;
  }

  finish(failure: { readonly thrown: unknown } | undefined): void {
    this.#ended = { failure };
    this.#wakeTaker();
  }

  /** Nobody takes any more. */
  drop(): void {
    this.#dropped = true;
    this.#wakeGiver();
  }

  async *parts(): AsyncGenerator<Uint8Array> {
    for (;;) {
      if (this.#part !== undefined) {
        const part = this.#part;
        this.#part = undefined;
        yield part;
        this.#wakeGiver();
      } else if (this.#ended !== undefined) {
        if (this.#ended.failure !== undefined) throw this.#ended.failure.thrown;
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#wakeTaker = resolve;
        });
      }
    }
  }
}
