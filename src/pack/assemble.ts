import { createHash } from "node:crypto";
import { RootloomError } from "../core/error.ts";
import type { JobMap } from "../host/jobs.ts";
import type { Files, JobContext, Writer } from "../host/ports.ts";
import { openBeside } from "./beside.ts";
import { cancelled } from "./scan-layer.ts";

type AssembleJob = JobMap["assemble"];

const CHUNK_BYTES = 4 << 20;

/** Puts a file together from others and from bytes; between them and behind them are zeros. It gets its name when it is whole. */
export async function assemble(context: JobContext, input: AssembleJob["input"]): Promise<AssembleJob["output"]> {
  const { files } = context;
  const { path, parts, size_bytes, mode } = input;
  const output = openBeside(files, path, mode);
  try {
    const whole = createHash("sha256");
    const digests: string[] = [];
    for (const { offset, content } of parts) {
      fillUpTo(output.writer, whole, offset);
      const own = createHash("sha256");
      for (const chunk of chunksOf(files, content)) {
        if (context.cancelled()) throw cancelled();
        for (const hash of [whole, own]) hash.update(chunk);
        output.writer.write(chunk);
      }
      digests.push(own.digest("hex"));
    }
    fillUpTo(output.writer, whole, size_bytes);
    output.commit();
    return { sha256: whole.digest("hex"), size_bytes, parts: digests };
  } catch (thrown) {
    output.discard();
    throw thrown;
  }
}

function fillUpTo(writer: Writer, hash: { update(bytes: Uint8Array): unknown }, offset: number): void {
  const gap = offset - writer.bytes;
  if (gap < 0) throw new RootloomError("cannot put a file together: two of its parts overlap", { retry: "transient" });
  const zeros = new Uint8Array(gap);
  hash.update(zeros);
  writer.write(zeros);
}

function* chunksOf(
  files: Files,
  content: AssembleJob["input"]["parts"][number]["content"],
): Generator<Uint8Array, void> {
  if (content instanceof Uint8Array) {
    yield content;
    return;
  }
  const reader = files.openReader(content.file);
  if (reader === undefined) throw new RootloomError(`cannot read ${content.file}: it is not there`);
  try {
    const buffer = new Uint8Array(CHUNK_BYTES);
    for (let position = 0; ; ) {
      const length = reader.read(buffer, position);
      if (length === 0) return;
      yield buffer.subarray(0, length);
      position += length;
    }
  } finally {
    reader.close();
  }
}
