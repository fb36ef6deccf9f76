import { posix } from "node:path";
import { RootloomError } from "../../core/error.ts";
import type { CloneSource, TreeResource } from "../../core/resource.ts";
import { takeLease } from "../lease.ts";
import { OWN_FOLDER } from "../marker.ts";
import type { ApplyContext } from "../types.ts";
import type { Working } from "../volume/backends/backend.ts";
import { looksLikeRoot } from "./looks.ts";
import { standing } from "./observe.ts";

/** How a clone was made; the report says which. A backend that has snapshots can do better than both. */
export type CloneMeans = "reflink" | "copy";

/**
 * Copies another tree of this host as it stands now to `root`, which must be an empty directory: owners, modes,
 * times, extended attributes, hard links and nodes come along, what is mounted in it and our own notes do not.
 * Data blocks are shared where the file system can (reflink). Nobody enters the origin meanwhile.
 */
export async function cloneTree(
  resource: TreeResource,
  source: CloneSource,
  root: string,
  context: ApplyContext,
): Promise<CloneMeans> {
  const { host, state } = context;
  const origin = source.tree.slice("tree/".length);
  const refuse = (why: string, hint: string, condition: string) =>
    new RootloomError(`cannot fill tree ${resource.name}: its origin ${origin} ${why}`, {
      hint,
      retry: "waiting",
      condition,
    });
  const found = standing({ name: origin, path: source.path, volumePath: source.volumePath }, context, host.files);
  if (found.state !== "ours" || !looksLikeRoot(source.path, host.files))
    throw refuse(
      `is ${found.what === "" ? "not there, or empty" : found.what}`,
      `rootloom plan ${source.tree}`,
      "Empty",
    );
  const lease = await takeLease(host, state, origin, "shared");
  if ("holders" in lease)
    throw refuse(`is in use by ${lease.holders}`, "it is copied when they have left it", "RootInUse");
  try {
    context.progress(`copying ${origin}`);
    return await copyTop(source.path, root, context);
  } finally {
    lease.release();
  }
}

/** A bind mount of the top alone shows none of the mounts in it; an empty file system hides our own folder. */
const SCRIPT = `
set -e
mount --bind -- "$1" "$2"
mount -o remount,bind,ro -- "$2"
if [ -d "$2/${OWN_FOLDER}" ]; then mount -t tmpfs -o size=4k rootloom "$2/${OWN_FOLDER}"; fi
cp --archive --reflink=auto --one-file-system --no-target-directory -- "$2" "$3"
if [ -d "$3/${OWN_FOLDER}" ]; then rmdir -- "$3/${OWN_FOLDER}"; fi
`;

/** Copies what lies below one directory into another, an empty one; what is mounted in it and our own notes are left out. */
export async function copyTop(from: string, root: string, context: Working): Promise<CloneMeans> {
  const { files, processes } = context.host;
  const means = tryReflink(from, root, context);
  const window = posix.join(posix.dirname(root), "origin");
  files.makeDirectory(window, { owner: 0, group: 0, mode: 0o700 });
  await processes.run({
    file: "sh",
    arguments: ["-c", SCRIPT, "sh", from, window, root],
    privateNamespace: true,
    timeout_ms: 0,
    signal: context.signal,
  });
  files.removeDirectory(window);
  return means;
}

/** What the kernel does with one file tells what cp does with all. */
function tryReflink(from: string, root: string, { host: { files } }: Pick<Working, "host">): CloneMeans {
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
