import type { Host } from "../../host/ports.ts";
import { withoutRights } from "../../host/unprivileged.ts";
import { inRoot } from "./in-root.ts";
import { type BuildPaths, compilerCachePath, INSIDE } from "./paths.ts";
import type { Toolchain } from "./toolchain.ts";

/** Where a kernel is made, from what and by which compiler. */
export interface Workshop {
  readonly source: string;
  readonly paths: BuildPaths;
  readonly toolchain: Toolchain;
  /** Top of the root whose programs are used; undefined: the host's. */
  readonly root: string | undefined;
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
  const { exitCode } = await host.processes.run({
    ...commandOf(workshop, words, host),
    environment: environmentOf(workshop),
    accept: ANY_EXIT_CODE,
    onLine,
    signal,
  });
  return exitCode;
}

function commandOf({ source, paths, cache, root }: Workshop, words: readonly string[], host: Host) {
  if (root !== undefined) {
    const places = [
      { path: source, name: "source", isReadOnly: true },
      { path: paths.tree, name: "build", isReadOnly: false },
      { path: paths.input, name: "input", isReadOnly: true },
      { path: compilerCachePath(cache), name: "ccache", isReadOnly: false },
    ];
    return inRoot(root, places, ["/bin/sh", "-c", 'cd /mnt/build && exec "$@"', "sh", ...words], host);
  }
  const places = [source, paths.tree, paths.input, compilerCachePath(cache)];
  const alone = ["unshare", "--net", "--", ...withoutRights(host.processes.userId)];
  return {
    file: "sh",
    arguments: ["-c", SCRIPT, "sh", ...places, ...alone, ...words],
    directory: "/",
    privateNamespace: true,
    timeout_ms: 0,
  };
}

/** The words of make for this workshop. ccache is used where it stands beside the compiler. */
export function makeWords({ toolchain }: Workshop, words: readonly string[]): readonly string[] {
  const { architecture, prefix, hasCache } = toolchain;
  const compiler = `${hasCache ? "ccache " : ""}${prefix}gcc`;
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
