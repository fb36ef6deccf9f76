import { createHash } from "node:crypto";
import { posix } from "node:path";
import { type TreePath, toTreePath } from "../../core/entry.ts";
import type { Host, TreeHandle } from "../../host/ports.ts";
import { copyOut } from "./copy-out.ts";
import { INSIDE } from "./paths.ts";

/** Folder of a generation with what `lib/modules` holds, and the list of its files. */
export const MODULES = "modules";
export const MODULES_LIST = "modules.list";

/** Folder of the build tree that modules are installed into. */
export const INSTALLED = "modules.install";

/** The commands that install modules, run behind the one that makes them. Their index is made where they are picked. */
export function installCommands(make: readonly string[], { strip }: { readonly strip: boolean }): readonly string[][] {
  const words = [`INSTALL_MOD_PATH=${INSIDE.build}/${INSTALLED}`, "DEPMOD=true"];
  return [
    ["rm", "-rf", `${INSIDE.build}/${INSTALLED}`],
    [...make, ...words, ...(strip ? ["INSTALL_MOD_STRIP=1"] : []), "modules_install"],
  ];
}

/** Takes the installed modules of a release out of a build tree, as regular files, with a list of them beside. */
export function placeModules(tree: string, release: string, beside: string, { files }: Pick<Host, "files">): void {
  const handle = files.openTree(tree);
  try {
    const top = toTreePath(`${INSTALLED}/lib/modules/${release}`);
    const lines = [...regularFiles(handle, top)].map((path) => {
      const name = `${release}/${path.slice(top.length + 1)}`;
      const to = posix.join(beside, MODULES, name);
      files.makeDirectories(posix.dirname(to), 0o755);
      const size_bytes = copyOut(tree, path, to, files);
      return `${digestOfFile(files.readBytes(to))} ${size_bytes} ${name}`;
    });
    files.makeDirectories(posix.join(beside, MODULES), 0o755);
    files.writeFile(posix.join(beside, MODULES_LIST), `${lines.join("\n")}\n`, { owner: 0, group: 0, mode: 0o644 });
  } finally {
    handle.close();
  }
}

/** What is wrong with the modules of a generation by their list, for people: their sizes; contents are checked when they are taken. */
export function modulesDamage(directory: string, { files }: Pick<Host, "files">): string {
  for (const { path, size_bytes } of readModulesList(directory, { files }))
    if (files.stat(posix.join(directory, MODULES, path))?.size !== size_bytes)
      return `${MODULES}/${path} differs from what was built`;
  return "";
}

/** The modules of a generation, by path below its folder of modules. */
export function readModulesList(
  directory: string,
  { files }: Pick<Host, "files">,
): readonly { readonly sha256: string; readonly size_bytes: number; readonly path: string }[] {
  const text = files.readText(posix.join(directory, MODULES_LIST)) ?? "";
  return text.split("\n").flatMap((line) => {
    const [, sha256 = "", size = "", path = ""] = /^([0-9a-f]{64}) (\d+) (.+)$/.exec(line) ?? [];
    return sha256 === "" ? [] : [{ sha256, size_bytes: Number(size), path }];
  });
}

/** Links are left out: `build` and `source` lead to where it was made. */
export function* regularFiles(tree: TreeHandle, folder: TreePath): Generator<TreePath> {
  for (const name of tree.list(folder)) {
    const path = toTreePath(folder === "" ? name : `${folder}/${name}`);
    const type = tree.stat(path)?.type;
    if (type === "directory") yield* regularFiles(tree, path);
    else if (type === "file") yield path;
  }
}

function digestOfFile(bytes: Uint8Array | undefined): string {
  return createHash("sha256")
    .update(bytes ?? new Uint8Array())
    .digest("hex");
}
