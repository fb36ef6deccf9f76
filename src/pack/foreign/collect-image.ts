import type { TreePath } from "../../core/entry.ts";
import { RootloomError } from "../../core/error.ts";
import type { Host } from "../../host/ports.ts";
import { sortByPath } from "../paths.ts";
import type { ManifestEntry } from "../types.ts";
import { type ForeignEntry, type ReadOptions, readImage } from "./read-image.ts";

/** Some hundred bytes of memory each. */
const ENTRIES_MAX = 2_000_000;

/**
 * What an initramfs unpacks to, sorted by `comparePaths`; the member that holds an entry stands for its layer. As the
 * kernel has it, a path that comes twice is what it was last, and all names of a hard link set have its content.
 * @throws RootloomError as `readImage`, and for more than two million entries.
 */
export async function collectImage(
  host: Pick<Host, "processes" | "files">,
  file: string,
  options: Omit<ReadOptions, "hash">,
): Promise<readonly ManifestEntry[]> {
  const found = new Map<TreePath, ForeignEntry>();
  const contents = new Map<string, ForeignEntry>();
  for await (const entry of readImage(host, file, { ...options, hash: true })) {
    if (entry.linkSet !== "" && entry.size > 0) contents.set(entry.linkSet, entry);
    found.set(entry.path, entry);
    if (found.size > ENTRIES_MAX) {
      throw new RootloomError(`cannot read ${file}: it has more than ${ENTRIES_MAX} entries`);
    }
  }
  const last = new Map<string, TreePath>();
  const entries = sortByPath([...found.values()]);
  for (const { linkSet, path } of entries) last.set(linkSet, path);
  return entries.map((entry): ManifestEntry => {
    const { member, form: _form, links: _links, ...rest } = entry;
    const { size, sha256 } = contents.get(entry.linkSet) ?? entry;
    // As in a manifest: a set is named by its last path.
    const linkSet = entry.linkSet === "" ? "" : (last.get(entry.linkSet) ?? "");
    return { ...rest, size, sha256, linkSet, layer: `member ${member}` };
  });
}
