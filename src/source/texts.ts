import { showPath, type TreePath } from "../core/entry.ts";
import type { Problem } from "../documents/types.ts";
import { type BlobCache, sha256 } from "./blobs.ts";
import type { LoadedTree } from "./tree.ts";
import type { Snapshot, SourceFile } from "./types.ts";

/** Far beyond what a person writes; a text is held in memory whole, and all of them are. */
const TEXT_LIMIT_BYTES = 4 * 1024 * 1024;
const TEXTS_LIMIT_BYTES = 64 * 1024 * 1024;

/** A document or kconfig file, whole. */
export interface TreeText {
  readonly size: number;
  /** Lower-case hex; empty where it is not read. */
  readonly sha256: string;
  readonly text?: string;
  /** Why there is no text: it is too large, they are too large together, or it is no text. */
  readonly refused?: "large" | "together" | "encoding" | "pointer";
}

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

/** What is known of the texts of one tree by their sizes, asked for one after the other. */
export function createTextLimits(): (size: number) => TreeText {
  let together_bytes = 0;
  return (size) => {
    if (size > TEXT_LIMIT_BYTES) return { size, sha256: "", refused: "large" };
    together_bytes += size;
    return together_bytes > TEXTS_LIMIT_BYTES ? { size, sha256: "", refused: "together" } : { size, sha256: "" };
  };
}

export function readText(content: Uint8Array): TreeText {
  const known = { size: content.length, sha256: sha256(content) };
  if (isLargeFilePointer(content)) return { ...known, refused: "pointer" };
  const text = decode(content);
  return text === undefined ? { ...known, refused: "encoding" } : { ...known, text };
}

/** Files, texts and problems of a snapshot, from its loaded tree. */
export function describeFiles(
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
    if (entry.type === "symlink") {
      files.push({ ...entry, size: target.length, sha256: "", target, content: "" });
      continue;
    }
    const read = isText(entry.path) ? tree.texts.get(entry.oid) : undefined;
    const content = read === undefined ? tree.contents.get(entry.oid) : undefined;
    const { size = 0, sha256 = "" } = read ?? content ?? {};
    files.push({ ...entry, size, sha256, target: "", content: content === undefined ? "" : blobs.path(entry.oid) });
    if (content?.pointer) problems.push(pointerProblem(prefix, entry.path));
    if (read?.refused !== undefined) problems.push(PROBLEMS[read.refused](prefix, entry.path));
    if (read?.text !== undefined) texts.set(entry.path, read.text);
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

function togetherProblem(prefix: string, path: TreePath): Problem {
  return problemAt(
    prefix,
    path,
    "beyond 64 MiB of documents in all",
    "remove documents that nothing uses, or keep them in a repository of another host",
  );
}

function encodingProblem(prefix: string, path: TreePath): Problem {
  return problemAt(prefix, path, "not UTF-8 text", "save the file as UTF-8");
}

const PROBLEMS: Readonly<Record<NonNullable<TreeText["refused"]>, (prefix: string, path: TreePath) => Problem>> = {
  large: sizeProblem,
  together: togetherProblem,
  encoding: encodingProblem,
  pointer: pointerProblem,
};

function decode(content: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(content);
  } catch {
    return undefined;
  }
}
