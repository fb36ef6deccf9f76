import { RootloomError } from "../../core/error.ts";
import type { ArtifactResource } from "../../core/resource.ts";
import type { Files } from "../../host/ports.ts";
import { plainLimit } from "../../pack/plain-tarball.ts";
import type { ObserveContext } from "../types.ts";

type BaseTarball = Extract<ArtifactResource["base"], { readonly type: "tarball" }>;
type Context = Pick<ObserveContext, "host" | "cache" | "signal">;

/** Forms that Node has no decoder for: their first bytes, the tool that reads them, and its Debian package. */
const TOOLS = [
  { magic: "fd377a585a00", tool: "xz", debian: "xz-utils" },
  { magic: "425a68", tool: "bzip2", debian: "bzip2" },
] as const;

/** Of `ulimit -f`: the kernel ends a tool that writes more by SIGXFSZ, which the first process of a namespace would not get. */
const BLOCK_BYTES = 512;
const DECOMPRESS = 'umask 077; ulimit -f "$4" || exit 1; "$1" -dc -- "$2" > "$3"; exit "$?"';
const ENDED_BY_LIMIT = 128 + 25;

/** Two images of one tarball are looked at in parallel: it is decompressed once. */
const running = new Map<string, Promise<void>>();

/**
 * Decompresses the tarball of an image without a volume into the cache (`tarballs/SHA256.tar`), where the packer
 * looks first, when it is in a form that the packer does not read by itself. Done once a tarball, checked by its hash
 * before and after; what else is wrong with it, the packer says.
 */
export async function provideBase(resource: ArtifactResource, context: Context): Promise<void> {
  const { base } = resource;
  if (base.type !== "tarball") return;
  const { files } = context.host;
  const path = `${context.cache}/tarballs/${base.sha256}.tar`;
  const form = formOf(files, base.location);
  if (form === undefined || files.stat(path) !== undefined) return;
  const work = running.get(path) ?? decompress(form, base, path, context);
  running.set(path, work);
  try {
    await work;
  } finally {
    running.delete(path);
  }
}

async function decompress(
  { tool, debian }: (typeof TOOLS)[number],
  { location, sha256, maxSize_bytes }: BaseTarball,
  path: string,
  context: Context,
): Promise<void> {
  const { host, cache, signal } = context;
  // A wrong one is refused by the packer, in its own words.
  if ((await hashOf(location, context)) !== sha256) return;
  if (host.processes.find(tool) === undefined) {
    throw new RootloomError(`cannot read the tarball ${location}: ${tool} is not installed`, {
      hint: `apt-get install ${debian}`,
    });
  }
  host.files.makeDirectories(`${cache}/tarballs`, 0o700);
  const limit = plainLimit(host.files, cache, maxSize_bytes);
  const partial = `${path}.${host.clock.random(6)}.partial`;
  try {
    const { exitCode } = await host.processes.run({
      file: "sh",
      arguments: ["-c", DECOMPRESS, "sh", tool, location, partial, String(Math.ceil(limit.bytes / BLOCK_BYTES))],
      timeout_ms: 0,
      signal,
      accept: [0, ENDED_BY_LIMIT],
    });
    if (exitCode === ENDED_BY_LIMIT) throw limit.exceeded(location);
    if ((await hashOf(location, context)) !== sha256) {
      throw new RootloomError(`cannot use the tarball ${location}: it changed while it was read`, {
        retry: "transient",
      });
    }
    host.files.rename(partial, path);
  } catch (thrown) {
    if (host.files.stat(partial) !== undefined) host.files.removeFile(partial);
    throw thrown;
  }
}

async function hashOf(path: string, { host, cache, signal }: Context): Promise<string | undefined> {
  return (await host.jobs.run("hash", { path, cache, trustCache: true }, { signal }))?.sha256;
}

function formOf(files: Files, path: string): (typeof TOOLS)[number] | undefined {
  if (files.stat(path)?.type !== "file") return undefined;
  const reader = files.openReader(path);
  if (reader === undefined) return undefined;
  try {
    const start = Buffer.alloc(6);
    const length = reader.read(start, 0);
    const magic = start.subarray(0, length).toString("hex");
    return TOOLS.find((form) => magic.startsWith(form.magic));
  } finally {
    reader.close();
  }
}
