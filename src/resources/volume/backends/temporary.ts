import { RootloomError } from "../../../core/error.ts";
import { shortRun } from "../../owned.ts";
import type { VolumeSubject, Working } from "./backend.ts";

/** Name under which a volume or snapshot is made: `.rootloom-INSTANCE-RUN-NAME`. `start`: where a leading dot is not allowed. */
export function temporaryName({ name }: Pick<VolumeSubject, "name">, working: Working, start = "."): string {
  return `${prefix(working, start)}${shortRun(working.runId)}-${name}`;
}

/** Whether an object has a name that an interrupted creation of this volume by this installation left. */
export function isTemporaryName(
  found: string,
  { name }: Pick<VolumeSubject, "name">,
  working: Pick<Working, "instance">,
  start = ".",
): boolean {
  const begin = prefix(working, start);
  return found.startsWith(begin) && found.endsWith(`-${name}`) && found.length === begin.length + 9 + name.length;
}

/** Name of what one reading takes for itself, of `owner` where that is not plain anyway; two readings of one run do not meet. */
export function readingName(working: Working, { owner = "", start = "." } = {}): string {
  return temporaryName({ name: `${owner}${READING}${working.host.clock.random(READING_BYTES)}` }, working, start);
}

/** Whether a reading of another run took what has this name: that run is over, only one at a time works on a volume. */
export function isLeftReading(found: string, working: Working, { owner = "", start = "." } = {}): boolean {
  const begin = prefix(working, start);
  const run = shortRun(working.runId);
  const tail = found.slice(begin.length + run.length);
  const isOver = found.startsWith(begin) && found.slice(begin.length, begin.length + run.length) !== run;
  return (
    isOver && tail.startsWith(`-${owner}${READING}`) && tail.length === `-${owner}${READING}`.length + 2 * READING_BYTES
  );
}

const READING = "reading.";
const READING_BYTES = 2;

/** @throws RootloomError for a name that not every backend could take. */
export function checkSnapshotName(name: string): void {
  if (/^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$/.test(name)) return;
  throw new RootloomError(`cannot name a snapshot ${JSON.stringify(name)}: it is no plain name`, {
    hint: "use up to 100 letters, digits, `_`, `.` and `-`, the first a letter or a digit",
  });
}

function prefix({ instance }: Pick<Working, "instance">, start: string): string {
  return `${start}rootloom-${instance.slice(0, 8)}-`;
}
