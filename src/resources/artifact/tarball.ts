import { RootloomError } from "../../core/error.ts";
import type { ArtifactResource } from "../../core/resource.ts";
import type { Files } from "../../host/ports.ts";
import { plainLimit_bytes, tooLarge } from "../../pack/plain-tarball.ts";
import type { ObserveContext } from "../types.ts";

type Context = Pick<ObserveContext, "host" | "cache" | "signal">;

/** Forms that Node has no decoder for: their first bytes, the tool that reads them, and its Debian package. */
const TOOLS = [
  { magic: "fd377a585a00", tool: "xz", debian: "xz-utils" },
  { magic: "425a68", tool: "bzip2", debian: "bzip2" },
] as const;

/** Of `ulimit -f`: the kernel ends a tool that writes more. */
const BLOCK_BYTES = 512;
const DECOMPRESS = 'umask 077 && ulimit -f "$4" && exec "$1" -dc -- "$2" > "$3"';

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
  const work = running.get(path) ?? decompress(form, base.location, path, base.sha256, context);
  running.set(path, work);
  try {
    await work;
  } finally {
    running.delete(path);
  }
}

async function decompress(
  { tool, debian }: (typeof TOOLS)[number],
  location: string,
  path: string,
  sha256: string,
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
  const limit_bytes = plainLimit_bytes(host.files, cache);
  const partial = `${path}.${host.clock.random(6)}.partial`;
  try {
    await host.processes.run({
      file: "sh",
      arguments: ["-c", DECOMPRESS, "sh", tool, location, partial, String(Math.floor(limit_bytes / BLOCK_BYTES))],
      timeout_ms: 0,
      signal,
    });
    if ((await hashOf(location, context)) !== sha256) {
      throw new RootloomError(`cannot use the tarball ${location}: it changed while it was read`, {
        retry: "transient",
      });
    }
    host.files.rename(partial, path);
  } catch (thrown) {
    const written = host.files.stat(partial);
    if (written !== undefined) host.files.removeFile(partial);
    if ((written?.size ?? 0) + BLOCK_BYTES > limit_bytes) throw tooLarge(location, cache, limit_bytes);
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
