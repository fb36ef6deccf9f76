import { showPath, type TreePath } from "../core/entry.ts";

/** Something that an archive of this format cannot hold. */
export interface Loss {
  readonly path: TreePath;
  /** `socket`, or the name of an extended attribute. */
  readonly what: string;
}

const NAMED_MAX = 10;

/** Losses as lines for a person, one a kind: "3 ACLs are lost: /etc/a, /etc/b, ...". */
export function describeLosses(losses: readonly Loss[]): string[] {
  const kinds = new Map<string, TreePath[]>();
  for (const loss of losses) {
    const kind = kindOf(loss.what);
    const paths = kinds.get(kind) ?? [];
    paths.push(loss.path);
    kinds.set(kind, paths);
  }
  return [...kinds].map(([kind, paths]) => `${kind}: ${namePaths(paths)}`);
}

export function namePaths(paths: readonly TreePath[]): string {
  const named = paths.slice(0, NAMED_MAX).map((path) => `/${showPath(path)}`);
  const more = paths.length - named.length;
  return `${named.join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

function kindOf(what: string): string {
  if (what === "socket") return "sockets are left out";
  if (what === "security.capability") {
    return "file capabilities are lost (they are not packed; set them in the image's init with setcap)";
  }
  if (what.startsWith("system.posix_acl_")) return "access control lists are lost (they are not packed)";
  if (what === "security.selinux") return "SELinux labels are lost (they are not packed)";
  return `the extended attribute ${what} is lost (it is not packed)`;
}

/** The memory that an unpacked image needs: rootfs is a tmpfs that may grow to half of the RAM. */
export function describeMemory(content_bytes: number): string {
  return `needs ${formatSize(content_bytes * 2)} of RAM at least: its content, ${formatSize(content_bytes)}, must fit into half of it`;
}

export function formatSize(size_bytes: number): string {
  if (size_bytes < 1024) return `${size_bytes} B`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let value = size_bytes;
  let unit = "B";
  for (const each of units) {
    if (value < 1024) break;
    value /= 1024;
    unit = each;
  }
  return `${value.toFixed(1)} ${unit}`;
}
