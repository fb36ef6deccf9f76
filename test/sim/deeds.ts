import type { Random } from "../../src/host/fake/random.ts";
import { copyElsewhere, copyInPlace } from "./copies.ts";
import { pick } from "./generate.ts";
import {
  CACHE,
  environmentPath,
  imagePath,
  LOOP,
  LOOP_IMAGE,
  OTHERS,
  rootPath,
  SHARED,
  STATE,
  volumePath,
} from "./site.ts";
import { count, note, type World } from "./world.ts";

/** One thing that somebody else does to the machine; returns what, in words, or undefined where it does not apply. */
type Deed = (world: World, random: Random) => string | undefined;

export const DEEDS: Readonly<Record<string, Deed>> = {
  edit: (world, random) =>
    inRoot(world, random, (path) => write(world, path, `edited by others ${random.integer(1000)}\n`)),
  delete: (world, random) => inRoot(world, random, (path) => removeFile(world, path)),
  add: (world, random) =>
    inRoot(world, random, (_, root) => {
      const path = `${root}/etc/theirs-${random.integer(100_000)}`;
      const content = `theirs, in ${path}\n`;
      world.watch.addMovable(path, content);
      return write(world, path, content);
    }),
  "edit artifact": (world, random) =>
    onArtifact(world, random, (place, name) => {
      const { file } = JSON.parse(world.observer.outside.files.readText(`${place}/report.json`) ?? "{}") as {
        file?: string;
      };
      world.watch.taint(name);
      return file === undefined ? undefined : write(world, `${place}/${file}`, "no image\n");
    }),
  "repoint current": (world, random) =>
    onArtifact(world, random, (place, name) => {
      world.watch.taint(name);
      const link = `${place.slice(0, place.lastIndexOf("/"))}/current`;
      world.observer.outside.files.writeLink(link, random.chance(0.5) ? "elsewhere" : "0123456789abcdef");
      return link;
    }),
  "remove generation": (world, random) =>
    onArtifact(world, random, (place, name) => {
      world.watch.taint(name);
      return removeTree(world, place);
    }),
  unmount: (world, random) => {
    const { files } = world.observer.outside;
    const targets = files
      .mounts()
      .flatMap(({ target }) => (target === "/" || world.foreignMounts.has(target) ? [] : [target]));
    if (targets.length === 0) return undefined;
    const target = pick(targets, random);
    world.touched.add(target);
    void world.observer.outside.run("umount", target).catch(() => undefined);
    return target;
  },
  "mount something": (world, random) => {
    const root = aRoot(world, random);
    if (root === undefined) return undefined;
    const target = `${root}/${pick(["run", "mnt", "var"], random)}`;
    const { files, run } = world.observer.outside;
    if (files.stat(target)?.type !== "directory" || files.mounts().some((entry) => entry.target === target))
      return undefined;
    world.foreignMounts.add(target);
    void run("mount", "-t", "tmpfs", "theirs", target).catch(() => undefined);
    const remove = (): void => void run("umount", target).catch(() => undefined);
    world.obstacles.push({ what: `a mount at ${target}`, remove });
    return target;
  },
  "change link": (world, random) => {
    const link = pick(
      (world.observer.outside.files.list(`${STATE}/links`) ?? []).filter((name) => !name.startsWith(".")),
      random,
    );
    if (link === undefined) return undefined;
    if (random.chance(0.5)) return removeFile(world, `${STATE}/links/${link}`);
    world.touched.add(`${STATE}/links/${link}`);
    world.observer.outside.files.writeLink(`${STATE}/links/${link}`, "theirs");
    world.obstacles.push({
      what: `${link} leads elsewhere`,
      remove: () => void removeFile(world, `${STATE}/links/${link}`),
    });
    return link;
  },
  "change environment file": (world, random) => {
    const path = environmentPath("arm");
    if (world.observer.outside.files.stat(path) === undefined) return undefined;
    return random.chance(0.5) ? removeFile(world, path) : write(world, path, "VALUE='theirs'\n");
  },
  "change volume mode": (world, random) => {
    const path = aVolume(world, random);
    if (path === undefined) return undefined;
    world.observer.outside.files.setAttributes(path, { owner: 1000, group: 0, mode: 0o777 });
    return path;
  },
  "note in a volume": (world, random) => {
    const path = aVolume(world, random);
    if (path === undefined) return undefined;
    world.watch.addMovable(`${path}/notes`, `notes in ${path}\n`);
    return write(world, `${path}/notes`, `notes in ${path}\n`);
  },
  "remove volume": (world, random) => {
    const path = aVolume(world, random);
    if (path === undefined || !random.chance(0.3)) return undefined;
    return removeTree(world, path);
  },
  "copy in place of a volume": (world, random) => {
    const path = aVolume(world, random);
    return path === undefined ? undefined : copyInPlace(world, random, path, "root/etc");
  },
  "copy in place of an image": (world, random) =>
    onArtifact(world, random, (_, name) => {
      world.watch.taint(name);
      return copyInPlace(world, random, imagePath(name), "");
    }),
  "copy a volume elsewhere": (world, random) => {
    const path = aVolume(world, random);
    return path === undefined ? undefined : copyElsewhere(world, random, path);
  },
  "foreign volume": (world, random) => {
    const name = pick(["one", "two"], random);
    const path = volumePath(name);
    if (world.observer.outside.files.stat(path) !== undefined) return undefined;
    world.watch.addCanary(write(world, `${path}/theirs`, "a folder of others\n"));
    const remove = (): void => {
      const { files } = world.observer.outside;
      if (files.stat(`${path}/.rootloom/volume.json`) !== undefined) {
        if (!world.approved.has(`volume/${name}`))
          world.watch.report("adopt", `${path} of others is marked as ours, and nobody said that it is`);
        return;
      }
      world.watch.dropCanary(`${path}/theirs`);
      if (files.stat(path) !== undefined) files.rename(path, `${OTHERS}/taken-back-${random.hex(4)}`);
    };
    world.obstacles.push({ what: `a folder at ${path}`, remove });
    return path;
  },
  "foreign image": (world, random) => {
    const { files } = world.observer.outside;
    if (files.stat(LOOP_IMAGE) !== undefined) return undefined;
    world.watch.addCanary(write(world, LOOP_IMAGE, "an image of others\n"));
    const remove = (): void => {
      world.watch.dropCanary(LOOP_IMAGE);
      if (files.stat(LOOP_IMAGE) !== undefined) files.rename(LOOP_IMAGE, `${OTHERS}/taken-back-${random.hex(4)}`);
    };
    world.obstacles.push({ what: `an image at ${LOOP_IMAGE}`, remove });
    return LOOP_IMAGE;
  },
  "link out of a root": (world, random) => {
    const root = aRoot(world, random);
    const { files } = world.observer.outside;
    if (root === undefined || files.stat(`${root}/opt`)?.type !== "directory" || files.stat(`${root}/opt.theirs`))
      return undefined;
    world.touched.add(`${root}/opt`);
    files.rename(`${root}/opt`, `${root}/opt.theirs`);
    files.writeLink(`${root}/opt`, random.chance(0.5) ? SHARED : "../../../../../../srv/hosts/shared");
    const remove = (): void => {
      if (files.readLink(`${root}/opt`) !== undefined) files.removeFile(`${root}/opt`);
      if (files.stat(`${root}/opt`) === undefined && files.stat(`${root}/opt.theirs`))
        files.rename(`${root}/opt.theirs`, `${root}/opt`);
    };
    world.obstacles.push({ what: `${root}/opt leads out`, remove });
    return `${root}/opt`;
  },
  "clear caches": (world) => removeTree(world, CACHE),
};

