import { posix } from "node:path";
import { RootloomError } from "../../core/error.ts";
import type { TreeResource } from "../../core/resource.ts";
import type { Files } from "../../host/ports.ts";
import { writeMarker } from "../marker.ts";
import { removeDirectory } from "../remove.ts";
import type { ApplyContext, OpenEffect } from "../types.ts";
import { sweepBuilds } from "./build.ts";
import { type Built, readBuilt } from "./built.ts";
import { standing } from "./observe.ts";
import { buildPaths, treePaths } from "./paths.ts";

interface Place {
  readonly name: string;
  readonly path: string;
  readonly volumePath: string;
}

/** What is known of one top beside its marker and its manifest, and goes where it goes. */
const NOTES = ["laid", "provision"] as const;

/**
 * Puts a finished build into the tree's place, which must be empty. Each part may have been done before:
 * the marker goes first, and means the new top wherever it stands.
 */
export function placeBuilt(tree: Place, built: Built, files: Files): void {
  const paths = treePaths(tree.volumePath, tree.name);
  const parts = buildPaths(built.folder);
  if (files.stat(tree.path) !== undefined)
    throw new RootloomError(`cannot place tree ${tree.name}: something stands at ${tree.path}`, { hint: "plan again" });
  if (files.stat(parts.manifest) !== undefined) files.rename(parts.manifest, paths.manifest);
  for (const part of NOTES) if (files.stat(parts[part]) !== undefined) files.rename(parts[part], paths[part]);
  writeMarker(files, paths.marker, built.marker);
  files.makeDirectories(posix.dirname(tree.path));
  files.rename(parts.root, tree.path);
  files.removeFile(parts.marker);
  files.removeDirectory(built.folder);
}

/** Moves the old top with copies of its marker and manifest into a folder of `.rootloom/kept`. */
export function keepOld(tree: Place, kept: string, files: Files): void {
  const paths = treePaths(tree.volumePath, tree.name);
  if (files.stat(kept) === undefined) files.makeDirectory(kept, { owner: 0, group: 0, mode: 0o700 });
  copy(paths.marker, posix.join(kept, "marker.json"), files);
  copy(paths.manifest, posix.join(kept, "manifest"), files);
  files.rename(tree.path, posix.join(kept, "root"));
  for (const part of NOTES)
    if (files.stat(paths[part]) !== undefined) files.rename(paths[part], posix.join(kept, `${part}.json`));
}

/** The two journaled renames of a replacement; returns the folder in which the old root is kept. */
export async function swap(resource: TreeResource, built: Built, context: ApplyContext): Promise<string> {
  const { files, clock } = context.host;
  const { name, path, volumePath } = resource;
  const time = new Date(clock.now_ms()).toISOString().replace(/[-:]|\.\d+/g, "");
  const kept = freeName(posix.join(treePaths(volumePath, name).kept, `${name}-${time}`), files);
  const details = { name, path, volumePath, kept, build: built.folder };
  await context.effect("tree.swap.keep-old", details, () => keepOld(resource, kept, files));
  await context.effect("tree.swap.place-new", details, () => placeBuilt(resource, built, files));
  return kept;
}

/**
 * Mends a swap that a kill cut in two: the old root was moved away and the new one not placed. What is
 * there decides, so it may run any number of times.
 */
export async function recoverTree(open: OpenEffect, context: ApplyContext): Promise<void> {
  if (open.effect === "tree.build") return sweepRollback(open, context);
  const { files } = context.host;
  const text = (key: string) => (typeof open.details[key] === "string" ? open.details[key] : "");
  if (open.effect === "tree.place") sweepPlaced(text("path"), text("build"), files);
  if (!/^tree\.(swap\.|restore$)/.test(open.effect)) return;
  const tree = { name: text("name"), path: text("path"), volumePath: text("volumePath") };
  if (open.effect === "tree.restore") return sweepRestore(tree, context);
  if (open.effect === "tree.swap.place-new") sweepPlaced(tree.path, text("build"), files);
  if (tree.path === "" || files.stat(tree.volumePath) === undefined || files.stat(tree.path) !== undefined) return;
  const built = readBuilt(text("build"), context, files);
  if (built !== undefined) return placeBuilt(tree, built, files);
  const old = posix.join(text("kept"), "root");
  if (files.stat(old)?.type !== "directory") return;
  files.rename(old, tree.path);
  // Without them, what overlays laid into it would be taken for somebody's edits, and its steps would run again.
  for (const part of NOTES) {
    const note = posix.join(text("kept"), `${part}.json`);
    if (files.stat(note) !== undefined) files.rename(note, treePaths(tree.volumePath, tree.name)[part]);
  }
}

/** What was extracted to be laid: from the next pass on it is extracted anew. In a copy of our volume nothing is ours. */
async function sweepRestore(tree: Place, context: ApplyContext): Promise<void> {
  if (tree.path === "" || standing(tree, context, context.host.files).state !== "ours") return;
  await sweepBuilds(treePaths(tree.volumePath, tree.name), tree.name, undefined, context.host);
}

/** The folder of a build whose top is in its place already. */
function sweepPlaced(path: string, build: string, files: Files): void {
  const { root, marker } = buildPaths(build);
  if (build === "" || files.stat(path) === undefined || files.stat(build) === undefined) return;
  if (files.stat(root) !== undefined) return;
  if (files.stat(marker) !== undefined) files.removeFile(marker);
  files.removeDirectory(build);
}

/** A copy of a snapshot that a kill kept from its place: a person asks for it again. Other builds are gone on with. */
async function sweepRollback({ details }: OpenEffect, { host }: ApplyContext): Promise<void> {
  const { folder, path, snapshot } = details;
  if (typeof snapshot !== "string" || host.files.stat(String(path)) === undefined) return;
  await removeDirectory(host, String(folder));
}

function copy(from: string, to: string, files: Files): void {
  if (files.stat(from) === undefined) return;
  if (files.stat(to) !== undefined) files.removeFile(to);
  files.copyFile(from, to);
}

function freeName(path: string, files: Files): string {
  let name = path;
  for (let count = 2; files.stat(name) !== undefined; count++) name = `${path}-${count}`;
  return name;
}
