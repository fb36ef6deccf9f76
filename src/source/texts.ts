import { showPath, type TreePath } from "../core/entry.ts";
import { RootloomError } from "../core/error.ts";
import type { Problem } from "../documents/types.ts";
import type { Host } from "../host/ports.ts";
import type { BlobCache } from "./blobs.ts";
import type { LoadedTree } from "./tree.ts";
import type { Snapshot, SourceFile } from "./types.ts";

/** Far beyond what a person writes; a text is held in memory whole. */
const TEXT_LIMIT_BYTES = 4 * 1024 * 1024;

/**
 * True for what is read as text: YAML and kconfig files. Below `overlays/` everything is content, but for the
 * `overlay.yaml` at the top of an overlay: `overlays/common`, `overlays/hardware/NAME`, `overlays/secret-sauce/NAME`.
 */
export function isText(path: TreePath): boolean {
  if (path.startsWith("overlays/")) return /^overlays\/((hardware|secret-sauce)\/)?[^/]+\/overlay\.ya?ml$/.test(path);
  return /\.(ya?ml|kconfig)$/.test(path);
}

/** Git LFS keeps such a text in git in place of the file. */
export function isLargeFilePointer(content: Uint8Array): boolean {
  if (content.length > 1024) return false;
  return Buffer.from(content).toString("latin1").startsWith("version https://git-lfs.github.com/spec/v1\n");
}

/** Files, texts and problems of a snapshot, from its loaded tree. */
export function describeFiles(
  host: Host,
  tree: LoadedTree,
  prefix: string,
  blobs: BlobCache,
): Pick<Snapshot, "files" | "texts" | "problems"> {
  const problems: Problem[] = tree.refused.map(({ path, reason }) =>
    reason === "submodule" ? submoduleProblem(prefix, path) : nameProblem(prefix, path),
  );
  const files: SourceFile[] = [];
  const texts = new Map<TreePath, string>();
  for (const { target, ...entry } of tree.entries) {
    const content = tree.contents.get(entry.oid);
    if (entry.type === "symlink" || content === undefined) {
      files.push({ ...entry, size: target.length, sha256: "", target, content: "" });
      continue;
    }
    const { size, sha256, pointer } = content;
    files.push({ ...entry, size, sha256, target: "", content: blobs.path(entry.oid) });
    if (pointer) problems.push(pointerProblem(prefix, entry.path));
    else if (isText(entry.path) && size > TEXT_LIMIT_BYTES) problems.push(sizeProblem(prefix, entry.path));
    else if (isText(entry.path)) {
      const text = decode(readContent(host, blobs.path(entry.oid)));
      if (text === undefined) problems.push(encodingProblem(prefix, entry.path));
      else texts.set(entry.path, text);
    }
  }
  return { files, texts, problems };
}

export function problemAt(prefix: string, path: TreePath, message: string, hint: string): Problem {
  const shown = showPath(path);
  return { file: prefix === "" ? shown : `${prefix}/${shown}`, line: 1, column: 1, message, hint };
}

function submoduleProblem(prefix: string, path: TreePath): Problem {
  return problemAt(
    prefix,
    path,
    "a submodule: its files are in another repository",
    "commit the files themselves: git rm --cached PATH, remove PATH/.git, git add PATH",
  );
}

function nameProblem(prefix: string, path: TreePath): Problem {
  return problemAt(
    prefix,
    path,
    "a name that no folder can hold, or the same name twice",
    "the tree was not made by git add: commit it again from a checkout",
  );
}

function pointerProblem(prefix: string, path: TreePath): Problem {
  return problemAt(
    prefix,
    path,
    "a Git LFS pointer: the content is not in this repository",
    "commit the content itself: git lfs untrack PATH, git add --renormalize PATH",
  );
}

function sizeProblem(prefix: string, path: TreePath): Problem {
  return problemAt(prefix, path, "larger than 4 MiB, which no document is", "move it below overlays/ if it is content");
}

function encodingProblem(prefix: string, path: TreePath): Problem {
  return problemAt(prefix, path, "not UTF-8 text", "save the file as UTF-8");
}

function decode(content: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(content);
  } catch {
    return undefined;
  }
}

function readContent(host: Host, path: string): Uint8Array {
  const content = host.files.readBytes(path);
  if (content !== undefined) return content;
  throw new RootloomError(`cannot read ${path}: it vanished from the cache while it was being read`, {
    retry: "transient",
    hint: "run again: the cache is filled again by itself",
  });
}
