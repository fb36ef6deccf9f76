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
