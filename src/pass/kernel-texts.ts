import type { MergedContents } from "../compile/context.ts";
import { kernelConfigKey } from "../compile/kernels.ts";
import { type TreePath, toTreePath } from "../core/entry.ts";
import { expandDocuments } from "../documents/expand.ts";
import type { Document, DocumentOf } from "../documents/types.ts";
import type { Host } from "../host/ports.ts";
import { keepMerged } from "../source/blobs.ts";
import type { Snapshot } from "../source/types.ts";

/**
 * The configuration of each kernel that is built, with its fragments behind it: Kconfig takes the last line of each
 * symbol. It stands in `CACHE/merged/SHA256`. One whose files are not there is left out: loading reports it.
 */
export function kernelTexts(
  host: Host,
  cache: string,
  documents: readonly Document[],
  snapshot: Snapshot,
): MergedContents {
  const found = new Map<string, ReturnType<typeof keepMerged>>();
  const isBuilt = (document: Document) => document.kind === "KernelConfig" && document.spec.source !== undefined;
  if (!documents.some(isBuilt)) return found;
  for (const document of expandDocuments(documents).documents) {
    if (document.kind !== "KernelConfig" || document.spec.source === undefined) continue;
    const { config, fragments = [] } = document.spec;
    const texts = [config, ...fragments].flatMap((file) => {
      const text = snapshot.texts.get(besideDocument(document, file, snapshot));
      return text === undefined ? [] : [text.endsWith("\n") ? text : `${text}\n`];
    });
    if (texts.length !== fragments.length + 1) continue;
    found.set(kernelConfigKey(document.name), keepMerged(host, cache, Buffer.from(texts.join(""))));
  }
  return found;
}

/** Where a file that a KernelConfig names stands, below the folder of the documents. */
export function besideDocument(
  document: Pick<DocumentOf<"KernelConfig">, "locate">,
  file: string,
  { prefix }: Pick<Snapshot, "prefix">,
): TreePath {
  const { file: own } = document.locate([]);
  const path = prefix === "" ? own : own.slice(prefix.length + 1);
  const folder = path.split("/").slice(0, -1).join("/");
  return toTreePath(folder === "" ? file : `${folder}/${file}`);
}
