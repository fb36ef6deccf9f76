import { relativePathFault } from "./paths.ts";
import { documentFile, type TreeFile } from "./tree-file.ts";
import type { OverlaySpec } from "./types.ts";

/** What git cannot keep of one path of the older tool's tree. */
export interface Unusual {
  readonly type: "file" | "directory" | "character" | "block" | "fifo" | "socket";
  /** Permissions with the setuid, setgid and sticky bits. */
  readonly mode: number;
  readonly major: number;
  readonly minor: number;
}

/**
 * True for what a checkout would lose: nodes, empty directories, special bits, and what others may not read. What a
 * umask adds or takes for writing says nothing.
 */
export function isUnusual({ type, mode }: Unusual, isEmpty: boolean): boolean {
  if (type === "file") return (mode & 0o7000) !== 0 || (mode & 0o044) !== 0o044;
  if (type === "directory") return isEmpty || (mode & 0o7000) !== 0 || (mode & 0o055) !== 0o055;
  return true;
}

/** The overlay.yaml of one overlay, from paths inside it; nothing where git keeps all of it. */
export function overlayDocument(
  name: string,
  unusual: ReadonlyMap<string, Unusual>,
): { readonly files: readonly TreeFile[]; readonly notes: readonly string[] } {
  const notes: string[] = [];
  const rules: NonNullable<OverlaySpec["rules"]>[number][] = [];
  const directories: NonNullable<OverlaySpec["directories"]>[number][] = [];
  const nodes: NonNullable<OverlaySpec["nodes"]>[number][] = [];
  for (const [path, { type, mode, major, minor }] of unusual) {
    const entry = { path, mode: mode.toString(8).padStart(4, "0") };
    const fault = type === "socket" ? "a socket is made by its program" : faultOf(path, type);
    if (fault !== undefined) notes.push(`${name}/${path}: ${type} of mode ${entry.mode} not carried: ${fault}`);
    else if (type === "file") rules.push(entry);
    else if (type === "directory") directories.push(entry);
    else if (type === "fifo") nodes.push({ ...entry, type });
    else if (type !== "socket") nodes.push({ ...entry, type, major, minor });
  }
  const count = rules.length + directories.length + nodes.length;
  if (count === 0) return { files: [], notes };
  notes.push(`overlays/${name}/overlay.yaml: says the modes, directories and nodes that git cannot keep (${count})`);
  const spec: OverlaySpec = {
    ...(rules.length === 0 ? {} : { rules }),
    ...(directories.length === 0 ? {} : { directories }),
    ...(nodes.length === 0 ? {} : { nodes }),
  };
  return { files: [documentFile(`overlays/${name}/overlay.yaml`, "Overlay", undefined, spec)], notes };
}

function faultOf(path: string, type: Unusual["type"]): string | undefined {
  if (type === "file" && path.includes("*")) return "the * in its name would be a pattern in a rule";
  return relativePathFault(path);
}
