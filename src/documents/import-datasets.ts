import { documentName } from "./import-names.ts";
import type { MountSpec } from "./types.ts";

/** Where the older tool mounted each of its datasets inside a root. */
export const DATASETS: ReadonlyMap<string, string> = new Map([
  ["distfiles", "/var/cache/distfiles"],
  ["binpkgs", "/var/cache/binpkgs"],
  ["portage", "/var/db/repos/gentoo"],
  ["kernel", "/usr/src"],
]);

/** What the older tool mounted into every root, with a /tmp of its own instead of the host's. */
export const MOUNTS: readonly MountSpec[] = [
  { target: "/proc", type: "proc" },
  { target: "/dev", type: "rbind", source: "/dev", propagation: "rslave" },
  { target: "/sys", type: "rbind", source: "/sys", propagation: "rslave" },
  { target: "/tmp", type: "tmpfs" },
];

export interface Datasets {
  /** `dataset` is undefined where none is named. */
  readonly root: { readonly name: string; readonly dataset: string | undefined };
  readonly caches: readonly { readonly role: string; readonly dataset: string }[];
  readonly notes: readonly string[];
}

const ROLES: readonly (readonly [RegExp, string])[] = [
  [/dist/i, "distfiles"],
  [/pkg/i, "binpkgs"],
  [/portage|tree|repo/i, "portage"],
  [/kernel|src/i, "kernel"],
];
const DATASET = /^[A-Za-z0-9][\w.:-]*(\/[\w.:-]+)*$/;

/** The file holds one dataset, or lines of `NAME=dataset`, where the name (or else the dataset's end) says what it is for. */
export function readDatasets(text: string): Datasets {
  const notes: string[] = [];
  let root: Datasets["root"] | undefined;
  const caches = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const written = line.replace(/#.*$/, "").trim();
    if (written === "") continue;
    const [, key = "", value = ""] = /^(?:export\s+)?(?:(\w+)\s*=)?\s*(.*)$/.exec(written) ?? [];
    const dataset = value.replace(/^(["'])(.*)\1$/, "$2").replace(/^\/+|\/+$/g, "");
    if (!DATASET.test(dataset)) {
      notes.push(`not carried: \`${written}\` names no dataset`);
      continue;
    }
    const last = dataset.split("/").at(-1) ?? dataset;
    const role = roleOf(key === "" || /^(zfs|dataset)$/i.test(key) ? last : key);
    if (role === undefined && root === undefined) root = { name: documentName(last).slice(0, 50), dataset };
    else if (role !== undefined && !caches.has(role)) caches.set(role, dataset);
    else notes.push(`not carried: \`${written}\`, for ${role ?? "a root"} is named already`);
  }
  const named = [...caches].map(([role, dataset]) => ({ role, dataset }));
  return { root: root ?? { name: "gentoo", dataset: undefined }, caches: named, notes };
}

function roleOf(word: string): string | undefined {
  return ROLES.find(([pattern]) => pattern.test(word))?.[1];
}
