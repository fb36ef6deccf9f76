import { RootloomError } from "../../../../core/error.ts";
import type { Host } from "../../../../host/ports.ts";

interface Listed {
  readonly loopdevices?: readonly Readonly<Record<string, unknown>>[];
}

/**
 * Loop devices of an image, told by its inode: one that stands for an image that was replaced, or removed, is not among
 * them, whatever its name says.
 */
export async function loopsOf({ files, processes }: Host, image: string): Promise<readonly string[]> {
  const stat = files.stat(image);
  if (stat === undefined) return [];
  const { stdout } = await processes.run({
    file: "losetup",
    arguments: ["--list", "--json", "--output", "NAME,BACK-INO,BACK-MAJ:MIN"],
    hostNamespace: true,
  });
  if (stdout.trim() === "") return [];
  const devices = (JSON.parse(stdout) as Listed).loopdevices ?? [];
  const wanted = `${stat.inode} ${deviceText(stat.device)}`;
  return devices
    .filter((device) => `${device["back-ino"]} ${String(device["back-maj:min"]).replaceAll(" ", "")}` === wanted)
    .map((device) => String(device.name));
}

/** The one loop device of a mounted image. */
export async function requireLoop(host: Host, image: string): Promise<string> {
  const [device, second] = await loopsOf(host, image);
  if (device !== undefined && second === undefined) return device;
  throw new RootloomError(
    device === undefined
      ? `cannot use ${image}: no loop device stands for it`
      : `cannot use ${image}: it is attached twice, as ${device} and ${second}`,
    { hint: device === undefined ? "plan again" : `losetup --detach ${second}, after a look at what uses it` },
  );
}

/** Lets go the loop devices of an image that nothing is mounted from; a device in use goes with its last user. */
export async function releaseLoops(host: Host, image: string): Promise<void> {
  for (const device of await loopsOf(host, image)) {
    if (host.files.mounts().some(({ source }) => source === device)) continue;
    await host.processes.run({ file: "losetup", arguments: ["--detach", device], hostNamespace: true, accept: [0, 1] });
  }
}

/** `7:0` of a device as `FileStat` numbers it: 20 bits are the minor's. */
function deviceText(device: number): string {
  return `${Math.floor(device / 2 ** 20)}:${device % 2 ** 20}`;
}
