import { RootloomError } from "../core/error.ts";
import type { Database, Files, Host } from "../host/ports.ts";

const INSTANCE = /^[0-9a-f]{32}$/;

/** The id in `STATE/instance`, or undefined where there is no such file. */
export function readInstance(files: Files, directory: string): string | undefined {
  const text = files.readText(`${directory}/instance`)?.trim();
  if (text === undefined || INSTANCE.test(text)) return text;
  throw new RootloomError(`cannot read ${directory}/instance: it holds no instance id`, {
    hint: "it is 32 hex digits; the same id stands in every marker this installation wrote (.rootloom/volume.json)",
  });
}

/**
 * The id of this installation. It stands in the store and in a file of its own, so that losing either
 * does not make our own objects foreign; what is missing is written again.
 */
export function ensureInstance(host: Host, directory: string, database: Database): string {
  const stored = storedInstance(database);
  const kept = readInstance(host.files, directory);
  if (stored !== undefined && kept !== undefined && stored !== kept) {
    throw new RootloomError(`cannot open the state: ${directory}/instance says ${kept} and its store says ${stored}`, {
      hint: "the directory was mixed from two installations: put the matching file back, or move rootloom.db aside",
    });
  }
  const instance = kept ?? stored ?? host.clock.random(16);
  if (kept === undefined) writeInstance(host, directory, instance);
  if (stored === undefined) database.run("insert into meta (name, value) values ('instance', ?)", instance);
  return instance;
}

export function storedInstance(database: Database): string | undefined {
  const value = database.all("select value from meta where name = 'instance'")[0]?.value;
  return typeof value === "string" ? value : undefined;
}

function writeInstance(host: Host, directory: string, instance: string): void {
  const top = host.files.stat(directory);
  const attributes = { owner: host.processes.userId, group: top?.group ?? 0, mode: 0o600 };
  host.files.writeFile(`${directory}/instance`, `${instance}\n`, attributes);
}
