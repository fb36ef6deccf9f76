import { createHash } from "node:crypto";
import { posix } from "node:path";
import type { PublishResource } from "../../core/resource.ts";
import { attributesIn } from "../marked.ts";
import type { ApplyContext } from "../types.ts";
import { type Chosen, filesOf, isEntry, publishedEntry } from "./current.ts";
import type { Looked } from "./look.ts";
import { provenanceOf } from "./provenance.ts";
import {
  nextVersion,
  parseSums,
  renderSums,
  SIGNATURES,
  SUMS,
  type Version,
  versionOf,
  versionsIn,
} from "./release.ts";
import { signText } from "./sign.ts";

/** A file of a release: sent from `source`, or linked there from what the current release has with the same content. */
export interface Part {
  readonly name: string;
  readonly sha256: string;
  readonly size_bytes: number;
  readonly source: string | undefined;
  readonly from: string | undefined;
}

export interface Prepared {
  readonly version: Version;
  readonly parts: readonly Part[];
  readonly sums: string;
  readonly sumsSha256: string;
  /** Versions that are not whole there and cannot be offered any more. */
  readonly dropped: readonly string[];
}

interface Places {
  readonly seen: Looked;
  /** A directory of this run for texts that are made to be sent. */
  readonly work: string;
}

/**
 * All that the next release holds: the chosen generation, under the version that it has there already or a new one, and
 * the newest of the others that are whole there.
 */
export function prepareRelease(
  resource: PublishResource,
  { report, verdict }: Extract<Chosen, { why: "" }>,
  { seen, work }: Places,
  context: ApplyContext,
): Prepared {
  const { name, images, keep } = resource;
  const offered = parseSums(seen.sums);
  const versions = versionsIn(name, offered);
  const [newest] = versions;
  const { generation } = report;
  const isNewest = newest?.generation === generation;
  const version = isNewest ? newest : nextVersion(context.host.clock.now_ms(), generation, newest);
  const packed = filesOf(name, version, report).map((file) => {
    const path = `${images}/${generation}/${file.path}`;
    if (!isEntry(file)) return { ...file, source: path };
    const entry = publishedEntry(context.host.files.readText(path) ?? "", name, version);
    return writeText(file.name, entry, work, context);
  });
  const provenance = provenanceOf(resource, version, report, verdict, packed);
  const fresh = [...packed, writeText(`${name}_${version.text}.provenance.json`, provenance, work, context)];
  const others = versions.filter(({ text }) => text !== version.text);
  const filesOfVersion = ({ text }: Version) => offered.filter((line) => versionOf(name, line.name)?.text === text);
  const isWhole = (each: Version) =>
    filesOfVersion(each).every((line) => seen.files[line.name]?.sha256 === line.sha256);
  const kept = others
    .filter(isWhole)
    .slice(0, keep - 1)
    .flatMap(filesOfVersion);
  const sums = renderSums([...fresh, ...kept]);
  const list = writeText(SUMS, sums, work, context);
  const standing = new Map(Object.entries(seen.files).map(([file, { sha256 }]) => [sha256, file]));
  const parts = [list, ...fresh, ...kept.map((line) => ({ ...line, size_bytes: 0, source: undefined }))].map((file) => {
    const { name: called, sha256, size_bytes } = file;
    const from = standing.get(sha256);
    return { name: called, sha256, size_bytes, source: from === undefined ? file.source : undefined, from };
  });
  const dropped = others.filter((each) => !isWhole(each)).map(({ text }) => text);
  return { version, parts, sums, sumsSha256: list.sha256, dropped };
}

/** The same with the signature of its list, where one is declared; `signature` is its digest. */
export async function withSignature(
  { sign }: PublishResource,
  prepared: Prepared,
  work: string,
  context: ApplyContext,
): Promise<{ readonly parts: readonly Part[]; readonly signature: string }> {
  const { parts, sums } = prepared;
  if (sign === undefined) return { parts, signature: "" };
  const bytes = await signText(sums, sign, context);
  const made = writeText(SIGNATURES[sign.tool], bytes, work, context);
  return { parts: [...parts, { ...made, from: undefined }], signature: made.sha256 };
}

function writeText(name: string, content: string | Uint8Array, work: string, { host }: ApplyContext) {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  const source = posix.join(work, name);
  host.files.writeFile(source, bytes, attributesIn(host.files, work, 0o600));
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return { name, sha256, size_bytes: bytes.length, source };
}
