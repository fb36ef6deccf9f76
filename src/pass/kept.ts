import { sizeText } from "../report/paint.ts";
import { OWN_FOLDER } from "../resources/marker.ts";
import { detail } from "../resources/owned.ts";
import { standing } from "../resources/volume/top.ts";
import type { State } from "../state/types.ts";
import type { Session } from "./types.ts";

/** Something of a user's that a pass moved out of the way. */
export interface Kept {
  readonly path: string;
  readonly what: string;
  /** False for what taking an overlay out again needs. */
  readonly removable: boolean;
  readonly entries: number;
  readonly size_bytes: number;
  /** Of the directory that was measured: no other one is ever removed. */
  readonly inode: number;
}

const KEPT_FOLDERS = [
  ["kept", "a replaced root", true],
  ["set-aside", "what a correction took out", true],
  ["originals", "what overlays were laid over", false],
] as const;

/** What stands in our own folders of the volumes that are ours, with its size. */
export async function listKept({ host, configuration }: Session, state: State): Promise<readonly Kept[]> {
  const { files, jobs } = host;
  const { limits, cache, state: directory } = configuration;
  const places = { instance: state.instance, state: directory, cache, limits };
  const kept: Kept[] = [];
  for (const record of state.records()) {
    const volume = detail(record, "path");
    if (record.kind !== "volume" || standing(volume, record.name, places, files).state !== "ours") continue;
    for (const [folder, what, removable] of KEPT_FOLDERS) {
      for (const name of files.list(`${volume}/${OWN_FOLDER}/${folder}`) ?? []) {
        const path = `${volume}/${OWN_FOLDER}/${folder}/${name}`;
        const stat = files.stat(path);
        if (stat?.type !== "directory") continue;
        const { entries, size_bytes } = await jobs.run("measure", { path });
        kept.push({ path, what, removable, entries, size_bytes, inode: stat.inode });
      }
    }
  }
  return kept;
}

/** Removes them one by one; never across a mount, and only the directories that were listed. */
export async function removeKept({ host }: Session, kept: readonly Kept[]): Promise<void> {
  for (const { path, inode } of kept) await host.jobs.run("remove", { path, inode });
}

/** One line: `/srv/v/.rootloom/kept/debian-20261121T074500Z (a replaced root): 8742 entries, 160.2 MiB, kept`. */
export function showKept(kept: Kept, isGoing: boolean, isGone: boolean): string {
  const { path, what, removable, entries, size_bytes } = kept;
  const stays = removable ? "kept (remove it with --kept-roots)" : "kept: an overlay that goes puts it back";
  const verdict = !isGoing ? stays : isGone ? "removed" : "would be removed";
  return `${path} (${what}): ${entries} entries, ${sizeText(size_bytes)}, ${verdict}`;
}
