import { posix } from "node:path";
import { type TreePath, toTreePath } from "../../core/entry.ts";
import { RootloomError } from "../../core/error.ts";
import type { ArtifactResource, PickedModules } from "../../core/resource.ts";
import type { TreeHandle } from "../../host/ports.ts";
import { NOBODY, withoutRights } from "../../host/unprivileged.ts";
import { copyOut } from "../kernel/copy-out.ts";
import { CURRENT, readKernel } from "../kernel/generations.ts";
import { MODULES, readModulesList, regularFiles } from "../kernel/modules.ts";
import { requireTool } from "../require-tool.ts";
import { lookOver } from "../sights.ts";
import { moduleName, parseDependencies, parseSoftDependencies, pickModules } from "./module-names.ts";
import type { PickContext } from "./picked.ts";

/** The modules of one release, as they stand below a directory that links in it do not lead out of. */
export interface FoundModules {
  readonly top: string;
  readonly folder: TreePath;
  readonly release: string;
  readonly key: string;
  /** What each file must be; undefined in a root, which says nothing of it. */
  readonly expected: ReadonlyMap<string, string> | undefined;
}

/**
 * Finds the modules that an image picks from.
 * @throws RootloomError (waiting) where there are none yet.
 */
export async function findModules(
  { name }: ArtifactResource,
  { from, only }: PickedModules,
  context: PickContext,
): Promise<FoundModules> {
  const { files } = context.host;
  if (from.type === "tree") return findInTree(name, from, only, context);
  const generation = files.readLink(posix.join(from.path, CURRENT)) ?? "";
  const report = readKernel(files, from.path, generation);
  const directory = posix.join(from.path, generation);
  const listed = report === undefined ? [] : readModulesList(directory, context.host);
  if (report === undefined || listed.length === 0) throw notThere(name, `${from.kernel} is not built yet`, from.kernel);
  const expected = new Map(listed.map(({ path, sha256 }) => [path, sha256]));
  const { release } = report;
  const key = JSON.stringify([generation, [...expected], only ?? "all"]);
  return { top: posix.join(directory, MODULES), folder: toTreePath(release), release, key, expected };
}

async function findInTree(
  image: string,
  { tree: id, top }: Extract<PickedModules["from"], { readonly type: "tree" }>,
  only: PickedModules["only"],
  { host, signal }: PickContext,
): Promise<FoundModules> {
  if (host.files.stat(top)?.type !== "directory") throw notThere(image, "the root is not there", id);
  const tree = host.files.openTree(top);
  try {
    const modules = tree.resolve(toTreePath("lib/modules"));
    const isFolder = modules !== undefined && tree.stat(modules)?.type === "directory";
    const releases = isFolder
      ? tree.list(modules).filter((each) => tree.stat(toTreePath(`${modules}/${each}`))?.type === "directory")
      : [];
    const release = releases.toSorted((one, other) => one.localeCompare(other, "en", { numeric: true })).at(-1);
    if (release === undefined) throw notThere(image, `${id} has no kernel's modules in /lib/modules`, id);
    const folder = toTreePath(`${modules}/${release}`);
    const [seen] = await lookOver(host.jobs, { path: posix.join(top, folder), views: [[]] }, signal);
    return { top, folder, release, key: JSON.stringify([release, seen?.digest, only ?? "all"]), expected: undefined };
  } finally {
    tree.close();
  }
}

/** Copies the picked modules below `lib/modules/RELEASE` of a folder, and lets depmod make their index there. */
export async function fillModules(
  { name: image }: ArtifactResource,
  { top, folder, release, expected }: FoundModules,
  only: readonly string[] | undefined,
  into: string,
  context: PickContext,
): Promise<void> {
  const { files } = context.host;
  requireTool("depmod", `pack ${image}`, "kmod", context);
  const place = posix.join(into, "lib/modules", release);
  const copy = (name: string): void => {
    const to = posix.join(place, name);
    files.makeDirectories(posix.dirname(to), 0o755);
    copyOut(top, `${folder}/${name}`, to, files);
  };
  const tree = files.openTree(top);
  try {
    const all = [...regularFiles(tree, folder)].map((path) => path.slice(folder.length + 1));
    // What depmod makes is made anew; the rest says what is built in, and in which order modules are taken.
    const facts = all.filter((name) => /^modules\.(order|builtin|builtin\.modinfo)$/.test(name));
    const modules = all.filter((name) => /\.ko(\.(gz|xz|zst))?$/.test(name));
    for (const name of [...facts, ...(only === undefined ? modules : [])]) copy(name);
    if (only !== undefined) {
      const known = await indexOf(tree, { folder, release, place, modules, copy }, context);
      for (const name of modules)
        if (files.stat(posix.join(place, name)) !== undefined) files.removeFile(posix.join(place, name));
      for (const name of pickModules(image, release, only, known)) copy(name);
    }
  } finally {
    tree.close();
  }
  requireExpected(image, place, release, expected, context);
  await runDepmod(into, release, context);
}

