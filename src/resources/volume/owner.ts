import { RootloomError } from "../../core/error.ts";
import type { Ownership, VolumeResource } from "../../core/resource.ts";
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

/** The numbers of a volume's declared owner and group. */
export function requireOwnership(
  files: Files,
  { name, ownership }: Pick<VolumeResource, "name" | "ownership">,
): { readonly owner: number; readonly group: number } {
  const numbers = resolveOwnership(files, ownership);
  if (numbers !== undefined) return numbers;
  throw new RootloomError(
    `cannot set the owner of volume ${name}: no user or group ${ownership.owner}:${ownership.group}`,
    { hint: "create them, or use numbers" },
  );
}

function resolve(files: Files, table: string, name: string | number): number | undefined {
  if (typeof name === "number") return name;
  if (/^\d+$/.test(name)) return Number(name);
  if (name === "root") return 0;
  const line = (files.readText(table) ?? "").split("\n").find((row) => row.startsWith(`${name}:`));
  const number = line?.split(":")[2];
  return number === undefined || !/^\d+$/.test(number) ? undefined : Number(number);
}
