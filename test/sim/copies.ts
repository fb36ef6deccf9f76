import type { Random } from "../../src/host/fake/random.ts";
import type { Files } from "../../src/host/ports.ts";
import { pick } from "./generate.ts";
import { OTHERS, volumePath } from "./site.ts";
import type { World } from "./world.ts";

const OURS = { owner: 0, group: 0, mode: 0o644 };

/**
 * Something of ours is moved away and a copy of it, markers and all, put in its place: the copy is theirs.
 * @param inside a folder of it in which others then leave a file, which must stay
 */
export function copyInPlace(world: World, random: Random, path: string, inside: string): string | undefined {
  const { files } = world.observer.outside;
  if (files.mounts().some(({ target }) => target.startsWith(`${path}/`))) return undefined;
  const aside = `${OTHERS}/moved-${random.hex(4)}`;
  world.touched.add(path);
  files.rename(path, aside);
  copyTree(files, aside, path);
  const canary = `${path}/${inside}/theirs`.replace("//", "/");
  if (files.stat(`${path}/${inside}`)?.type === "directory") {
    files.writeFile(canary, "in a copy\n", OURS);
    world.watch.addCanary(canary);
  }
  const remove = async (): Promise<void> => {
    await takeAway(world, random, path);
    files.rename(aside, path);
  };
  world.obstacles.push({ what: `a copy at ${path}`, remove });
  return path;
}

/** A copy of one volume appears where another is declared, or will be. */
export function copyElsewhere(world: World, random: Random, from: string): string | undefined {
  const { files } = world.observer.outside;
  const path = volumePath(pick(["one", "two"], random));
  if (files.stat(path) !== undefined) return undefined;
  world.touched.add(path);
  copyTree(files, from, path);
  files.writeFile(`${path}/theirs`, "in a copy\n", OURS);
  world.watch.addCanary(`${path}/theirs`);
  world.obstacles.push({ what: `a copy at ${path}`, remove: () => takeAway(world, random, path) });
  return path;
}

/** Whoever moves a folder away unmounts first what is in it. */
async function takeAway(world: World, random: Random, path: string): Promise<void> {
  const { files, run } = world.observer.outside;
  const inside = files.mounts().filter(({ target }) => target.startsWith(`${path}/`));
  for (const { target } of inside.reverse()) await run("umount", target);
  world.watch.dropCanary(path);
  if (files.stat(path) !== undefined) files.rename(path, `${OTHERS}/copy-${random.hex(4)}`);
}

function copyTree(files: Files, from: string, to: string): void {
  const top = files.stat(from);
  if (top !== undefined) files.makeDirectory(to, top);
  for (const entry of files.scan(from)) {
    const target = `${to}/${entry.path}`;
    if (entry.path === "") continue;
    if (entry.type === "directory") files.makeDirectory(target, entry);
    else if (entry.type === "file") files.writeFile(target, files.readBytes(`${from}/${entry.path}`) ?? "", entry);
    else if (entry.type === "symlink") files.writeLink(target, entry.target);
  }
  files.syncFilesystem(to);
}
