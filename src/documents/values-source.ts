import { addressFault, isAddress, pathFault, placeFault } from "./address.ts";
import { relativePathFault } from "./paths.ts";
import type { BootstrapSpec, RootSpec, TarballSpec } from "./types.ts";
import { checkDate, checkSize, type Report } from "./value-checks.ts";

type Path = readonly (string | number)[];

/** Where the files of a root come from: each text, and which go together. */
export function checkSource({ source }: RootSpec, report: Report): void {
  if (source.tarball !== undefined) checkTarball(source.tarball, report);
  for (const kind of ["mmdebstrap", "debootstrap"] as const) {
    const bootstrap = source[kind];
    if (bootstrap !== undefined) checkBootstrap(bootstrap, ["source", kind], report);
  }
  checkArguments(source.debootstrap?.exclude, ["source", "debootstrap", "exclude"], report);
}

/** A root without a volume is only packed: nothing is fetched and no signature is looked at for it. */
export function checkPackedOnly(tarball: TarballSpec, report: Report): void {
  if (tarball.sha256 === undefined)
    report(
      ["source", "tarball"],
      "cannot pack a tarball whose `sha256` is not declared",
      "add `sha256:`, or `volume:`",
    );
  for (const field of ["url", "digests", "signature", "keyring"] as const) {
    if (tarball[field] === undefined || (field === "url" && tarball.url?.startsWith("file:"))) continue;
    const message = `cannot use \`${field}\`: the root has no volume, its tarball is only packed`;
    report(["source", "tarball", field], message, "add `volume:`, or leave the field out");
  }
}

const HASHES = [
  ["sha256", 64],
  ["sha512", 128],
] as const;

export function checkTarball(tarball: TarballSpec, report: Report): void {
  const at = (field: string): Path => ["source", "tarball", field];
  for (const [field, length] of HASHES) {
    const hash = tarball[field];
    if (hash === undefined || (hash.length === length && /^[0-9a-f]*$/.test(hash))) continue;
    const message = `cannot use the tarball's ${field}: it is not ${length} hex digits in lower case`;
    report(at(field), message, `run \`${field}sum\` on the file`);
  }
  checkPlaces(tarball, report);
  checkTrust(tarball, report);
  checkKeyring(tarball.keyring, at("keyring"), report);
  checkSize(tarball.maxSize, at("maxSize"), report);
  checkDate(tarball.sourceDate, at("sourceDate"), report);
}

function checkPlaces(tarball: TarballSpec, report: Report): void {
  const { path, url } = tarball;
  if ((path === undefined) === (url === undefined)) {
    const why = path === undefined ? "neither `path` nor `url` says where it is" : "both `path` and `url` are declared";
    report(["source", "tarball"], `cannot find the tarball: ${why}`, "write either `path` or `url`");
  }
  const hint = "write an absolute path, or one relative to the folder of the documents";
  const fault = path === undefined ? undefined : isAddress(path) ? "it is an address" : pathFault(path);
  if (fault !== undefined) {
    const shown = isAddress(path ?? "") ? "an address as path" : `the tarball \`${path}\``;
    report(
      ["source", "tarball", "path"],
      `cannot use ${shown}: ${fault}`,
      isAddress(path ?? "") ? "write `url:`" : hint,
    );
  }
  const wrong = url === undefined ? undefined : isAddress(url) ? addressFault(url) : "it is a path";
  if (wrong !== undefined) report(["source", "tarball", "url"], `cannot fetch the tarball: ${wrong}`, ADDRESS);
  for (const field of ["digests", "signature"] as const) {
    const place = tarball[field];
    const why = place === undefined ? undefined : placeFault(place);
    if (why !== undefined) report(["source", "tarball", field], `cannot use the ${field}: ${why}`, ADDRESS);
  }
}

const ADDRESS = "write an address such as https://example.org/stage.tar.xz, without a user name; or a path";

/** Something must say that it is the right file; over http: that must be a hash of git's or a signature. */
function checkTrust(tarball: TarballSpec, report: Report): void {
  const { sha256, sha512, digests, signature, keyring, path, url } = tarball;
  const hashed = sha256 !== undefined || sha512 !== undefined;
  if (!hashed && digests === undefined && signature === undefined) {
    const message = "cannot use the tarball: nothing says that it is the right one";
    report(["source", "tarball"], message, "add `sha256:` or `sha512:`, `digests:`, or `signature:` with `keyring:`");
  }
  if (signature !== undefined && keyring === undefined) {
    const message = "cannot check the signature: no `keyring` says who may have signed";
    report(
      ["source", "tarball", "signature"],
      message,
      "add `keyring:`, a file of public keys in the documents' folder",
    );
  }
  if (keyring !== undefined && signature === undefined && digests === undefined) {
    const message = "cannot use the keyring: nothing that is signed is declared";
    report(["source", "tarball", "keyring"], message, "add `signature:`, or `digests:` that are clearsigned");
  }
  if (keyring !== undefined || hashed) return;
  for (const [field, place] of Object.entries({ url: url ?? path, digests })) {
    if (!/^http:/i.test(place ?? "")) continue;
    const message = `cannot trust the ${field === "url" ? "tarball" : field}: http: lets anybody on the way change it`;
    report(["source", "tarball", field], message, "write https:, or declare a hash, or a `keyring` of who signed it");
  }
}

function checkBootstrap(spec: BootstrapSpec, path: Path, report: Report): void {
  for (const field of ["suite", "architecture"] as const) checkArgument(spec[field], [...path, field], report);
  for (const field of ["include", "components"] as const) checkArguments(spec[field], [...path, field], report);
  const { mirror } = spec;
  if (mirror !== undefined && URL.parse(mirror)?.password) {
    report([...path, "mirror"], "cannot use the mirror: it holds a password", "put it into apt's own auth.conf");
  } else checkArgument(mirror, [...path, "mirror"], report);
  checkKeyring(spec.keyring, [...path, "keyring"], report);
}

function checkKeyring(keyring: string | undefined, path: Path, report: Report): void {
  const fault = keyring === undefined ? undefined : relativePathFault(keyring);
  if (fault === undefined) return;
  report(path, `cannot use the keyring \`${keyring}\`: ${fault}`, "write a path below the folder of the documents");
}

function checkArguments(values: readonly string[] | undefined, path: Path, report: Report): void {
  for (const [index, value] of (values ?? []).entries()) checkArgument(value, [...path, index], report);
}

/** These become arguments of a command: none may read as an option or as two. */
function checkArgument(value: string | undefined, path: Path, report: Report): void {
  if (value === undefined || /^[^-\s,][^\s,]*$/.test(value)) return;
  report(path, `cannot use \`${value}\``, "write one word that does not start with a dash");
}
