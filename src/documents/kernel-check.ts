import { type TreePath, toTreePath } from "../core/entry.ts";
import type { Snapshot } from "../source/types.ts";
import type { ExpandedDocument } from "./expand.ts";
import { readKernelSymbols, requiredSymbols } from "./kconfig.ts";
import { suggest } from "./nearest.ts";
import { relativePathFault } from "./paths.ts";
import type { DocumentOf, Problem } from "./types.ts";

/** A KernelConfig with the folder it stands in, below `desired/`: its files stand beside it. */
export type FolderOf = (document: DocumentOf<"KernelConfig">) => TreePath;

/** Files of each KernelConfig that are not there, and symbols that an Image needs and its kernel lacks. */
export function checkKernels(
  documents: readonly ExpandedDocument[],
  snapshot: Snapshot,
  folderOf: FolderOf,
): readonly Problem[] {
  const problems: Problem[] = [];
  const textsOf = new Map<string, { spec: DocumentOf<"KernelConfig">["spec"]; texts: readonly string[] }>();
  for (const document of documents) {
    if (document.kind !== "KernelConfig") continue;
    const read = readFiles(document, snapshot, folderOf(document));
    problems.push(...read.problems);
    if (read.problems.length === 0) textsOf.set(document.name, { spec: document.spec, texts: read.texts });
  }
  for (const image of documents) {
    if (image.kind !== "Image" || image.spec.kernel === undefined) continue;
    const kernel = textsOf.get(image.spec.kernel);
    // Of a kernel that is built, Kconfig's own answer counts: it is checked when that is known.
    if (kernel === undefined || kernel.spec.source !== undefined) continue;
    const symbols = readKernelSymbols(kernel.texts);
    for (const [symbol, value] of requiredSymbols(image.spec, kernel.spec)) {
      const actual = symbols.get(symbol) ?? "n";
      if (actual === value) continue;
      const message = `cannot use kernel ${image.spec.kernel} for Image ${image.name}: CONFIG_${symbol} is ${symbols.get(symbol) ?? "not set"}, ${value} is needed`;
      const hint = `set CONFIG_${symbol}=${value} in ${kernel.spec.config} or in a fragment`;
      problems.push({ ...image.locate(["spec", "kernel"]), message, hint });
    }
  }
  return problems;
}

function readFiles(
  document: DocumentOf<"KernelConfig">,
  snapshot: Snapshot,
  folder: TreePath,
): { texts: readonly string[]; problems: readonly Problem[] } {
  const texts: string[] = [];
  const problems: Problem[] = [];
  const { config, fragments = [] } = document.spec;
  for (const [index, file] of [config, ...fragments].entries()) {
    if (relativePathFault(file) !== undefined) continue;
    const path = folder === "" ? toTreePath(file) : `${folder}/${toTreePath(file)}`;
    const text = snapshot.texts.get(path);
    if (text !== undefined) {
      texts.push(text);
      continue;
    }
    const at = document.locate(index === 0 ? ["spec", "config"] : ["spec", "fragments", index - 1]);
    const there = snapshot.files.some((candidate) => candidate.path === path);
    const why = there ? "it is no text file that ends in .kconfig" : "it is not there";
    const beside = [...snapshot.texts.keys()].filter((name) => name.endsWith(".kconfig") && name.startsWith(folder));
    const names = beside.map((name) => (folder === "" ? name : name.slice(folder.length + 1)));
    const hint = there ? "rename it to NAME.kconfig" : suggest(file, names, "add the file beside the document");
    problems.push({ ...at, message: `cannot read the kernel configuration \`${file}\`: ${why}`, hint });
  }
  return { texts, problems };
}
