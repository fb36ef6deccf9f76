import type { Host } from "../../host/ports.ts";
import { withoutRights } from "../tree/unprivileged.ts";
import { type BuildPaths, compilerCachePath, INSIDE } from "./paths.ts";
import type { Toolchain } from "./toolchain.ts";

/** Where a kernel is made, from what and by which compiler. */
export interface Workshop {
  readonly source: string;
  readonly paths: BuildPaths;
  readonly toolchain: Toolchain;
  readonly cache: string;
  /** Seconds since the epoch: the date that is built in. */
  readonly sourceDate_s: number;
}

/**
 * Opens the directories first: what is mounted below may hide them. The source and the input can only be read; there is no
 * network, and nothing else of root's is left.
 */
const SCRIPT = `set -eu
exec 3<"$1" 4<"$2" 5<"$3" 6<"$4"
shift 4
mount -t tmpfs -o mode=0755,size=64k,nosuid,nodev rootloom /mnt
mkdir /mnt/source /mnt/build /mnt/input /mnt/ccache
mount --no-canonicalize --bind /proc/self/fd/3 /mnt/source
mount --no-canonicalize --bind /proc/self/fd/4 /mnt/build
mount --no-canonicalize --bind /proc/self/fd/5 /mnt/input
mount --no-canonicalize --bind /proc/self/fd/6 /mnt/ccache
mount -o remount,bind,ro /mnt/source
mount -o remount,bind,ro /mnt/input
exec 3<&- 4<&- 5<&- 6<&-
cd /mnt/build
exec "$@"`;

const ANY_EXIT_CODE = Array.from({ length: 256 }, (_, code) => code);

/** Runs a command beside a kernel's source, as nobody and in namespaces of its own. Returns its exit code. */
export async function runInside(
  workshop: Workshop,
  words: readonly string[],
  {
    host,
    signal,
    onLine,
  }: { readonly host: Host; readonly signal: AbortSignal; readonly onLine: (line: string) => void },
): Promise<number> {
  const { source, paths, cache } = workshop;
  const places = [source, paths.tree, paths.input, compilerCachePath(cache)];
  const alone = ["unshare", "--net", "--", ...withoutRights(host.processes.userId)];
  const { exitCode } = await host.processes.run({
    file: "sh",
    arguments: ["-c", SCRIPT, "sh", ...places, ...alone, ...words],
    directory: "/",
    environment: environmentOf(workshop),
    privateNamespace: true,
    accept: ANY_EXIT_CODE,
    timeout_ms: 0,
    onLine,
    signal,
  });
  return exitCode;
}

/** The words of make for this workshop. ccache is used where the host has it. */
export function makeWords({ toolchain }: Workshop, host: Host, words: readonly string[]): readonly string[] {
  const { architecture, prefix } = toolchain;
  const compiler = `${host.processes.find("ccache") === undefined ? "" : "ccache "}${prefix}gcc`;
  const fixed = [`O=${INSIDE.build}`, `ARCH=${architecture}`, `CROSS_COMPILE=${prefix}`, `CC=${compiler}`];
  return ["make", "--no-print-directory", `--directory=${INSIDE.source}`, ...fixed, ...words];
}

/** What would otherwise tell of this host and this hour is fixed: the same inputs make the same bytes. */
function environmentOf({ sourceDate_s }: Workshop): Readonly<Record<string, string>> {
  return {
    HOME: INSIDE.build,
    LC_ALL: "C",
    TZ: "UTC",
    CCACHE_DIR: INSIDE.ccache,
    KBUILD_BUILD_TIMESTAMP: new Date(sourceDate_s * 1000).toUTCString(),
    KBUILD_BUILD_USER: "rootloom",
    KBUILD_BUILD_HOST: "rootloom",
    KBUILD_BUILD_VERSION: "1",
  };
}
