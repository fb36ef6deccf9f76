import { posix } from "node:path";
import { gunzipSync } from "node:zlib";
import type { TreePath } from "../core/entry.ts";
import type { KernelSource } from "../core/resource.ts";
import { type KernelSymbols, readKernelSymbols } from "../documents/kconfig.ts";
import type { Files, Host } from "../host/ports.ts";
import type { Kernel } from "./kernel.ts";
import { unpackKernel } from "./kernel-payload.ts";

/** What a kernel was configured to, and where that is said. */
export interface KernelConfiguration {
  readonly symbols: KernelSymbols;
  /** For people. */
  readonly place: string;
}

const CONFIG_BYTES_MAX = 4 << 20;
/** Stand around the configuration in a kernel that has CONFIG_IKCONFIG, in a gzip. */
const START = "IKCFG_ST";
const END = "IKCFG_ED";

/**
 * The configuration of a kernel that is there, from a file that distributions put beside it, or from itself; where nothing
 * tells it, why, as far as that is known.
 */
export async function findConfiguration(
  host: Pick<Host, "files" | "processes">,
  source: KernelSource,
  kernel: Kernel,
  signal: AbortSignal | undefined,
): Promise<KernelConfiguration | { readonly why: string }> {
  return besideIt(host.files, source, kernel) ?? inItself(kernel, host, signal);
}

function besideIt(files: Files, source: KernelSource, { release }: Kernel): KernelConfiguration | undefined {
  if (source.type === "tree") return inTree(files, source.top, release);
  const folder = posix.dirname(source.path);
  const places = [`${source.path}.config`, `${folder}/config-${release}`];
  for (const place of source.type === "built" ? [`${folder}/config`] : places) {
    const stat = files.stat(files.realPath(place) ?? place);
    if (stat?.type !== "file" || stat.size > CONFIG_BYTES_MAX) continue;
    return { symbols: readKernelSymbols([files.readText(place) ?? ""]), place };
  }
  return undefined;
}

function inTree(files: Files, top: string, release: string): KernelConfiguration | undefined {
  const modules = `lib/modules/${release}`;
  const tree = files.openTree(top);
  try {
    for (const path of [`boot/config-${release}`, `${modules}/config`, `${modules}/build/.config`]) {
      const real: TreePath | undefined = tree.resolve(path);
      const stat = real === undefined ? undefined : tree.stat(real);
      if (real === undefined || stat?.type !== "file" || stat.size > CONFIG_BYTES_MAX) continue;
      const text = Buffer.from(tree.read(real)).toString("utf8");
      return { symbols: readKernelSymbols([text]), place: `${top}/${path}` };
    }
    return undefined;
  } finally {
    tree.close();
  }
}

/** By digest: a kernel is unpacked once, not in each pass. */
const known = new Map<string, KernelSymbols | undefined>();
const KNOWN_MAX = 32;

async function inItself(kernel: Kernel, host: Pick<Host, "processes">, signal: AbortSignal | undefined) {
  if (!known.has(kernel.sha256)) {
    const payload = await unpackKernel(kernel, host, signal);
    // What cannot be seen today may be seen when its tool is there.
    if ("why" in payload) return { why: `it ${payload.why}` };
    if (known.size >= KNOWN_MAX) known.clear();
    known.set(kernel.sha256, embedded(payload.bytes));
  }
  const symbols = known.get(kernel.sha256);
  return symbols === undefined ? { why: "" } : { symbols, place: `the configuration in ${kernel.place}` };
}

function embedded(image: Buffer): KernelSymbols | undefined {
  const start = image.indexOf(START);
  const end = start < 0 ? -1 : image.indexOf(END, start);
  if (end < 0) return undefined;
  try {
    const text = gunzipSync(image.subarray(start + START.length, end), { maxOutputLength: CONFIG_BYTES_MAX });
    return readKernelSymbols([text.toString("utf8")]);
  } catch {
    return undefined;
  }
}
