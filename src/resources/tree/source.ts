import { createHash } from "node:crypto";
import { posix } from "node:path";
import { canonicalJson, type Json } from "../../core/digest.ts";
import { asRootloomError, RootloomError } from "../../core/error.ts";
import type { TarballSource, TreeResource, TreeSource } from "../../core/resource.ts";
import type { Files } from "../../host/ports.ts";
import type { ApplyContext } from "../types.ts";
import { bootstrap } from "./bootstrap.ts";
import { download } from "./download.ts";
import { sourceFacts } from "./facts.ts";
import { checkKept, keepFile, keptPaths, readFacts, readKept, sha256Of, type Tarball, writeFacts } from "./kept.ts";
import { verifyTarball } from "./verify.ts";

/** Names what a tree is filled from: equal keys give the same content. Where a tarball stands is no part of its hash. */
export function sourceKey(source: TreeSource): string {
  if (source.type === "existing") return "existing";
  if (source.type === "clone") return `clone:${source.tree.slice("tree/".length)}`;
  if (source.type === "tarball" && source.sha256 !== undefined) return `sha256:${source.sha256}`;
  if (source.type === "tarball" && source.sha512 !== undefined) return `sha512:${source.sha512}`;
  return `${source.type}:${digestOf(sourceFacts(source))}`;
}

/**
 * Names what is kept in the cache: like `sourceKey`, but what was checked by a hash alone is not taken for what is to
 * be checked by a signature too.
 */
export function keptKey(source: TreeSource): string {
  if (source.type !== "tarball" || (source.digests === undefined && source.signature === undefined))
    return sourceKey(source);
  return `tarball:${digestOf(sourceFacts(source))}`;
}

/** Whether the tarball that the tree was filled from still stands somewhere; its content is checked before use. */
export function isSourceKept(source: TreeSource, cache: string, files: Files): boolean {
  if (source.type === "existing" || source.type === "clone") return false;
  if (source.type === "tarball" && !isRemote(source)) return files.stat(source.location)?.type === "file";
  return readKept(keptKey(source), cache, files) !== undefined;
}

/** Whose source it is: a root's, or a kernel's. */
interface Subject {
  readonly kind: "tree" | "kernel";
  readonly name: string;
  readonly source: TreeSource;
}

/** The tarball to fill a tree from: the declared one, fetched where it is not here, or what a bootstrapper makes. */
export async function provideTarball({ kind, name, source }: Subject, context: ApplyContext): Promise<Tarball> {
  const subject = `${kind} ${name}`;
  if (source.type === "existing" || source.type === "clone")
    throw new RootloomError(`cannot fill ${subject}: ${source.type} is no source of a tarball`, {
      hint: "declare a tarball, mmdebstrap or debootstrap",
    });
  if (source.type === "tarball" && !isRemote(source)) return checkLocal(subject, source, context);
  const key = keptKey(source);
  const kept = await checkKept(key, context);
  if (kept !== undefined) return kept;
  return once(key, () =>
    source.type === "tarball" ? fetchTarball(subject, source, context) : bootstrap(name, source, key, context),
  );
}

/** As `provideTarball`, but nothing is made or fetched: undefined where no tarball is kept or it is not what was recorded. */
export async function keptTarball(resource: TreeResource, context: ApplyContext): Promise<Tarball | undefined> {
  const { source, name } = resource;
  if (source.type === "existing" || source.type === "clone") return undefined;
  if (source.type !== "tarball" || isRemote(source)) return checkKept(keptKey(source), context);
  // What was found right once is known by its hash: a key that expired since does not make the same bytes wrong.
  const facts = readFacts(keptKey(source), context.cache, context.host.files);
  const { location: path } = source;
  if (facts !== undefined && (await sha256Of(path, context)) === facts.sha256) return { path, ...facts };
  return checkLocal(`tree ${name}`, source, context);
}

/** Two roots of one source wait for one download, one bootstrap. */
const running = new Map<string, Promise<Tarball>>();

function once(key: string, make: () => Promise<Tarball>): Promise<Tarball> {
  const other = running.get(key);
  if (other !== undefined) return other;
  const made = make().finally(() => running.delete(key));
  running.set(key, made);
  return made;
}

async function checkLocal(subject: string, source: TarballSource, context: ApplyContext): Promise<Tarball> {
  const { location: path } = source;
  if (!posix.isAbsolute(path))
    throw new RootloomError(`cannot read the source of ${subject}: ${path} is not an absolute path`, {
      hint: "a bare repository has no files beside it: give the tarball's absolute path",
    });
  const verified = await verifyTarball(subject, source, path, context);
  if (source.digests !== undefined || source.signature !== undefined) writeFacts(keptKey(source), verified, context);
  return { path, ...verified };
}

const LIMIT_BYTES = 16 * 1024 ** 3;

/** Fetches, checks, and only then takes into the cache. A part of an older file is given up when the whole is not right. */
async function fetchTarball(subject: string, source: TarballSource, context: ApplyContext): Promise<Tarball> {
  const { files } = context.host;
  const key = keptKey(source);
  const seeded = keptPaths(key, context.cache).path;
  // Put there by hand, for a host without a network: it counts when it is right.
  if (files.stat(seeded)?.type === "file") {
    const verified = await verifyTarball(subject, source, seeded, context).catch(() => undefined);
    if (verified !== undefined) return keepFile(seeded, key, verified, context);
  }
  const file = posix.join(context.cache, "downloads", `${key.replace(":", "-")}.partial`);
  const wanted = { url: source.location, file, limit_bytes: source.maxSize_bytes ?? LIMIT_BYTES };
  for (;;) {
    context.progress(`fetching ${source.location}`);
    const { resumed } = await download(wanted, context);
    try {
      return keepFile(file, key, await verifyTarball(subject, source, file, context), context);
    } catch (thrown) {
      const error = asRootloomError(thrown);
      // What could not be checked yet may still be right; what is wrong is of no use to anybody.
      if (error.condition === "SourceVerified") files.removeFile(file);
      if (error.condition !== "SourceVerified" || !resumed) throw error;
    }
  }
}

function isRemote(source: TarballSource): boolean {
  return /^https?:/i.test(source.location);
}

function digestOf(facts: Json): string {
  return createHash("sha256").update(canonicalJson(facts)).digest("hex").slice(0, 32);
}
