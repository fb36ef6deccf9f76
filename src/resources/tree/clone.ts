import { posix } from "node:path";
import { RootloomError } from "../../core/error.ts";
import type { CloneSource, TreeResource } from "../../core/resource.ts";
import { takeLease } from "../lease.ts";
import { OWN_FOLDER } from "../marker.ts";
import { withSpace } from "../space.ts";
import type { ApplyContext } from "../types.ts";
import type { Working } from "../volume/backends/backend.ts";
import { looksLikeRoot } from "./looks.ts";
import { standing } from "./observe.ts";

/** How files were copied. */
export type CopyMeans = "reflink" | "copy";

/**
 * Copies another tree of this host as it stands now to `root`, which must be an empty directory: owners, modes,
 * times, extended attributes, hard links and nodes come along, what is mounted in it and our own notes do not.
 * Data blocks are shared where the file system can (reflink). Nobody enters the origin meanwhile. Returns how it was made.
 */
export async function cloneTree(
  resource: TreeResource,
  source: CloneSource,
  root: string,
  context: ApplyContext,
): Promise<string> {
  const origin = { name: source.tree.slice("tree/".length), path: source.path, volumePath: source.volumePath };
  return whileAtRest(`fill ${resource.id.replace("/", " ")}`, origin, context, async () => {
    context.progress(`copying ${origin.name}`);
    const means = await copyTop(source.path, root, context);
    return means === "reflink" ? "reflink copy" : "plain copy";
  });
}

/**
 * Runs a body while nobody enters the origin of a clone.
 * @throws RootloomError, waiting, where it is not there, or somebody is in it.
 */
export async function whileAtRest<T>(
  what: string,
  origin: Pick<TreeResource, "name" | "path" | "volumePath">,
  context: ApplyContext,
  body: () => Promise<T>,
): Promise<T> {
  const { host, state } = context;
  const refuse = (why: string, hint: string, condition: string) =>
    new RootloomError(`cannot ${what}: its origin ${origin.name} ${why}`, { hint, retry: "waiting", condition });
  const found = standing(origin, context, host.files);
  if (found.state !== "ours" || !looksLikeRoot(origin.path, host.files)) {
    const why = `is ${found.what === "" ? "not there, or empty" : found.what}`;
    throw refuse(why, `rootloom plan tree/${origin.name}`, "Empty");
  }
  const lease = await takeLease(host, state, origin.name, "shared");
  if ("holders" in lease)
    throw refuse(`is in use by ${lease.holders}`, "it is copied when they have left it", "RootInUse");
  try {
    return await body();
  } finally {
    lease.release();
  }
}

/** A bind mount of the top alone shows none of the mounts in it; an empty file system hides our own folder. */
const SCRIPT = `
set -e
mount --bind -- "$1" "$2"
mount -o remount,bind,ro -- "$2"
[ ! -d "$2/${OWN_FOLDER}" ] || mount -t tmpfs -o size=4k rootloom "$2/${OWN_FOLDER}"
cp --archive --reflink=auto --one-file-system --no-target-directory -- "$2" "$3"
[ ! -d "$3/${OWN_FOLDER}" ] || rmdir -- "$3/${OWN_FOLDER}"
`;

/** Copies what lies below one directory into another, an empty one; what is mounted in it and our own notes are left out. */
export async function copyTop(from: string, root: string, context: Working): Promise<CopyMeans> {
  const { files, jobs, processes } = context.host;
  const means = tryReflink(from, root, context);
  const window = posix.join(posix.dirname(root), "origin");
  // Blocks that are shared take no room.
  const needed_bytes = means === "copy" ? (await jobs.run("measure", { path: from })).size_bytes : 0;
  await withSpace(context, { path: root, needed_bytes, what: `copy ${from}` }, async () => {
    files.makeDirectory(window, { owner: 0, group: 0, mode: 0o700 });
    await processes.run({
      file: "sh",
      arguments: ["-c", SCRIPT, "sh", from, window, root],
      privateNamespace: true,
      timeout_ms: 0,
      signal: context.signal,
    });
  });
  files.removeDirectory(window);
  return means;
}

/** What the kernel does with one file tells what cp does with all. */
function tryReflink(from: string, root: string, { host: { files } }: Pick<Working, "host">): CopyMeans {
  for (const entry of files.scan(from, { enter: (path) => path !== OWN_FOLDER })) {
    if (entry.type !== "file" || entry.size === 0 || entry.mountPoint) continue;
    const probe = posix.join(posix.dirname(root), "probe");
    try {
      return files.copyFile(posix.join(from, Buffer.from(entry.path, "latin1").toString()), probe);
    } finally {
      if (files.stat(probe) !== undefined) files.removeFile(probe);
    }
  }
  return "copy";
}
