import { openState } from "../../src/state/state.ts";
import { LOOP, STATE } from "./site.ts";
import type { World } from "./world.ts";

/** A volume or root with data of people in it, known by its inode. */
interface Living {
  readonly id: string;
  readonly path: string;
  readonly inode: number;
  readonly protect: boolean;
  readonly top: string;
}

/** What is recorded and stands before a pass: it must stand after it too, or be kept, unless a person said otherwise. */
export function livingThings(world: World): readonly Living[] {
  const { files } = world.observer.outside;
  return recordsOf(world).flatMap(({ id, kind, details, protect }) => {
    if (kind !== "volume" && kind !== "tree") return [];
    // What lies in an image is not seen while that is not mounted: the image stands for it.
    const isInImage = details.volume === `volume/${LOOP}`;
    if (isInImage) return [];
    const path = String(details.device ?? "") === "" ? String(details.path) : String(details.device);
    const stat = files.stat(path);
    const top = String(details.volumePath ?? path);
    return stat?.type === "directory" || stat?.type === "file" ? [{ id, path, inode: stat.inode, protect, top }] : [];
  });
}

/** Reports what is gone without anybody's leave. */
export function checkLiving(world: World, before: readonly Living[]): void {
  const { files } = world.observer.outside;
  const isTouched = (path: string): boolean =>
    [...world.touched].some((touched) => path === touched || path.startsWith(`${touched}/`));
  for (const { id, path, inode, protect, top } of before) {
    if (isTouched(path)) continue;
    const places = [path, ...foldersOf(world, `${top}/.rootloom/kept`), ...foldersOf(world, `${top}/.rootloom/build`)];
    if (places.some((place) => files.stat(place)?.inode === inode)) continue;
    const volume = `volume/${top.slice(top.lastIndexOf("/") + 1)}`;
    const leave = world.mayGo.has(id) || world.mayGo.has(volume);
    if (protect) world.watch.report("protected", `${id} at ${path} is gone, and it was protected`);
    else if (!leave) world.watch.report("destroyed", `${id} at ${path} is gone without approval`);
  }
}

export function recordsOf(world: World) {
  const state = openState(world.observer, STATE, "read");
  try {
    return state.records();
  } finally {
    state.close();
  }
}

function foldersOf(world: World, folder: string): readonly string[] {
  return (world.observer.outside.files.list(folder) ?? []).map((name) => `${folder}/${name}/root`);
}
