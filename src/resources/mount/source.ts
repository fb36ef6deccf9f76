import { toTreePath } from "../../core/entry.ts";
import { RootloomError } from "../../core/error.ts";
import type { MountResource } from "../../core/resource.ts";
import type { Files } from "../../host/ports.ts";
import { checkHostPath, isWithin } from "../limits.ts";
import type { Places } from "../types.ts";
import { resolveOwnership } from "../volume/owner.ts";
import { standing } from "../volume/top.ts";
import { isBind, isImageFile } from "./types.ts";

/** What a look at a source needs. */
export interface SourceContext extends Pick<Places, "limits" | "state" | "instance"> {
  readonly host: { readonly files: Files };
}

const KERNEL_FILESYSTEMS = ["/dev", "/proc", "/sys"];

/** @throws RootloomError for a source that the host's limits forbid, or that the kernel would take for less than was asked. */
export function checkSource(resource: MountResource, { host: { files }, limits, state }: SourceContext): void {
  const { type, source, options, target } = resource;
  if (!isBind(resource) && !isImageFile(resource)) return;
  if (type === "rbind" && options.length > 0) {
    throw new RootloomError(
      `cannot mount ${target}: the kernel would apply ${options.join(",")} to the top of an rbind only`,
      { hint: "declare a bind for each mount that needs the options" },
    );
  }
  // The kernel follows a link in a source's last name too, and those of /proc (`/proc/1/root`) lead anywhere.
  const real = files.realPath(source) ?? source;
  if (isBind(resource) && isOfKernel(source) && isOfKernel(real)) return;
  for (const path of new Set([source, real])) {
    const refusal = checkHostPath(files, path, limits, state);
    if (refusal !== undefined) throw refusal;
  }
  checkFolder(resource, real, files);
}

/**
 * Asked just before a mount is made: the volume of the source is really there, its folder is made where it is missing.
 * What would be bound from below a volume that is not mounted would be written to the disk of the host.
 */
export function provideSource(resource: MountResource, context: SourceContext): void {
  const { files } = context.host;
  const { volume, folder, source, target } = resource;
  if (!isBind(resource) && !isImageFile(resource)) return;
  if (volume !== undefined) {
    const name = volume.id.slice("volume/".length);
    const top = standing(volume.path, name, context, files);
    if (top.state !== "ours") {
      const what = top.state === "absent" ? "not there" : `not mounted, or another's: ${top.what} stands at its place`;
      throw missing(target, `its volume ${name} is ${what}`, `see ${volume.id}, and make it: rootloom apply`);
    }
  }
  if (folder !== undefined) keepFolder(resource, files);
  const found = files.realPath(source);
  if (found === undefined) {
    const hint = resource.artifact === undefined ? "make it, or declare the volume that holds it" : "rootloom apply";
    throw missing(target, `its source ${source} is not there`, hint);
  }
}

/** Owner and mode of a declared folder that differ, for people; none while it is not there. */
export function folderDifferences({ folder, source }: MountResource, files: Files): readonly string[] {
  const stat = folder === undefined ? undefined : files.stat(source);
  if (folder === undefined || stat === undefined) return [];
  const { ownership, mode } = folder;
  const owner = ownership && resolveOwnership(files, ownership);
  const found: string[] = [];
  if (owner !== undefined && (owner.owner !== stat.owner || owner.group !== stat.group)) {
    found.push(`${source} belongs to ${stat.owner}:${stat.group}, ${owner.owner}:${owner.group} is declared`);
  }
  if (mode !== undefined && stat.mode !== mode) {
    found.push(`${source} has mode ${octal(stat.mode)}, ${octal(mode)} is declared`);
  }
  return found;
}

/** Makes a declared folder in its volume, or gives it back its owner and mode; through a handle, never through a link. */
export function keepFolder(resource: MountResource, files: Files): void {
  const { volume, folder } = resource;
  if (volume === undefined || folder === undefined) return;
  const wanted = attributesOf(resource, files);
  const tree = files.openTree(volume.path);
  try {
    const names = folder.path.split("/");
    for (const [index] of names.entries()) {
      const path = toTreePath(names.slice(0, index + 1).join("/"));
      const isLast = index === names.length - 1;
      const stat = tree.stat(path);
      const plain = { owner: 0, group: 0, mode: 0o755 };
      if (stat === undefined) tree.makeDirectory(path, isLast ? { ...plain, ...wanted } : plain);
      else if (isLast && folderDifferences(resource, files).length > 0) {
        const { owner, group, mode } = stat;
        tree.setAttributes(path, { owner, group, mode, ...wanted });
      }
    }
  } finally {
    tree.close();
  }
}

function attributesOf(
  { folder, target }: MountResource,
  files: Files,
): { readonly owner?: number; readonly group?: number; readonly mode?: number } {
  const { ownership, mode } = folder ?? { ownership: undefined, mode: undefined };
  const owner = ownership && resolveOwnership(files, ownership);
  if (ownership !== undefined && owner === undefined) {
    const name = `${ownership.owner}:${ownership.group}`;
    throw new RootloomError(`cannot mount ${target}: no user or group ${name} on this host`, {
      hint: "create them, or use numbers",
    });
  }
  return { ...owner, ...(mode === undefined ? {} : { mode }) };
}

/** A folder of a volume is in that volume: no link in it leads elsewhere. */
function checkFolder({ volume, folder, source, target }: MountResource, real: string, files: Files): void {
  if (volume === undefined || folder === undefined) return;
  const top = files.realPath(volume.path) ?? volume.path;
  if (real === source || isWithin(real, top)) return;
  throw new RootloomError(`cannot mount ${target}: a link in ${source} leads out of its volume, to ${real}`, {
    hint: "replace the link by a directory",
  });
}

function isOfKernel(path: string): boolean {
  return KERNEL_FILESYSTEMS.some((top) => isWithin(path, top));
}

function missing(target: string, why: string, hint: string): RootloomError {
  return new RootloomError(`cannot mount ${target}: ${why}`, { hint, retry: "waiting", condition: "SourceMissing" });
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, "0");
}
