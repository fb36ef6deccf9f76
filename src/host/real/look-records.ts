import { createHash, type Hash, hash } from "node:crypto";
import type { GlancePart } from "../ports.ts";
import { type RawFacts, rawFactWords, writeRawFacts } from "./system-calls.ts";

const chunk_bytes = 1 << 17;
/** More of a text than that, in whole words, is recorded piece by piece. */
const text_bytes = 1 << 16;
/** The longest name, what stands beside it, and room to align. */
const node_bytes = 256 + rawFactWords * 4 + 16;

/** What some of the views have seen alike since the part began. */
interface Strand<View> {
  readonly views: readonly View[];
  /** Of what is no longer in the chunk; undefined where nothing is. */
  readonly sum: Hash | undefined;
  readonly changed_ms: number;
}

/** What a part holds for those who have seen the same of it. */
export interface RecordedPart<View> extends Omit<GlancePart, "path"> {
  readonly views: readonly View[];
}

/**
 * Digests of what a walk tells of one part of a tree after the other. Views that see the same have one digest, made once;
 * it is the same as that of each of them alone. What is recorded fills whole words, wherever in the chunk it stands.
 */
export class LookRecords<View> {
  readonly #chunk = Buffer.allocUnsafeSlow(chunk_bytes);
  readonly #words = new Uint32Array(this.#chunk.buffer);
  #length = 0;
  #changed_ms = 0;
  #strands: readonly Strand<View>[] = [];
  #selected: readonly View[] = [];

  /** Begins a part, for all who see anything of it. */
  begin(views: readonly View[]): void {
    this.#strands = [{ views, sum: undefined, changed_ms: 0 }];
    this.#selected = views;
  }

  /** What is added from here on is seen by these alone. */
  select(views: readonly View[]): void {
    if (views === this.#selected) return;
    this.#flush();
    this.#selected = views;
    this.#strands = this.#strands.flatMap((strand) => split(strand, views));
  }

  text(text: string): void {
    for (let at = 0; at < text.length; at += text_bytes) {
      const piece = text.slice(at, at + text_bytes);
      if (this.#length + piece.length + 4 > chunk_bytes) this.#flush();
      this.#length += this.#chunk.write(piece, this.#length, "latin1");
      while (this.#length % 4 !== 0) this.#chunk[this.#length++] = 0;
    }
  }

  /** The node last visited; its name ends with a NUL. */
  node(names: Buffer, start: number, facts: RawFacts): void {
    if (this.#length + node_bytes > chunk_bytes) this.#flush();
    const chunk = this.#chunk;
    let length = this.#length;
    // Byte by byte: a call for so few bytes would take longer.
    for (let at = start, byte = names[at] ?? 0; byte !== 0; byte = names[++at] ?? 0) chunk[length++] = byte;
    chunk[length++] = 0;
    chunk[length++] = facts.mountRoot ? 1 : 0;
    while (length % 4 !== 0) chunk[length++] = 0;
    writeRawFacts(this.#words, length / 4);
    this.#length = length + rawFactWords * 4;
    if (facts.changed_ms > this.#changed_ms) this.#changed_ms = facts.changed_ms;
  }

  /** Ends the part. */
  end(): readonly RecordedPart<View>[] {
    const [first, ...others] = this.#strands;
    if (first !== undefined && first.sum === undefined && others.length === 0) return [this.#endAtOnce(first.views)];
    this.#flush();
    return this.#strands.map(({ views, sum, changed_ms }) => ({
      views,
      digest: (sum ?? createHash("sha256")).digest("hex"),
      changed_ms,
    }));
  }

  /** A part that all have seen alike, and that is still in the chunk, as most are. */
  #endAtOnce(views: readonly View[]): RecordedPart<View> {
    const digest = hash("sha256", this.#chunk.subarray(0, this.#length));
    const part = { views, digest, changed_ms: this.#changed_ms };
    this.#empty();
    return part;
  }

  #flush(): void {
    if (this.#length === 0) return;
    const bytes = this.#chunk.subarray(0, this.#length);
    const [changed_ms, selected] = [this.#changed_ms, this.#selected];
    this.#strands = this.#strands.map((strand) => {
      if (!strand.views.some((view) => selected.includes(view))) return strand;
      const sum = (strand.sum ?? createHash("sha256")).update(bytes);
      return { views: strand.views, sum, changed_ms: Math.max(changed_ms, strand.changed_ms) };
    });
    this.#empty();
  }

  #empty(): void {
    this.#length = 0;
    this.#changed_ms = 0;
  }
}

/** Those of its views who see what comes now, and those who do not. */
function split<View>(strand: Strand<View>, seeing: readonly View[]): readonly Strand<View>[] {
  const views = strand.views.filter((view) => seeing.includes(view));
  if (views.length === 0 || views.length === strand.views.length) return [strand];
  const others = strand.views.filter((view) => !seeing.includes(view));
  return [
    { ...strand, views },
    { ...strand, views: others, sum: strand.sum?.copy() },
  ];
}
