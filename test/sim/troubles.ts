import { imagePath, LOOP, rootPath, volumePath } from "./site.ts";
import type { World } from "./world.ts";

/** What others do so that the program has something to correct; this and all others do nothing where they do not apply. */
export function editRoot(world: World, name: string, path: string, content: string): void {
  const root = world.site.roots[name];
  const top = root === undefined ? "" : rootPath(name, root);
  if (top === "" || world.observer.outside.files.stat(`${top}/${path}`)?.type !== "file") return;
  world.touched.add(`${top}/${path}`);
  world.observer.outside.writeFile(`${top}/${path}`, content);
}

export function unmount(world: World, path: string): void {
  const { files, run } = world.observer.outside;
  if (!files.mounts().some((entry) => entry.target === path)) return;
  world.touched.add(path);
  void run("umount", path).catch(() => undefined);
}

export function removeMarker(world: World): void {
  const { files } = world.observer.outside;
  const path = `${volumePath(LOOP)}/.rootloom/volume.json`;
  if (files.stat(path) === undefined) return;
  world.touched.add(path);
  files.removeFile(path);
}

export function repoint(world: World, name: string): void {
  const { files } = world.observer.outside;
  if (files.readLink(`${imagePath(name)}/current`) === undefined) return;
  world.watch.taint(name);
  files.writeLink(`${imagePath(name)}/current`, "elsewhere");
}

export function damage(world: World, name: string): void {
  const { files, writeFile } = world.observer.outside;
  const place = `${imagePath(name)}/current`;
  const file = files.list(place)?.find((entry) => entry.startsWith("initramfs"));
  if (file === undefined) return;
  world.watch.taint(name);
  writeFile(`${place}/${file}`, "no image\n");
}
