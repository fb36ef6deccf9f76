import { posix } from "node:path";
import { type TreePath, toTreePath } from "../../core/entry.ts";
import { RootloomError } from "../../core/error.ts";
import type { ArtifactResource, PickedFirmware } from "../../core/resource.ts";
import type { TreeHandle } from "../../host/ports.ts";
import { compileExcludes } from "../../pack/excludes.ts";
import { copyOut } from "../kernel/copy-out.ts";
import { lookOver } from "../sights.ts";
import type { PickContext } from "./picked.ts";

/** A folder of firmware, resolved in its root or volume, and what is picked of it. */
export interface FoundFirmware {
  readonly top: string;
  readonly folder: TreePath;
  readonly files: readonly string[];
  readonly key: string;
}

/** @throws RootloomError (waiting) where the folder is not there. */
export async function findFirmwareFolder(
  { name }: ArtifactResource,
  { top, folder, files, place }: PickedFirmware,
  { host, signal }: PickContext,
): Promise<FoundFirmware> {
  const real = host.files.stat(top)?.type === "directory" ? resolveIn(host.files.openTree(top), folder) : undefined;
  if (real === undefined)
    throw new RootloomError(`cannot take firmware into ${name}: ${posix.join(top, folder)} is not there`, {
      hint: `see ${place}`,
      retry: "waiting",
      condition: "Waiting",
    });
  const [seen] = await lookOver(host.jobs, { path: posix.join(top, real), views: [[]] }, signal);
  return { top, folder: real, files, key: JSON.stringify([seen?.digest, files]) };
}

/** Copies what the patterns name below `lib/firmware` of a folder; what a link leads to comes with it. */
export async function fillFirmware(
  { name }: ArtifactResource,
  { top, folder, files: patterns }: FoundFirmware,
  into: string,
  { host }: PickContext,
): Promise<void> {
  const { files } = host;
  const tree = files.openTree(top);
  try {
    const all = new Map([...namesBelow(tree, folder, "")]);
    requireAll(name, patterns, [...all.keys()]);
    const { covers } = compileExcludes(patterns);
    const next = [...all.keys()].filter((path) => covers(toTreePath(path)));
    const done = new Set<string>();
    for (let path = next.pop(); path !== undefined; path = next.pop()) {
      if (done.has(path)) continue;
      done.add(path);
      const to = posix.join(into, "lib/firmware", path);
      files.makeDirectories(posix.dirname(to), 0o755);
      const target = all.get(path) ?? "";
      if (target === "") copyOut(top, `${folder}/${path}`, to, files);
      else {
        files.writeLink(to, target);
        const leads = posix.join(posix.dirname(path), target);
        next.push(...[...all.keys()].filter((each) => each === leads || each.startsWith(`${leads}/`)));
      }
    }
  } finally {
    tree.close();
  }
}

/** Files and links below a folder, by their path in it; of a link its target. */
function* namesBelow(tree: TreeHandle, folder: TreePath, prefix: string): Generator<readonly [string, string]> {
  const here = prefix === "" ? folder : `${folder}/${prefix}`;
  for (const name of tree.list(toTreePath(here))) {
    const path = prefix === "" ? name : `${prefix}/${name}`;
    const full = toTreePath(`${folder}/${path}`.replace(/^\//, ""));
    const type = tree.stat(full)?.type;
    if (type === "directory") yield* namesBelow(tree, folder, path);
    else if (type === "file") yield [path, ""];
    else if (type === "symlink") yield [path, tree.readLink(full)];
  }
}

/** A pattern that names nothing is misspelt, or its package is not installed. */
function requireAll(image: string, patterns: readonly string[], names: readonly string[]): void {
  const missing = patterns.filter((pattern) => {
    const { covers } = compileExcludes([pattern]);
    return !names.some((name) => covers(toTreePath(name)));
  });
  if (missing.length === 0) return;
  throw new RootloomError(`cannot pack ${image}: there is no firmware ${missing.join(", ")}`, {
    hint: "correct `firmware.files`, or install the package that has it",
  });
}

function resolveIn(tree: TreeHandle, folder: TreePath): TreePath | undefined {
  try {
    const real = tree.resolve(folder);
    return real !== undefined && tree.stat(real)?.type === "directory" ? real : undefined;
  } finally {
    tree.close();
  }
}