interface Index {
  readonly folder: TreePath;
  readonly release: string;
  readonly place: string;
  readonly modules: readonly string[];
  readonly copy: (name: string) => void;
}

/** What depends on what: a root's own depmod has said it; of modules that were just made, ours does. */
async function indexOf(tree: TreeHandle, { folder, release, place, modules, copy }: Index, context: PickContext) {
  const { files } = context.host;
  const text = (name: string): string => {
    const path = toTreePath(`${folder}/${name}`);
    return tree.stat(path)?.type === "file" ? new TextDecoder().decode(tree.read(path)) : "";
  };
  const isIndexed = text("modules.dep") !== "";
  if (!isIndexed) {
    for (const name of modules) copy(name);
    await runDepmod(posix.join(place, "../../.."), release, context);
  }
  const read = (name: string): string => (isIndexed ? text(name) : (files.readText(posix.join(place, name)) ?? ""));
  return {
    dependencies: parseDependencies(read("modules.dep")),
    soft: parseSoftDependencies(read("modules.softdep")),
    builtIn: text("modules.builtin")
      .split("\n")
      .filter((line) => line !== ""),
  };
}

const SCRIPT = `set -eu
exec 3<"$1"
shift
mount -t tmpfs -o mode=0755,size=64k,nosuid,nodev rootloom /mnt
mkdir /mnt/image
mount --no-canonicalize --bind /proc/self/fd/3 /mnt/image
exec 3<&-
cd /
exec "$@"`;

/** As nobody, who can write into that one folder: what it reads came from a build or a root. */
async function runDepmod(into: string, release: string, { host, signal }: PickContext): Promise<void> {
  const { files, processes } = host;
  const place = posix.join(into, "lib/modules", release);
  const attributes = { owner: 0, group: 0, mode: 0o755 };
  // The host's own depmod.d is no input of an image.
  const depmod = ["depmod", "--basedir=/mnt/image", "--config=/dev/null", release];
  if (processes.userId === 0) files.setAttributes(place, { ...attributes, owner: NOBODY, group: NOBODY });
  await processes.run({
    file: "sh",
    arguments: ["-c", SCRIPT, "sh", into, "unshare", "--net", "--", ...withoutRights(processes.userId), ...depmod],
    directory: "/",
    environment: { LC_ALL: "C" },
    privateNamespace: true,
    timeout_ms: 0,
    signal,
  });
  files.setAttributes(place, attributes);
}

/** @throws RootloomError where a module is not what was built: it was changed in the generation. */
function requireExpected(
  image: string,
  place: string,
  release: string,
  expected: FoundModules["expected"],
  { host }: PickContext,
): void {
  if (expected === undefined) return;
  const tree = host.files.openTree(place);
  try {
    for (const path of regularFiles(tree, toTreePath(""))) {
      if (!path.includes(".ko")) continue;
      if (expected.get(`${release}/${path}`) === tree.sha256(path)) continue;
      throw new RootloomError(`cannot pack ${image}: the module ${moduleName(path)} is not what was built`, {
        hint: "the kernel is built anew: rootloom trigger its KernelConfig",
        retry: "transient",
      });
    }
  } finally {
    tree.close();
  }
}

function notThere(image: string, why: string, where: string): RootloomError {
  return new RootloomError(`cannot take modules into ${image}: ${why}`, {
    hint: `see ${where}`,
    retry: "waiting",
    condition: "Waiting",
  });
}
