import { RootloomError } from "../../core/error.ts";
import type { DesiredFile } from "../../core/resource.ts";
import { NOBODY, withoutRights } from "../../host/unprivileged.ts";
import { requireTool } from "../require-tool.ts";
import type { ApplyContext } from "../types.ts";

/** What was signed, where its signature is, and who may have made it. All paths are absolute. */
export interface Signed {
  /** For messages: `the tarball https://...`. */
  readonly what: string;
  readonly path: string;
  /** The detached signature; undefined where the file itself is clearsigned. */
  readonly signature: string | undefined;
  readonly keyring: DesiredFile;
  /** What unpacks the file where its content, and not the file, was signed. */
  readonly unpacker?: string | undefined;
}

export interface Signature {
  /** Fingerprint of the key that signed, 40 hex digits or more. */
  readonly key: string;
  /** The text that a clearsigned file signs, and nothing beside it; empty for a detached signature. */
  readonly text: string;
}

const KEYRING_UNREADABLE = 97;

/**
 * Files are opened by root and handed on as descriptors; gpg runs as nobody, with a home on a file system of its own
 * that is gone with the command, whatever ends it. The process namespace of the command ends every agent with it.
 */
const SCRIPT = `
exec 3<"$1" 4<"$2" || exit 1
unpacker=$4
kind=clearsigned
if [ -n "$3" ]; then kind=detached; exec 5<"$3" || exit 1; fi
shift 4
mount -t tmpfs -o mode=0755,nosuid,nodev,noexec,size=64m rootloom /tmp || exit 1
mkdir -m 0700 /tmp/home && chown ${NOBODY}:${NOBODY} /tmp/home && cd /tmp/home || exit 1
exec "$@" sh -c '
  gpg="gpg --homedir /tmp/home --batch --no-tty --quiet --no-autostart --no-options --no-auto-key-locate --no-auto-key-retrieve"
  $gpg --import <&3 || exit ${KEYRING_UNREADABLE}
  if [ "$1" = detached ]; then
    cat <&5 >/tmp/home/signature || exit 1
    if [ -n "$2" ]; then
      "$2" -dc <&4 | $gpg --trust-model always --status-fd 2 --verify /tmp/home/signature -
      exit
    fi
    exec $gpg --trust-model always --status-fd 2 --verify /tmp/home/signature - <&4
  fi
  cat <&4 >/tmp/home/signed || exit 1
  exec $gpg --trust-model always --status-fd 2 --output - --verify /tmp/home/signed
' sh "$kind" "$unpacker"
`;

/**
 * Checks an OpenPGP signature against a keyring of the commit. Needs root.
 * @throws RootloomError with the key's id where the signature is bad, missing, expired, or of a key that is expired,
 * revoked or not in the keyring.
 */
export async function checkSignature(signed: Signed, context: ApplyContext): Promise<Signature> {
  const { processes } = context.host;
  const { path, signature, keyring, unpacker } = signed;
  requireTool("gpg", `check the signature of ${signed.what}`, "gpg", context);
  const places = [keyring.content, path, signature ?? "", unpacker ?? ""];
  const finished = await processes.run({
    file: "sh",
    arguments: ["-c", SCRIPT, "sh", ...places, ...withoutRights(processes.userId)],
    environment: { HOME: "/tmp/home" },
    timeout_ms: 0,
    signal: context.signal,
    privateNamespace: true,
    accept: [0, 1, 2, KEYRING_UNREADABLE],
  });
  if (finished.exitCode === KEYRING_UNREADABLE)
    throw unverified(signed, `gpg cannot read the keyring ${keyring.path}`, "it must hold public keys: gpg --export");
  return { key: judge(signed, readStatus(finished.stderr)), text: finished.stdout };
}

/** Lines of gpg's status output, by keyword. The words behind it are as doc/DETAILS of gpg says. */
export function readStatus(text: string): readonly (readonly string[])[] {
  return text.split("\n").flatMap((line) => (line.startsWith("[GNUPG:] ") ? [line.slice(9).trim().split(" ")] : []));
}

/** Keywords that tell why one signature is not good; the first that applies is said. */
const FAULTS: readonly (readonly [keyword: string, why: (key: string) => string, hint: string])[] = [
  ["BADSIG", (key) => `the signature of key ${key} is not of this content`, "fetch both again, from the same release"],
  ["REVKEYSIG", (key) => `key ${key} is revoked`, "ask who signs now, and commit a keyring with that key"],
  ["EXPKEYSIG", (key) => `key ${key} is expired`, "commit a keyring in which the key is prolonged, or a newer key"],
  ["EXPSIG", (key) => `the signature of key ${key} is expired`, "take a newer release"],
  ["NO_PUBKEY", (key) => `key ${key} is not in the keyring`, "if you trust that key, add it to the keyring"],
  [
    "ERRSIG",
    (key) => `the signature of key ${key} cannot be checked`,
    "gpg does not know its algorithms, or refuses them",
  ],
];

/**
 * The fingerprint of a good signature, where there is one and none is bad. Others, of keys unknown here, do not count.
 * GOODSIG alone means a key that is in the keyring, and neither expired nor revoked.
 */
function judge(signed: Signed, status: readonly (readonly string[])[]): string {
  const find = (keyword: string) => status.find(([first]) => first === keyword);
  if (find("BADSIG") === undefined) {
    const good = status.findIndex(([first]) => first === "GOODSIG");
    const valid = good < 0 ? undefined : status.slice(good).find(([first]) => first === "VALIDSIG");
    if (valid?.[1] !== undefined) return valid[1];
  }
  for (const [keyword, why, hint] of FAULTS) {
    const found = find(keyword);
    if (found !== undefined) throw unverified(signed, why(found[1] ?? "unknown"), hint);
  }
  const clear = "declare `signature:`, or take the clearsigned file";
  const detached = "the file at `signature:` must be a detached OpenPGP signature";
  throw unverified(signed, "there is no signature in it", signed.signature === undefined ? clear : detached);
}

function unverified({ what, keyring }: Signed, why: string, hint: string): RootloomError {
  return new RootloomError(`cannot trust ${what}: ${why} (keyring ${keyring.path})`, {
    hint,
    condition: "SourceVerified",
  });
}
