const START_BYTES = 256 * 1024;
const END_BYTES = 768 * 1024;

/** What the kernel prints of an initramfs that it could not unpack whole: it goes on with what it has. */
const BROKEN = /Initramfs unpacking failed|junk (at the end of|within) compressed archive|write error/;
const PANIC = /Kernel panic - not syncing.*/;

/** What a guest prints on its serial line: searched as it comes, and kept within a limit. */
export class Console {
  readonly #expect: string;
  #start = Buffer.alloc(0);
  #end = Buffer.alloc(0);
  #left_out_bytes = 0;
  /** The last part of what came, long enough that nothing is missed between two parts. */
  #recent = "";
  #broken: string | undefined;
  #panic: string | undefined;
  #seen = false;

  constructor(expect: string) {
    this.#expect = Buffer.from(expect).toString("latin1");
  }

  add(part: Uint8Array): void {
    const text = this.#recent + Buffer.from(part).toString("latin1");
    if (this.#expect !== "" && text.includes(this.#expect)) this.#seen = true;
    this.#broken ??= text.split(/[\r\n]/).find((line) => BROKEN.test(line));
    this.#panic ??= PANIC.exec(text)?.[0];
    this.#recent = text.slice(-Math.max(1024, this.#expect.length));
    this.#keep(Buffer.from(part));
  }

  /** What was waited for has come. */
  get isSeen(): boolean {
    return this.#seen;
  }

  /** What the kernel says went wrong: it goes on after the first, and never after the second. */
  get complaint(): string | undefined {
    return (this.#broken ?? this.#panic)?.trim();
  }

  get isEmpty(): boolean {
    return this.#start.length === 0;
  }

  /** All of it, or its start and its end. */
  log(): Uint8Array {
    const gap = this.#left_out_bytes === 0 ? "" : `\n[${this.#left_out_bytes} bytes were left out here]\n`;
    return Buffer.concat([this.#start, Buffer.from(gap), this.#end]);
  }

  /** The last lines that say something, for people: escape codes of firmware and colours left out. */
  lastLines(count: number): readonly string[] {
    const text = Buffer.from(this.log()).toString("utf8");
    const plain = text.replace(/\x1b\[[0-9;?=]*[A-Za-z]/g, "").replace(/[\x00-\x08\x0b-\x1f\x7f]/g, "\n");
    return plain
      .split("\n")
      .filter((line) => line.trim() !== "")
      .slice(-count);
  }

  #keep(part: Buffer): void {
    const room = START_BYTES - this.#start.length;
    if (room > 0) this.#start = Buffer.concat([this.#start, part.subarray(0, room)]);
    const rest = part.subarray(Math.max(0, room));
    if (rest.length === 0) return;
    const end = Buffer.concat([this.#end, rest]);
    const over = Math.max(0, end.length - END_BYTES);
    this.#left_out_bytes += over;
    this.#end = end.subarray(over);
  }
}
