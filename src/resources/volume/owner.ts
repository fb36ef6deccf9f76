import type { Ownership } from "../../core/resource.ts";
import type { Files } from "../../host/ports.ts";

/** Names to numbers by the host's own passwd and group files; undefined when a name is in neither. */
export function resolveOwnership(
  files: Files,
  ownership: Ownership,
): { readonly owner: number; readonly group: number } | undefined {
  const owner = resolve(files, "/etc/passwd", ownership.owner);
  const group = resolve(files, "/etc/group", ownership.group);
  return owner === undefined || group === undefined ? undefined : { owner, group };
}

function resolve(files: Files, table: string, name: string | number): number | undefined {
  if (typeof name === "number") return name;
  if (/^\d+$/.test(name)) return Number(name);
  if (name === "root") return 0;
  const line = (files.readText(table) ?? "").split("\n").find((row) => row.startsWith(`${name}:`));
  const number = line?.split(":")[2];
  return number === undefined || !/^\d+$/.test(number) ? undefined : Number(number);
}
