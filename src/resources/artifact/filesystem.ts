import { RootloomError } from "../../core/error.ts";
import { FORMATS } from "../../core/format.ts";
import type { ArtifactResource } from "../../core/resource.ts";
import type { JobMap, PackInput } from "../../host/jobs.ts";
import type { Host } from "../../host/ports.ts";
import { requireSpace } from "../../pack/checks.ts";
import { writeTar } from "../../pack/tar-writer.ts";
import type { PackEntry } from "../../pack/types.ts";
import { removeDirectory } from "../remove.ts";
import type { ApplyContext } from "../types.ts";
import { checkErofs, checkSquashfs } from "./filesystem-verify.ts";

const PROGRESS_PAUSE_MS = 100;

type Context = Pick<ApplyContext, "host" | "cache" | "signal" | "progress">;
type Packed = JobMap["pack"]["output"];
type Layout = JobMap["layout"]["output"];

/** Where one image is made: the file itself, its manifest, and a directory that is ours alone. */
interface Places {
  readonly image: string;
  readonly manifest: string;
  readonly build: string;
}

/** What keeps an image of this format from being made on this host: its tool, or the right to make it. */
export function formatProblem(
  resource: ArtifactResource,
  { processes }: Pick<Host, "processes">,
): { readonly message: string; readonly hint: string } | undefined {
  const { tools, debian } = FORMATS[resource.format];
  const missing = tools.find((tool) => processes.find(tool) === undefined);
  if (missing !== undefined) {
    const message = `cannot pack ${resource.name} as ${resource.format}: ${missing} is not installed`;
    return { message, hint: `apt-get install ${debian}` };
  }
  if (resource.format === "erofs" && processes.userId !== 0) {
    const message = `cannot pack ${resource.name} as erofs: its tool takes owners from files, which only root can give them`;
    return { message, hint: "run it as root, or take format squashfs" };
  }
  return undefined;
}

/**
 * Makes a filesystem image by its own tool from what the layers come to, and compares all that it then holds with the
 * manifest. The same layers give the same bytes with the same version of the tool.
 */
export async function packFilesystem(
  resource: ArtifactResource,
  input: PackInput,
  places: Places,
  context: Context,
): Promise<Packed> {
  const { host, cache, signal } = context;
  // It packs once only: what was not at rest is scanned again.
  const seen = input.seen && { ...input.seen, walk: undefined };
  const laid = await host.jobs.run("layout", { ...input, seen, manifest: places.manifest }, { signal });
  const content_bytes = contentBytes(laid.entries);
  const made = resource.format === "erofs" ? makeErofs : makeSquashfs;
  await made(resource, laid, { ...places, content_bytes }, context);
  const { format } = resource;
  context.progress(`checking ${format}`);
  const check = format === "erofs" ? checkErofs : checkSquashfs;
  const problems = await check(places, context);
  if (problems.length > 0) {
    throw new RootloomError(
      `cannot pack ${resource.name}: what ${FORMATS[format].tools[0]} made differs from what it was given`,
      {
        hint: "look whether the tool has a known fault, or take another format",
        details: problems.slice(0, 20),
      },
    );
  }
  host.files.syncFilesystem(places.build);
  const hashed = await host.jobs.run("hash", { path: places.image, cache, trustCache: false }, { signal });
  const { sha256 = "", size_bytes = 0 } = hashed ?? {};
  const { entries, manifestSha256, notes, layers } = laid;
  const figures = { uncompressed_bytes: content_bytes, entries: entries.length, segments: 0, segmentsReused: 0 };
  return { sha256, size_bytes, ...figures, manifestSha256, notes, layers };
}

interface Work extends Places {
  readonly content_bytes: number;
}