/** Somebody edits, in every root, one of the files that overlays lay into it. */
export function editWhatIsLaid(world: World, random: Random): void {
  const roots = Object.entries(world.site.roots).map(([name, root]) => rootPath(name, root));
  const paths = Object.values(world.site.overlays).flatMap(({ into, files }) =>
    into.length === 0 ? [] : Object.keys(files),
  );
  const path = pick(paths, random);
  if (path === undefined) return;
  count(world, "others: edit what is being laid");
  note(world, `others: edit ${path} everywhere`);
  for (const root of roots) {
    const { files } = world.observer.outside;
    if (root !== "" && files.stat(`${root}/etc`)?.type === "directory") write(world, `${root}/${path}`, "theirs\n");
  }
}

/** Draws a deed and does it; of some that do not apply, the next that does. */
export function doDeed(world: World, random: Random): void {
  for (let draw = 0; draw < 4; draw += 1) {
    const name = pick([...Object.keys(DEEDS), ...OFTEN], random);
    const what = DEEDS[name]?.(world, random);
    if (what === undefined) continue;
    count(world, `others: ${name}`);
    note(world, `others: ${name} ${what}`);
    return;
  }
}

/** These tell the most: they come far more often. */
const OFTEN = ["copy in place of a volume", "copy in place of a volume", "foreign volume", "change link"].flatMap(
  (name) => [name, name, name],
);
const VICTIMS = ["etc/hostname", "etc/always.conf", "opt/c.conf", "usr/bin/sh", "etc/a.conf", "etc/release"];

