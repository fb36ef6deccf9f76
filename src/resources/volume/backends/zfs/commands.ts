import { RootloomError } from "../../../../core/error.ts";
import type { Finished } from "../../../../host/ports.ts";
import type { Looking, VolumeSubject, Working } from "../backend.ts";
import { MARKER, markerText } from "./marker.ts";
import { type Properties, type Property, parseProperties } from "./parse.ts";

/** What `zfs` says when it does not know an option. */
const USAGE = 2;
/** Of a destroyed dataset that is still being let go of: six tries over about three seconds. */
const WAITS_MS = [100, 200, 400, 800, 1600];

/** Runs `zfs` where the host's mounts are. */
export function zfs(looking: Looking, arguments_: readonly string[], accept = [0]): Promise<Finished> {
  const { host, signal } = looking;
  return host.processes.run({ file: "zfs", arguments: arguments_, hostNamespace: true, accept, signal });
}

/** Names of all filesystems and volumes of all pools that are imported. */
export async function listDatasets(looking: Looking): Promise<ReadonlySet<string>> {
  const { stdout } = await zfs(looking, ["list", "-H", "-o", "name", "-t", "filesystem,volume"]);
  return new Set(stdout.split("\n").filter((line) => line !== ""));
}

/**
 * Exact values of properties, of what exists. JSON where `zfs` knows it (OpenZFS 2.3), since a value may then hold
 * anything; lines else. `below`: how deep to look below the dataset too, its snapshots being at depth 1.
 */
export async function getProperties(
  looking: Looking,
  of: { readonly dataset: string; readonly names: readonly string[]; readonly below?: number },
): Promise<Properties> {
  const depth = of.below === undefined ? [] : of.below === Number.POSITIVE_INFINITY ? ["-r"] : ["-d", String(of.below)];
  const what = [...depth, of.names.join(","), of.dataset];
  const json = await zfs(looking, ["get", "-j", "-p", ...what], [0, USAGE]);
  const { stdout } =
    json.exitCode === 0 ? json : await zfs(looking, ["get", "-H", "-p", "-o", "name,property,value,source", ...what]);
  return parseProperties(stdout);
}

/** Of one dataset or snapshot that exists. */
export async function propertiesOf(
  looking: Looking,
  dataset: string,
  names: readonly string[],
): Promise<ReadonlyMap<string, Property>> {
  return (await getProperties(looking, { dataset, names })).get(dataset) ?? new Map();
}

/** Says by a property of its own that a dataset or snapshot is ours. */
export async function markDataset(
  volume: Pick<VolumeSubject, "name">,
  dataset: string,
  working: Working,
): Promise<void> {
  const guid = (await propertiesOf(working, dataset, ["guid"])).get("guid")?.value;
  if (guid === undefined)
    throw new RootloomError(`cannot mark ${dataset}: zfs tells no guid of it`, { hint: `zfs get guid ${dataset}` });
  await zfs(working, ["set", `${MARKER}=${markerText(volume, guid, working)}`, dataset]);
}

/** Destroys one dataset or snapshot, and nothing below it; one that is busy is tried again, with a limit. */
export async function destroyDataset(working: Working, dataset: string): Promise<void> {
  const { host, signal } = working;
  for (let attempt = 0; ; attempt += 1) {
    const { exitCode, stderr } = await zfs(working, ["destroy", dataset], [0, 1]);
    if (exitCode === 0) return;
    const wait_ms = WAITS_MS[attempt];
    if (wait_ms === undefined)
      throw new RootloomError(`cannot destroy ${dataset}: ${stderr.trim().split("\n")[0]}`, {
        hint: `look with: zfs list -r -t all ${dataset}; it is tried again in the next pass`,
        retry: "transient",
        details: stderr.trim().split("\n"),
      });
    await host.clock.sleep(wait_ms, signal);
  }
}

export function poolOf(dataset: string): string {
  return dataset.split("/")[0] ?? dataset;
}

/** The dataset above; empty for a pool's own. */
export function parentOf(dataset: string): string {
  return dataset.slice(0, Math.max(0, dataset.lastIndexOf("/")));
}
