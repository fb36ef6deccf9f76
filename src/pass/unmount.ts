import { RootloomError } from "../core/error.ts";
import type { OwnedRecord } from "../core/resource.ts";
import { unmountAll } from "../resources/mount/unmount.ts";
import { backends } from "../resources/volume/backends/index.ts";
import { sweepAllAttached } from "../resources/volume/index.ts";
import { openState } from "../state/state.ts";
import { resolveName } from "./names.ts";
import type { Session } from "./types.ts";

/** What the record says is ours and what stands: of the named roots, or all of it. `more`: there is something else to unmount. */
export function standingMounts(
  session: Session,
  given: { readonly names: readonly string[]; readonly all: boolean },
  more = false,
): readonly OwnedRecord[] {
  const { host, configuration } = session;
  const state = openState(host, configuration.state, "read");
  const records = state.records();
  state.close();
  const standing = new Set(host.files.mounts().map((mount) => mount.target));
  const ours = records.filter((record) => isHostMount(record) && standing.has(targetOf(record)));
  const trees = records.filter((record) => record.kind === "tree").map((record) => record.id);
  const roots = new Set(given.names.map((name) => resolveName(name, trees)));
  const wanted = given.all ? ours : ours.filter((record) => record.dependsOn.some((id) => roots.has(id)));
  if (wanted.length === 0 && !more) {
    const what = given.all ? "nothing of ours is mounted" : `nothing of ours is mounted in ${given.names.join(", ")}`;
    throw new RootloomError(`cannot unmount: ${what}`, { hint: "private mounts end by themselves with `enter`" });
  }
  return wanted;
}

/** Unmounts them, children first, never lazily. */
export async function unmountRecorded(
  { host }: Session,
  records: readonly OwnedRecord[],
  signal: AbortSignal,
): Promise<void> {
  await unmountAll({ host, signal }, records.map(targetOf));
}

/** Unmounts what killed runs attached to be read: no record tells of it. Returns lines for people. */
export async function unmountAttached(
  { host, configuration: { state } }: Session,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const left = await sweepAllAttached({ host, state, signal });
  return left.map((path) => `${path} is unmounted: an interrupted run read from it`);
}

/** Private mounts are proved in a namespace of their own: nothing of them stands. A volume of a device is mounted itself. */
function isHostMount({ kind, details }: OwnedRecord): boolean {
  if (kind === "volume") return backends[details.backend as keyof typeof backends]?.mounts === true;
  return kind === "mount" && details.namespace === "host";
}

/** Where it really stands, with the links inside its root followed. */
function targetOf({ kind, details }: OwnedRecord): string {
  return String((kind === "volume" ? details.path : details.target) ?? "");
}
