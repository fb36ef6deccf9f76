import { createHash } from "node:crypto";
import { posix } from "node:path";
import { RootloomError } from "../../core/error.ts";
import type { TarballSource } from "../../core/resource.ts";
import type { ApplyContext } from "../types.ts";
import { readDigests } from "./digests.ts";
import { download, nameOf } from "./download.ts";
import { sha256Of } from "./kept.ts";
import { checkSignature, type Signature } from "./openpgp.ts";

/** Digests and signatures are short; what is longer is none. */
const NOTE_BYTES_MAX = 4 << 20;

export interface Verified {
  readonly sha256: string;
  /** By what, for people. */
  readonly verified: string;
}

/**
 * Checks a tarball against all that is declared of it: hashes, digests, signature. Nothing of it has been parsed before.
 * @throws RootloomError (condition `SourceVerified`) where one of them does not hold.
 */
export async function verifyTarball(
  subject: string,
  source: TarballSource,
  path: string,
  context: ApplyContext,
): Promise<Verified> {
  const sha256 = await sha256Of(path, context);
  if (sha256 === undefined)
    throw new RootloomError(`cannot read the source of ${subject}: ${path} is not there`, {
      hint: `put the tarball at ${path}`,
    });
  const compare = (algorithm: string, is: string, declared: string | undefined, by: string): void => {
    if (declared !== undefined && is !== declared)
      throw mismatch(subject, source.location, algorithm, is, declared, by);
  };
  compare("sha256", sha256, source.sha256, "is declared");
  const by: string[] = source.sha256 === undefined ? [] : ["sha256"];
  const listed = source.digests === undefined ? undefined : await readList(source, source.digests, context);
  compare("sha256", sha256, listed?.hashes.sha256, `is in ${source.digests}`);
  if (source.sha512 !== undefined || listed?.hashes.sha512 !== undefined) {
    const sha512 = await sha512Of(path, context);
    compare("sha512", sha512, source.sha512, "is declared");
    compare("sha512", sha512, listed?.hashes.sha512, `is in ${source.digests}`);
    if (source.sha512 !== undefined) by.push("sha512");
  }
  if (listed !== undefined)
    by.push(listed.signature === undefined ? "digests" : `digests signed by ${listed.signature.key}`);
  else if (source.signature !== undefined) by.push(`signature of ${(await checkDetached(source, path, context)).key}`);
  if ((await sha256Of(path, context)) !== sha256)
    throw new RootloomError(`cannot use ${path}: it changed while it was checked`, { retry: "transient" });
  return { sha256, verified: by.join(", ") };
}

/** The hashes that the digests give for this tarball; where a keyring is declared, only what was signed counts. */
function readList(source: TarballSource, digests: string, context: ApplyContext) {
  const { keyring } = source;
  return withNote(digests, context, async (path) => {
    let text = context.host.files.readText(path) ?? "";
    let signature: Signature | undefined;
    if (keyring !== undefined) {
      const what = `the digests ${digests}`;
      signature = await withNote(source.signature, context, (detached) =>
        checkSignature({ what, path, signature: detached, keyring }, context),
      );
      if (source.signature === undefined) text = signature.text;
    }
    return { hashes: readDigests(text, nameOf(source.location), digests), signature };
  });
}

function checkDetached(source: TarballSource, path: string, context: ApplyContext): Promise<Signature> {
  const { keyring, location } = source;
  if (keyring === undefined) throw new RootloomError(`cannot trust the tarball ${location}: no keyring is declared`);
  const unpacker = unpackerOf(location, source.signature ?? "");
  return withNote(source.signature, context, (signature) =>
    checkSignature({ what: `the tarball ${location}`, path, signature, keyring, unpacker }, context),
  );
}

const UNPACKERS = { ".xz": "xz", ".gz": "gzip", ".bz2": "bzip2", ".zst": "zstd" } as const;

/** `linux-6.1.tar.sign` beside `linux-6.1.tar.xz` is the signature of the archive before it was compressed, as kernel.org makes them. */
function unpackerOf(location: string, signature: string): string | undefined {
  const signed = nameOf(signature).replace(/\.(sign|sig|asc)$/, "");
  const found = Object.entries(UNPACKERS).find(([ending]) => nameOf(location) === `${signed}${ending}`);
  return found?.[1];
}

/** Gives a short file beside the tarball to `use`: the one at its path, or one fetched anew, since it may be another by now. */
async function withNote<P extends string | undefined, T>(
  place: P,
  context: ApplyContext,
  use: (path: P) => Promise<T>,
): Promise<T> {
  const { files } = context.host;
  if (place === undefined) return use(place);
  const isHere = place.startsWith("/");
  const path = isHere ? place : await fetchNote(place, context);
  try {
    const stat = files.stat(path);
    const why = stat === undefined ? "it is not there" : stat.size > NOTE_BYTES_MAX ? "it is too large" : undefined;
    if (why !== undefined) throw new RootloomError(`cannot read ${place}: ${why}`, { hint: `put it at ${place}` });
    return await use(path as P);
  } finally {
    if (!isHere && files.stat(path) !== undefined) files.removeFile(path);
  }
}

async function fetchNote(url: string, context: ApplyContext): Promise<string> {
  const { files } = context.host;
  const name = createHash("sha256").update(`${context.runId} ${url}`).digest("hex").slice(0, 32);
  const file = posix.join(context.cache, "downloads", `${name}.note.partial`);
  if (files.stat(file) !== undefined) files.removeFile(file);
  await download({ url, file, limit_bytes: NOTE_BYTES_MAX }, context);
  return file;
}

async function sha512Of(path: string, context: ApplyContext): Promise<string> {
  const { processes } = context.host;
  const { stdout } = await processes.run({
    file: "sha512sum",
    arguments: ["--binary", "--zero", "--", path],
    timeout_ms: 0,
    signal: context.signal,
  });
  return stdout.slice(0, 128);
}

function mismatch(
  subject: string,
  location: string,
  algorithm: string,
  is: string,
  declared: string,
  by: string,
): RootloomError {
  return new RootloomError(
    `cannot use the source of ${subject}: ${algorithm} of ${location} is ${is}, ${declared} ${by}`,
    { hint: "fetch the file again, or declare the hash that its publisher names", condition: "SourceVerified" },
  );
}
