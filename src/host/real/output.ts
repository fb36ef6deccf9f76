import { StringDecoder } from "node:string_decoder";

/** Keeps the last `limit_bytes` of what is added. */
export class Tail {
  readonly #limit_bytes: number;
  #parts: Buffer[] = [];
  #length_bytes = 0;

  constructor(limit_bytes: number) {
    this.#limit_bytes = limit_bytes;
  }

  add(part: Buffer): void {
    this.#parts.push(part);
    this.#length_bytes += part.length;
    // Joined only now and then, so that many small parts cost no more than their bytes.
    if (this.#length_bytes > 2 * this.#limit_bytes) this.#cut();
  }

  text(): string {
    this.#cut();
    return Buffer.concat(this.#parts).toString("utf8");
  }

  #cut(): void {
    const all = Buffer.concat(this.#parts);
    this.#parts = [all.subarray(Math.max(0, all.length - this.#limit_bytes))];
    this.#length_bytes = Math.min(all.length, this.#limit_bytes);
  }
}

const lineLimit = 64 * 1024;

/** Cuts a stream into lines; a carriage return ends one too, as progress bars print it. */
export class Lines {
  readonly #decoder = new StringDecoder("utf8");
  readonly #onLine: (line: string) => void;
  #rest = "";

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  add(part: Buffer): void {
    const lines = (this.#rest + this.#decoder.write(part)).split(/\r\n|\n|\r/);
    this.#rest = (lines.pop() ?? "").slice(-lineLimit);
    for (const line of lines) this.#onLine(line);
  }

  end(): void {
    const rest = this.#rest + this.#decoder.end();
    this.#rest = "";
    if (rest !== "") this.#onLine(rest);
  }
}