function inRoot(
  world: World,
  random: Random,
  act: (path: string, root: string) => string | undefined,
): string | undefined {
  const root = aRoot(world, random);
  return root === undefined ? undefined : act(`${root}/${pick(VICTIMS, random)}`, root);
}

function aRoot(world: World, random: Random): string | undefined {
  const paths = Object.entries(world.site.roots).map(([name, root]) => rootPath(name, root));
  const there = paths.filter(
    (path) => path !== "" && world.observer.outside.files.stat(`${path}/etc`)?.type === "directory",
  );
  return there.length === 0 ? undefined : pick(there, random);
}

function aVolume(world: World, random: Random): string | undefined {
  const paths = Object.keys(world.site.volumes)
    .filter((name) => name !== "old" && name !== LOOP)
    .map(volumePath);
  const there = paths.filter(
    (path) => world.observer.outside.files.stat(`${path}/.rootloom/volume.json`) !== undefined,
  );
  return there.length === 0 ? undefined : pick(there, random);
}

function onArtifact(
  world: World,
  random: Random,
  act: (place: string, name: string) => string | undefined,
): string | undefined {
  const { files } = world.observer.outside;
  const there = ["i1", "i2", "i3"].filter(
    (name) => files.stat(`${STATE}/artifacts/${name}/current/report.json`) !== undefined,
  );
  if (there.length === 0) return undefined;
  const name = pick(there, random);
  return act(`${STATE}/artifacts/${name}/${files.readLink(`${STATE}/artifacts/${name}/current`)}`, name);
}

function write(world: World, path: string, content: string): string {
  world.touched.add(path);
  const { files, writeFile } = world.observer.outside;
  if (files.stat(path)?.type !== "directory") writeFile(path, content);
  return path;
}

function removeFile(world: World, path: string): string | undefined {
  const { files } = world.observer.outside;
  const stat = files.stat(path);
  if (stat === undefined || stat.type === "directory") return undefined;
  world.touched.add(path);
  files.removeFile(path);
  return path;
}

/** As rm -rf does, but never through a mount: a person who did that would have lost more than we can be blamed for. */
function removeTree(world: World, path: string): string | undefined {
  const { files } = world.observer.outside;
  const stat = files.stat(path);
  if (stat === undefined || files.mounts().some(({ target }) => target.startsWith(`${path}/`))) return undefined;
  world.touched.add(path);
  world.watch.dropCanary(path);
  for (const [place] of world.watch.movables) if (place.startsWith(`${path}/`)) world.touched.add(place);
  files.removeTree(path, stat.inode);
  return path;
}
