/** What one version of an image is offered as, and the list of all that are: pure text. */

export const SUMS = "SHA256SUMS";
/** `current` names one of these; a run that publishes makes one, so that none is ever changed. */
export const RELEASES = "releases";
export const RELEASE = /^\d{8}T\d{6}Z-[0-9a-f]{8}$/;

export interface Line {
  readonly sha256: string;
  readonly name: string;
}

/** Names of signatures, by the tool that makes them: systemd-sysupdate asks for the first. */
export const SIGNATURES = { gpg: `${SUMS}.gpg`, minisign: `${SUMS}.minisig` } as const;

/** The lines of a list as sha256sum writes it; what is no such line is left out. */
export function parseSums(text: string): readonly Line[] {
  return text.split("\n").flatMap((line) => {
    const [, sha256, name] = /^([0-9a-f]{64}) [ *]([A-Za-z0-9][A-Za-z0-9._-]*)$/.exec(line) ?? [];
    return sha256 === undefined || name === undefined ? [] : [{ sha256, name }];
  });
}

export function renderSums(lines: readonly Line[]): string {
  const sorted = lines.toSorted((left, right) => (left.name < right.name ? -1 : 1));
  return sorted.map(({ sha256, name }) => `${sha256}  ${name}\n`).join("");
}

/** `20261121074500-3f2a91c07be4d512`: when it was published, and the generation. A later one sorts behind. */
export interface Version {
  readonly text: string;
  readonly generation: string;
}

/** The version that a file of an image belongs to; undefined for another's file. */
export function versionOf(image: string, name: string): Version | undefined {
  if (!name.startsWith(`${image}_`)) return undefined;
  const [, text, generation] = /^(\d{14}-([0-9a-f]{16}))\../.exec(name.slice(image.length + 1)) ?? [];
  return text === undefined || generation === undefined ? undefined : { text, generation };
}

/** All versions in a list, the newest first. */
export function versionsIn(image: string, lines: readonly Line[]): readonly Version[] {
  const found = new Map(lines.flatMap(({ name }) => versionOf(image, name) ?? []).map((each) => [each.text, each]));
  return [...found.values()].sort((left, right) => (left.text < right.text ? 1 : -1));
}

/** A version behind all others, also where the clock was put back. */
export function nextVersion(now_ms: number, generation: string, newest: Version | undefined): Version {
  const now = new Date(now_ms).toISOString().replace(/\D/g, "").slice(0, 14);
  const last = newest?.text.slice(0, 14) ?? "";
  const time = now > last ? now : String(Number(last) + 1).padStart(14, "0");
  return { text: `${time}-${generation}`, generation };
}
