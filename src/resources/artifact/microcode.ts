import { posix } from "node:path";
import { type MicrocodeFile, microcodeArchive } from "../../boot/microcode.ts";
import { showPath, type TreePath } from "../../core/entry.ts";
import { RootloomError } from "../../core/error.ts";
import type { MicrocodeSource } from "../../core/resource.ts";
import type { Files, TreeHandle } from "../../host/ports.ts";

const FILE_BYTES_MAX = 64 << 20;
/** AMD has one file a family, and signatures beside; Intel names files by family, model and stepping. */
const NAME = /^(microcode_amd.*\.bin|[0-9a-f]{2}-[0-9a-f]{2}-[0-9a-f]{2})$/;

/**
 * What stands in front of the initramfs; empty where no microcode is declared.
 * @throws RootloomError where a source is not there (waiting where its root is not), or is no microcode.
 */
export function readMicrocode(files: Files, sources: readonly MicrocodeSource[]): Uint8Array {
  if (sources.length === 0) return new Uint8Array();
  return microcodeArchive(sources.flatMap((source) => readSource(files, source)));
}

/** What was declared: the path, and in what. */
export function placeOf(source: MicrocodeSource): string {
  if (source.type === "desired") return `${source.file.path}@${source.file.sha256.slice(0, 16)}`;
  return source.type === "tree" ? `${source.tree}:${showPath(source.path)}` : source.path;
}

function readSource(files: Files, source: MicrocodeSource): readonly MicrocodeFile[] {
  if (source.type === "desired") {
    const { path, content } = source.file;
    return [{ place: path, bytes: files.readBytes(content) ?? new Uint8Array() }];
  }
  if (source.type === "tree") return readFromTree(files, source);
  const real = files.realPath(source.path);
  const stat = real === undefined ? undefined : files.stat(real);
  if (real === undefined || stat === undefined) throw missing(source.path);
  const paths = stat.type === "directory" ? (files.list(real) ?? []).filter((name) => NAME.test(name)) : [""];
  if (paths.length === 0) throw empty(source.path);
  return paths.map((name) => {
    const path = posix.join(real, name);
    requireSmall(path, files.stat(path)?.size ?? 0);
    return { place: path, bytes: files.readBytes(path) ?? new Uint8Array() };
  });
}

function readFromTree(files: Files, { tree: id, top, path }: Extract<MicrocodeSource, { type: "tree" }>) {
  if (files.stat(top)?.type !== "directory")
    throw new RootloomError(`cannot take microcode from ${id}: the root is not there`, {
      hint: `see ${id}`,
      retry: "waiting",
      condition: "Waiting",
    });
  const tree = files.openTree(top);
  try {
    const place = tree.resolve(path);
    const stat = place === undefined ? undefined : tree.stat(place);
    if (place === undefined || stat === undefined) throw missing(`${top}/${showPath(path)}`);
    if (stat.type === "file") return [readFile(tree, place, top)];
    const names = tree.list(place).filter((name) => NAME.test(name));
    if (names.length === 0) throw empty(`${top}/${showPath(path)}`);
    return names.map((name) => readFile(tree, `${place}/${name}`, top));
  } finally {
    tree.close();
  }
}

function readFile(tree: TreeHandle, path: TreePath, top: string): MicrocodeFile {
  const place = `${top}/${showPath(path)}`;
  requireSmall(place, tree.stat(path)?.size ?? 0);
  return { place, bytes: tree.read(path) };
}

function requireSmall(place: string, size_bytes: number): void {
  if (size_bytes > FILE_BYTES_MAX)
    throw new RootloomError(`cannot use ${place} as microcode: it is larger than ${FILE_BYTES_MAX >> 20} MiB`);
}

function missing(place: string): RootloomError {
  return new RootloomError(`cannot use the microcode ${place}: it is not there`, {
    hint: "apt-get install amd64-microcode or intel-microcode, where it is to come from, or name another place",
  });
}

function empty(place: string): RootloomError {
  return new RootloomError(`cannot use the microcode ${place}: there is none in it`, {
    hint: "name the folder amd-ucode or intel-ucode itself, or one file",
  });
}
