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
  const { files, processes } = working.host;
  const path = `${folder(working)}/${volume.name}@${shortRun(working.runId)}`;
  files.makeDirectories(folder(working), 0o700);
  await sweepAttached(volume, working);
  files.makeDirectory(path, { owner: 0, group: 0, mode: 0o700 });
  await processes.run({
    file: "mount",
    arguments: ["--types", type, "--options", options.join(","), "--", device, path],
    hostNamespace: true,
    signal: working.signal,
  });
  return { path, means, frozen: true, detach: () => remove(path, working) };
}

/** Unmounts what is attached of a volume to be read. Only one run at a time works in a state directory. */
export async function sweepAttached(volume: VolumeSubject, working: Working): Promise<void> {
  for (const name of working.host.files.list(folder(working)) ?? [])
    if (name.slice(0, name.lastIndexOf("@")) === volume.name) await remove(posix.join(folder(working), name), working);
}

function folder({ state }: Working): string {
  return posix.join(state, "attached");
}

async function remove(path: string, { host, signal }: Working): Promise<void> {
  const real = host.files.realPath(path) ?? path;
  const entry = host.files.mounts().findLast(({ target }) => target === real);
  if (entry !== undefined) await unmountTree({ host, signal }, entry, () => false);
  if (host.files.stat(path) !== undefined) host.files.removeDirectory(path);
}
