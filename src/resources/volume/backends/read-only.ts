import { posix } from "node:path";
import { unmountTree } from "../../mount/unmount.ts";
import { shortRun } from "../../owned.ts";
import type { Attachment, VolumeSubject, Working } from "./backend.ts";

/** Mounts a device below the state directory, to be read; what a killed run left there of the volume goes first. */
export async function attachAt(
  volume: VolumeSubject,
  {
    device,
    type,
    options,
    means,
  }: {
    readonly device: string;
    readonly type: string;
    readonly options: readonly string[];
    readonly means: string;
  },
  working: Working,
): Promise<Attachment> {
  const { processes } = working.host;
  await sweepAttached(volume, working);
  const path = makeAttachPoint(volume, working);
  await processes.run({
    file: "mount",
    arguments: ["--types", type, "--options", options.join(","), "--", device, path],
    hostNamespace: true,
    signal: working.signal,
  });
  return { path, means, frozen: true, detach: () => remove(path, working) };
}

/** An empty directory below the state directory, of one reading alone: `VOLUME@RUN.` and some digits. */
export function makeAttachPoint(volume: VolumeSubject, working: Working): string {
  const { files, clock } = working.host;
  const path = posix.join(folder(working), `${volume.name}@${shortRun(working.runId)}.${clock.random(2)}`);
  files.makeDirectories(folder(working), 0o700);
  files.makeDirectory(path, { owner: 0, group: 0, mode: 0o700 });
  return path;
}

/** Unmounts what killed runs attached of a volume to be read. Only one run at a time works in a state directory. */
export async function sweepAttached(volume: VolumeSubject, working: Working): Promise<void> {
  const own = shortRun(working.runId);
  for (const name of working.host.files.list(folder(working)) ?? []) {
    const at = name.lastIndexOf("@");
    const isLeft = name.slice(0, at) === volume.name && name.slice(at + 1).split(".")[0] !== own;
    if (isLeft) await remove(posix.join(folder(working), name), working);
  }
}

/** The same of every volume. The caller holds the state's lock and reads nothing itself. Returns where something was mounted. */
export async function sweepAllAttached(working: Attaching): Promise<readonly string[]> {
  const paths = (working.host.files.list(folder(working)) ?? []).map((name) => posix.join(folder(working), name));
  const mounted = new Set(working.host.files.mounts().map(({ target }) => target));
  const left = paths.filter((path) => mounted.has(working.host.files.realPath(path) ?? path));
  for (const path of paths) await remove(path, working);
  return left;
}

type Attaching = Pick<Working, "host" | "state" | "signal">;

function folder({ state }: Attaching): string {
  return posix.join(state, "attached");
}

async function remove(path: string, { host, signal }: Attaching): Promise<void> {
  const real = host.files.realPath(path) ?? path;
  const entry = host.files.mounts().findLast(({ target }) => target === real);
  if (entry !== undefined) await unmountTree({ host, signal }, entry, () => false);
  if (host.files.stat(path) !== undefined) host.files.removeDirectory(path);
}
