import { RootloomError } from "../../core/error.ts";

export interface DeclaredHashes {
  readonly sha256: string | undefined;
  readonly sha512: string | undefined;
}

/** Algorithm by the length of its hex digits, where no heading says otherwise. */
const BY_LENGTH: ReadonlyMap<number, string> = new Map([
  [64, "sha256"],
  [128, "sha512"],
]);

/**
 * What a list of hashes says of one file: `HASH  NAME` lines as sha256sum and sha512sum write them, sections that
 * begin with `# SHA512 HASH`, and `SHA256 (NAME) = HASH` lines. Hashes of other algorithms are passed over.
 * @throws RootloomError where the list does not name the file, or says two things of it.
 */
export function readDigests(text: string, name: string, place: string): DeclaredHashes {
  const found = new Map<string, string>();
  let section: string | undefined;
  for (const line of text.split(/\r?\n/)) {
    const heading = /^#\s*([A-Za-z0-9-]+) HASH\s*$/.exec(line)?.[1];
    if (heading !== undefined) section = heading.toLowerCase();
    const entry = readLine(line, section);
    if (entry === undefined || entry.name !== name || !["sha256", "sha512"].includes(entry.algorithm)) continue;
    const before = found.get(entry.algorithm);
    if (before !== undefined && before !== entry.hash)
      throw new RootloomError(`cannot use the digests ${place}: they give two ${entry.algorithm} of ${name}`, {
        hint: "declare the hash itself: `sha256:` or `sha512:`",
        condition: "SourceVerified",
      });
    found.set(entry.algorithm, entry.hash);
  }
  if (found.size === 0)
    throw new RootloomError(`cannot use the digests ${place}: they have no sha256 or sha512 of ${name}`, {
      hint: "they must name the tarball by the last part of its address; take the digests of this very file",
      condition: "SourceVerified",
    });
  return { sha256: found.get("sha256"), sha512: found.get("sha512") };
}

function readLine(
  line: string,
  section: string | undefined,
): { readonly algorithm: string; readonly hash: string; readonly name: string } | undefined {
  const tagged = /^([A-Za-z0-9-]+) \((.+)\) = ([0-9A-Fa-f]+)$/.exec(line);
  if (tagged !== null) {
    const [, algorithm = "", name = "", hash = ""] = tagged;
    return entryOf(algorithm.toLowerCase(), hash, name);
  }
  const [, hash = "", name = ""] = /^([0-9A-Fa-f]+) [ *]?(\S.*)$/.exec(line) ?? [];
  if (hash === "") return undefined;
  return entryOf(section ?? BY_LENGTH.get(hash.length) ?? "", hash, name);
}

/** A hash of the wrong length for its algorithm is none. */
function entryOf(algorithm: string, hash: string, name: string) {
  if (BY_LENGTH.get(hash.length) !== algorithm) return undefined;
  return { algorithm, hash: hash.toLowerCase(), name: name.trim().replace(/^(\.\/)+/, "") };
}
