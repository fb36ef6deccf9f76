import type { Host } from "../../../host/ports.ts";
import { OWN_FOLDER } from "../../marker.ts";
import { shellLine } from "../../mount/commands.ts";
import { namesText } from "../top.ts";
import type { Looking } from "./backend.ts";
import { CLONE_NOTE } from "./copies.ts";
import { isKnownFilesystem, readOnlyOptions } from "./filesystem.ts";

/** A place that exists everywhere; in a mount namespace of its own nothing else is hidden by a mount on it. */
const PLACE = "/mnt";

/** The first entries of an unmounted filesystem, read without a write; undefined where that cannot be. */
export async function readPrivately(
  { host, signal }: Looking,
  device: string,
  type: string,
): Promise<string | undefined> {
  if (!isKnownFilesystem(type) || host.processes.userId !== 0) return undefined;
  const options = [...readOnlyOptions(type, device, false), ...loopFor(host, device)];
  const mount = ["mount", "--types", type, "--options", options.join(","), "--", device, PLACE];
  const script = `${shellLine([mount])} && exec ls -A ${PLACE}`;
  const { exitCode, stdout } = await host.processes.run({
    file: "sh",
    arguments: ["-c", script],
    privateNamespace: true,
    accept: [0, 1, 2, 32],
    signal,
  });
  if (exitCode !== 0) return undefined;
  return namesText(stdout.split("\n").filter((name) => name !== "" && name !== OWN_FOLDER && name !== "lost+found"));
}

/**
 * Mounts a copy that is ours alone where nobody sees it, which replays its journal, and unmounts it. With a `note`, empty
 * or not, it is a clone: our own notes in it, which mean the origin, give way to that.
 */
export async function settlePrivately(
  { host, signal }: Looking,
  { device, type, note }: { readonly device: string; readonly type: string; readonly note: string | undefined },
): Promise<void> {
  const options = ["rw", ...(type === "xfs" ? ["nouuid"] : []), ...loopFor(host, device)];
  const notes = `${PLACE}/${OWN_FOLDER}`;
  const commands = [
    ["mount", "--types", type, "--options", options.join(","), "--", device, PLACE],
    ...(note === undefined ? [] : [["find", notes, "-xdev", "-depth", "-delete"]]),
    ...(note
      ? [
          ["mkdir", "--mode=0700", notes],
          ["sh", "-c", WRITE, "sh", note, `${PLACE}/${CLONE_NOTE}`],
        ]
      : []),
    ["umount", "--", PLACE],
  ];
  const arguments_ = ["-c", shellLine(commands)];
  await host.processes.run({ file: "sh", arguments: arguments_, privateNamespace: true, timeout_ms: 0, signal });
}

const WRITE = 'umask 077; printf %s "$1" > "$2"';

/** An image needs a loop device, which the kernel lets go with the mount. */
function loopFor({ files }: Host, device: string): readonly string[] {
  return files.stat(device)?.type === "file" ? ["loop"] : [];
}
