import type { ApplyContext } from "../../types.ts";

const FORM = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d\.\d{3})Z-[0-9a-z]+-(.+)$/;

/** Name of a new snapshot: `20261121T121500.123Z-1a2b3c4d-debian`: UTC, revision, root. Names of one root sort by time. */
export function snapshotName(root: string, { host, revision }: Pick<ApplyContext, "host" | "revision">): string {
  const time = new Date(host.clock.now_ms()).toISOString().replace(/[-:]/g, "");
  const short = /^[0-9a-f]{8}/.exec(revision)?.[0] ?? "none";
  return `${time}-${short}-${root}`;
}

/** The root that a snapshot was taken of, and when (ISO 8601); undefined for a name that we do not give. */
export function readSnapshotName(name: string): { readonly root: string; readonly createdAt: string } | undefined {
  const [, year, month, day, hour, minute, second, root] = FORM.exec(name) ?? [];
  if (root === undefined) return undefined;
  return { root, createdAt: `${year}-${month}-${day}T${hour}:${minute}:${second}Z` };
}
