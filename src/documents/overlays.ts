import { showPath, type TreePath } from "../core/entry.ts";
import type { Snapshot, SourceFile } from "../source/types.ts";
import { suggest } from "./nearest.ts";
import type { Problem } from "./types.ts";

/** The files of one overlay, without its overlay.yaml. */
export interface OverlaySource {
  /** `common`, `hardware/NAME` or `secret-sauce/NAME`. */
  readonly name: string;
  /** Paths are relative to the overlay's top. */
  readonly files: readonly SourceFile[];
  /** Order that holds unless overlay.yaml says otherwise. */
  readonly order: number;
  readonly secret: boolean;
}

/** An overlay's folder, and the place of its document where it has one. */
export interface OverlayFolder extends OverlaySource {
  /** Below `desired/`: `overlays/hardware/qemu`. */
  readonly folder: TreePath;
  readonly document: TreePath | undefined;
}

interface OverlayClass {
  readonly order: number;
  readonly named: boolean;
}
const CLASSES: ReadonlyMap<string, OverlayClass> = new Map([
  ["common", { order: 10, named: false }],
  ["hardware", { order: 20, named: true }],
  ["secret-sauce", { order: 30, named: true }],
]);
const TOP = "overlays/";

/** Sorts the files below `overlays/` into their overlays; what belongs to none is a problem. `fileName` makes names for messages. */
export function collectOverlays(
  snapshot: Snapshot,
  fileName: (path: TreePath) => string,
): { readonly overlays: readonly OverlayFolder[]; readonly problems: readonly Problem[] } {
  const found = new Map<string, { folder: TreePath; document: TreePath | undefined; files: SourceFile[] }>();
  const problems: Problem[] = [];
  for (const file of snapshot.files) {
    if (!file.path.startsWith(TOP)) continue;
    const parts = file.path.slice(TOP.length).split("/");
    const kind = CLASSES.get(parts[0] ?? "");
    const depth = kind?.named === true ? 2 : 1;
    if (kind === undefined || parts.length <= depth) {
      const problem = misplaced(parts, fileName(file.path));
      if (problem !== undefined) problems.push(problem);
      continue;
    }
    const name = parts.slice(0, depth).join("/");
    const overlay = found.get(name) ?? { folder: `${TOP}${name}`, document: undefined, files: [] };
    found.set(name, overlay);
    const inside = parts.slice(depth).join("/");
    if (inside === "overlay.yaml") overlay.document = file.path;
    else if (inside === "overlay.yml") problems.push(misnamed(fileName(file.path)));
    else overlay.files.push({ ...file, path: inside });
  }
  const overlays = [...found].map(([name, overlay]) => {
    const top = name.split("/")[0] ?? "";
    // Git's bytes to text: names that are no UTF-8 are refused with the other bad names.
    return {
      name: showPath(name),
      ...overlay,
      order: CLASSES.get(top)?.order ?? 10,
      secret: top === "secret-sauce",
    };
  });
  return { overlays: overlays.sort((left, right) => (left.name < right.name ? -1 : 1)), problems };
}

/** Notes such as README.md or .gitkeep may stand between the overlays; all else was meant to be laid. */
function misplaced(parts: readonly string[], file: string): Problem | undefined {
  const last = parts.at(-1) ?? "";
  if (/^(README|\.git)/i.test(last) && (parts.length === 1 || CLASSES.has(parts[0] ?? ""))) return undefined;
  const top = showPath(parts[0] ?? "");
  const at = { file, line: 1, column: 1 };
  if (parts.length > 1 && !CLASSES.has(parts[0] ?? "")) {
    const hint = suggest(top, [...CLASSES.keys()], "");
    return { ...at, message: `cannot use this file: overlays have no class \`${top}\``, hint };
  }
  const hint = "move it into overlays/common, overlays/hardware/NAME or overlays/secret-sauce/NAME";
  return { ...at, message: "cannot use this file: it is in no overlay", hint };
}

function misnamed(file: string): Problem {
  const message = "cannot tell whether this file is the overlay's document";
  return { file, line: 1, column: 1, message, hint: "rename it to overlay.yaml" };
}
