import type { Files } from "../../host/ports.ts";
import { OWN_FOLDER } from "../marker.ts";
import { removeTemporaries } from "../remove.ts";
import type { Places } from "../types.ts";
import { standing } from "./top.ts";

/** Removes halves of our own notes that a kill left in a volume, as long as it is ours: those in a copy are somebody's. */
export function sweepNotes(
  { name, path }: { readonly name: string; readonly path: string },
  places: Pick<Places, "instance">,
  files: Files,
): void {
  if (path === "" || standing(path, name, places, files).state !== "ours") return;
  for (const folder of [`${path}/${OWN_FOLDER}`, `${path}/${OWN_FOLDER}/trees`]) removeTemporaries(files, folder);
}