/** Straight from where the contents are: the tool reads a tarball as it is written. */
async function makeSquashfs(
  { compression, sourceDate_s, format }: ArtifactResource,
  { entries }: Layout,
  { image, build, content_bytes }: Work,
  context: Context,
): Promise<void> {
  requireSpace(context.host.files, build, content_bytes);
  const top = entries.find(({ path }) => path === "");
  // It takes no top from a tarball, and the top's time from nowhere: that is the latest time there is, as is its own.
  const topOptions = [
    ["-root-mode", (top?.mode ?? 0o755).toString(8)],
    ["-root-uid", String(top?.owner ?? 0)],
    ["-root-gid", String(top?.group ?? 0)],
  ].flat();
  const { codec, level } = compression;
  const packed =
    codec === "none"
      ? ["-noI", "-noD", "-noF", "-noX"]
      : [
          "-comp",
          codec,
          ...(level > 0 ? ["-Xcompression-level", String(level)] : []),
          ...(codec === "lz4" ? ["-Xhc"] : []),
        ];
  const fixed = ["-tar", "-noappend", "-no-recovery", "-no-xattrs", "-no-exports"];
  const values = ["-", image, ...fixed, ...topOptions, ...packed, "-quiet", "-no-progress"];
  // The top belongs to whoever runs it: an ordinary user does so as the root of a namespace.
  const isRoot = context.host.processes.userId === 0;
  const asRoot = isRoot ? [] : ["--map-root-user", "--", "mksquashfs"];
  await feed(
    entries,
    {
      file: isRoot ? "mksquashfs" : "unshare",
      values: [...asRoot, ...values],
      top: false,
      what: `making ${format}`,
      content_bytes,
      environment: timeOf(entries, sourceDate_s),
    },
    context,
  );
}

/** Its tool of today takes a directory only: what the layers come to stands beside for as long as it reads. */
async function makeErofs(
  { compression, sourceDate_s, name }: ArtifactResource,
  { entries, manifestSha256 }: Layout,
  { image, build, content_bytes }: Work,
  context: Context,
): Promise<void> {
  const { host, signal } = context;
  requireSpace(host.files, build, 2 * content_bytes);
  const stage = `${build}/stage`;
  host.files.makeDirectories(stage, 0o700);
  host.files.makeDirectories(`${stage}/root`, 0o700);
  const values = ["--numeric-owner", "--same-owner", "-xpf", "-", "-C", `${stage}/root`];
  await feed(entries, { file: "tar", values, top: true, what: "staging erofs", content_bytes }, context);
  context.progress(`making erofs ${name}`);
  const { codec, level } = compression;
  const packed = codec === "none" ? [] : [`-z${codec}${level > 0 ? `,${level}` : ""}`];
  await host.processes.run({
    file: "mkfs.erofs",
    arguments: ["--quiet", "-x-1", "-U", uuidOf(manifestSha256), ...packed, image, `${stage}/root`],
    environment: timeOf(entries, sourceDate_s),
    timeout_ms: 0,
    signal,
  });
  await removeDirectory(host, stage);
}

/** The time of the making. No entry is later, so that none is clamped to it. */
function timeOf(entries: readonly PackEntry[], sourceDate_s: number): Readonly<Record<string, string>> {
  const latest_s = entries.reduce((latest, { modified_s }) => Math.max(latest, modified_s), sourceDate_s);
  return { SOURCE_DATE_EPOCH: String(latest_s) };
}

interface Reading {
  readonly file: string;
  readonly values: readonly string[];
  readonly top: boolean;
  readonly what: string;
  readonly content_bytes: number;
  readonly environment?: Readonly<Record<string, string>>;
}

/** Runs a tool that reads the entries as a tarball. */
async function feed(entries: readonly PackEntry[], reading: Reading, context: Context): Promise<void> {
  const { file, values, top, what, content_bytes, environment = {} } = reading;
  const { host, signal } = context;
  let failure: { readonly thrown: unknown } | undefined;
  async function* tarball(): AsyncGenerator<Uint8Array> {
    try {
      let told_ms = Number.NEGATIVE_INFINITY;
      const progress = (done_bytes: number) => {
        const now_ms = host.clock.elapsed_ms();
        if (now_ms - told_ms < PROGRESS_PAUSE_MS) return;
        told_ms = now_ms;
        context.progress(what, done_bytes, content_bytes, "bytes");
      };
      yield* writeTar(host.files, entries, { top, progress });
    } catch (thrown) {
      failure = { thrown };
      throw thrown;
    }
  }
  try {
    await host.processes.run({ file, arguments: values, inputParts: tarball(), environment, timeout_ms: 0, signal });
  } catch (thrown) {
    // A tool whose input ends too early says only that.
    throw failure === undefined ? thrown : failure.thrown;
  }
  if (failure !== undefined) throw failure.thrown;
}

/** The same content has the same identity. */
function uuidOf(sha256: string): string {
  const digits = `${sha256.slice(0, 12)}5${sha256.slice(13, 16)}8${sha256.slice(17, 32)}`;
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

function contentBytes(entries: readonly PackEntry[]): number {
  return entries.reduce(
    (sum, { type, size, linkSet, path }) => sum + (type === "file" && (linkSet === "" || linkSet === path) ? size : 0),
    0,
  );
}
