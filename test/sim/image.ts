import type { EntryType } from "../../src/core/entry.ts";
import { readImage } from "./artifacts.ts";
import { rootPath, STATE } from "./site.ts";
import { smallTree } from "./tree.ts";
import type { World } from "./world.ts";

interface Expected {
  readonly type: EntryType;
  readonly mode: number;
  readonly content: string;
}

/** Compares an image with its root and overlays as they are, by a merge and a reader that share nothing with the packer. */
export function checkImage(world: World, name: string): readonly string[] {
  const { files } = world.observer.outside;
  const place = `${STATE}/artifacts/${name}/current`;
  const file = files.list(place)?.find((entry) => entry.startsWith("initramfs"));
  const bytes = file === undefined ? undefined : files.readBytes(`${place}/${file}`);
  if (bytes === undefined) return [`image ${name} is not there`];
  const found = readImage(bytes);
  const expected = expectedImage(world, name);
  const wrong: string[] = [];
  for (const [path, { type, mode, content }] of expected) {
    const entry = found.get(path);
    if (entry === undefined) wrong.push(`image ${name} lacks ${path}`);
    else if (type === "file" && entry.content !== content)
      wrong.push(`image ${name}: ${path} holds ${entry.content.trim()}`);
    else if (type !== "symlink" && (entry.mode & 0o7777) !== mode)
      wrong.push(`image ${name}: ${path} has another mode`);
  }
  for (const path of found.keys()) if (path !== "." && !expected.has(path)) wrong.push(`image ${name} holds ${path}`);
  return wrong.slice(0, 3);
}

function expectedImage(world: World, name: string): ReadonlyMap<string, Expected> {
  const image = world.site.images[name];
  const merged = new Map<string, Expected>();
  if (image === undefined) return merged;
  const exclude = image.exclude.length > 0;
  for (const [path, entry] of baseOf(world, image.root)) {
    const isLeftOut = path === "" || path.split("/")[0] === ".rootloom" || (exclude && path.startsWith("var/"));
    if (!isLeftOut) merged.set(path, entry);
  }
  addParents(merged, "dev/console");
  merged.set("dev/console", { type: "character", mode: 0o600, content: "" });
  const layers = ["common", ...image.overlays.filter((layer) => world.site.overlays[layer] !== undefined)];
  for (const layer of layers.sort(byOrder)) {
    const overlay = world.site.overlays[layer];
    for (const path of overlay?.deletes ?? []) merged.delete(path);
    for (const [written, content] of Object.entries(overlay?.files ?? {})) {
      const path = merged.get("bin")?.type === "symlink" ? written.replace(/^bin\//, "usr/bin/") : written;
      const mode = path.endsWith(".conf")
        ? Number.parseInt(overlay?.mode ?? "", 8)
        : /(tool|init)$/.test(path)
          ? 0o755
          : 0o644;
      addParents(merged, path);
      merged.set(path, { type: "file", mode, content });
    }
  }
  return merged;
}

function addParents(merged: Map<string, Expected>, path: string): void {
  for (let end = path.indexOf("/"); end > 0; end = path.indexOf("/", end + 1)) {
    const parent = path.slice(0, end);
    if (!merged.has(parent)) merged.set(parent, { type: "directory", mode: 0o755, content: "" });
  }
}

function byOrder(one: string, other: string): number {
  const order = (name: string): number => (name === "common" ? 10 : name.startsWith("hardware") ? 20 : 30);
  return order(one) - order(other) || (one < other ? -1 : 1);
}

function baseOf(world: World, rootName: string): ReadonlyMap<string, Expected> {
  const { files } = world.observer.outside;
  const root = world.site.roots[rootName];
  const top = root === undefined ? "" : rootPath(rootName, root);
  const entries = new Map<string, Expected>();
  if (top === "") {
    for (const { path, type, mode, content = [], target } of smallTree("tarball 0")) {
      const source = type === "hardlink" ? smallTree("").find((member) => member.path === target) : undefined;
      const bytes = source?.content ?? content;
      entries.set(path, {
        type: type === "hardlink" ? "file" : type,
        mode,
        content: Buffer.from(bytes).toString("latin1"),
      });
    }
    return entries;
  }
  for (const { path, type, mode } of files.scan(top)) {
    const bytes = type === "file" ? (files.readBytes(`${top}/${path}`) ?? []) : [];
    entries.set(path, { type, mode, content: Buffer.from(bytes).toString("latin1") });
  }
  return entries;
}
