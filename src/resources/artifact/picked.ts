import { createHash } from "node:crypto";
import { type TreePath, toTreePath } from "../../core/entry.ts";
import type { ArtifactResource, OverlayEntry } from "../../core/resource.ts";
import type { LayerSource } from "../../host/jobs.ts";
import type { TreeHandle } from "../../host/ports.ts";
import { removeDirectory } from "../remove.ts";
import { lookOver } from "../sights.ts";
import type { ObserveContext } from "../types.ts";
import { fillFirmware, findFirmwareFolder } from "./picked-firmware.ts";
import { fillModules, findModules } from "./picked-modules.ts";
import { OF_HOST } from "./plan.ts";

export type PickContext = Pick<ObserveContext, "host" | "cache" | "signal">;
type Layer = Extract<LayerSource, { readonly type: "overlay" }>;

/** Of how a layer is made from what was picked: another number makes all of them anew. */
const PICK_VERSION = "1";

/** One set of files that is picked for an image: what names it, and how a folder is filled with it. */
interface Picking {
  readonly what: "modules" | "firmware";
  /** Of the host where it is of a root or a volume; of the commit where it is of a built kernel. */
  readonly name: string;
  readonly key: string;
  readonly fill: (folder: string) => Promise<void>;
}

/**
 * The layers of modules and firmware of an image. They are made in the cache, once for each source and choice.
 * @throws RootloomError where something that is picked is not there (waiting where its source is not).
 */
export async function pickedLayers(resource: ArtifactResource, context: PickContext): Promise<readonly LayerSource[]> {
  const layers: LayerSource[] = [];
  if (resource.modules !== undefined) {
    const { from, only } = resource.modules;
    const found = await findModules(resource, resource.modules, context);
    const name = from.type === "kernel" ? "modules" : `${OF_HOST}modules`;
    const fill = (folder: string) => fillModules(resource, found, only, folder, context);
    layers.push(await provide(resource, { what: "modules", name, key: found.key, fill }, context));
  }
  if (resource.firmware !== undefined) {
    const found = await findFirmwareFolder(resource, resource.firmware, context);
    const fill = (folder: string) => fillFirmware(resource, found, folder, context);
    layers.push(
      await provide(resource, { what: "firmware", name: `${OF_HOST}firmware`, key: found.key, fill }, context),
    );
  }
  return layers;
}

/** Folder of all that was picked for an image. */
export function pickedPath(cache: string, image: string): string {
  return `${cache}/picked/${image}`;
}

async function provide(
  { name: image, sourceDate_s }: ArtifactResource,
  { what, name, key, fill }: Picking,
  context: PickContext,
): Promise<Layer> {
  const { files } = context.host;
  const id = createHash("sha256")
    .update(JSON.stringify([PICK_VERSION, key]))
    .digest("hex")
    .slice(0, 32);
  const parent = `${pickedPath(context.cache, image)}/${what}`;
  const [folder, note] = [`${parent}/${id}`, `${parent}/${id}.json`];
  const known = readNote(files.readText(note));
  const isWhole =
    known !== undefined && files.stat(folder) !== undefined && known.sight === (await sightOf(folder, context));
  if (!isWhole) {
    files.makeDirectories(parent, 0o700);
    // Two at once make the same: each beside, under a name of its own.
    const beside = `${parent}/.${id}-${process.pid}`;
    await sweep(parent, folder, context);
    await removeDirectory(context.host, beside);
    files.makeDirectory(beside, { owner: 0, group: 0, mode: 0o755 });
    try {
      await fill(beside);
      files.syncFilesystem(beside);
      // Another process may have made the same meanwhile.
      if (files.stat(folder) === undefined) files.rename(beside, folder);
    } finally {
      if (context.signal?.aborted !== true) await removeDirectory(context.host, beside);
    }
    const made: Note = { sight: await sightOf(folder, context), entries: readEntries(folder, context) };
    files.writeFile(note, JSON.stringify(made), { owner: 0, group: 0, mode: 0o600 });
    return { type: "overlay", name, entries: made.entries, deletions: [], sourceDate_s, digest: id };
  }
  return { type: "overlay", name, entries: known.entries, deletions: [], sourceDate_s, digest: id };
}

type NumberedEntry = Layer["entries"][number];

/** What a folder holds, and what it looked like when that was read. */
interface Note {
  readonly sight: string;
  readonly entries: readonly NumberedEntry[];
}

function readNote(text: string | undefined): Note | undefined {
  try {
    const note = JSON.parse(text ?? "") as Partial<Note>;
    return typeof note.sight === "string" && Array.isArray(note.entries) ? (note as Note) : undefined;
  } catch {
    return undefined;
  }
}

/** Changes whenever anything in the folder does: what somebody changed since is not what was picked. */
async function sightOf(path: string, { host, signal }: PickContext): Promise<string> {
  const [seen] = await lookOver(host.jobs, { path, views: [[]] }, signal);
  return seen?.digest ?? "";
}

/** Layers that no pass has made for a day, halves of a killed one, and the damaged one that is made anew. */
async function sweep(parent: string, damaged: string, { host }: PickContext): Promise<void> {
  const { files, clock } = host;
  const old_ms = clock.now_ms() - 86_400_000;
  for (const name of files.list(parent) ?? []) {
    const path = `${parent}/${name}`;
    const stat = files.stat(path);
    const isOld = (stat?.modified_s ?? 0) * 1000 < old_ms;
    if (stat?.type === "directory" && (isOld || path === damaged)) await removeDirectory(host, path);
    else if (stat?.type === "file" && isOld) files.removeFile(path);
  }
}

function readEntries(folder: string, { host }: PickContext): readonly NumberedEntry[] {
  const tree = host.files.openTree(folder);
  try {
    return [...entriesBelow(tree, folder, toTreePath(""))];
  } finally {
    tree.close();
  }
}

function* entriesBelow(tree: TreeHandle, top: string, folder: TreePath): Generator<NumberedEntry> {
  for (const name of [...tree.list(folder)].sort()) {
    const path = toTreePath(folder === "" ? name : `${folder}/${name}`);
    const stat = tree.stat(path);
    const nothing = { sha256: "", target: "", content: "", major: 0, minor: 0, size: 0, owner: 0, group: 0 };
    if (stat?.type === "directory") {
      yield { ...nothing, path, type: "directory", mode: 0o755, explicit: false };
      yield* entriesBelow(tree, top, path);
    } else if (stat?.type === "symlink") {
      yield { ...nothing, path, type: "symlink", mode: 0o777, target: tree.readLink(path), explicit: true };
    } else if (stat?.type === "file") {
      const content = `${top}/${path}`;
      const file = { sha256: tree.sha256(path), size: stat.size, content, mode: 0o644, explicit: true };
      yield { ...nothing, ...file, path, type: "file" } satisfies OverlayEntry;
    }
  }
}
