import { asRootloomError, RootloomError } from "../../core/error.ts";
import type { PublishResource } from "../../core/resource.ts";
import type { ApplyContext } from "../types.ts";

type Signing = NonNullable<PublishResource["sign"]>;

/**
 * The key is opened by its path and never copied to a disk: both tools have a home on a file system of its own that is
 * gone with the command, as is every agent. What was signed is checked with the key's public half before it is believed.
 */
const SCRIPT = `
set -eu
exec 3<"$2"
mount -t tmpfs -o mode=0700,nosuid,nodev,noexec,size=16m rootloom /tmp
cd /tmp
mkdir -m 0700 home
cat >signed
if [ "$1" = gpg ]; then
  gpg="gpg --homedir /tmp/home --batch --no-tty --quiet --no-options --no-auto-key-locate"
  $gpg --import <&3
  $gpg --pinentry-mode loopback --passphrase '' --digest-algo SHA512 --output signature --detach-sign signed
  $gpg --trust-model always --verify signature signed 2>/dev/null
else
  cat <&3 >home/key
  minisign -R -s home/key -p home/key.pub </dev/null >/dev/null
  minisign -S -s home/key -m signed -x signature </dev/null >/dev/null
  minisign -V -q -p home/key.pub -m signed -x signature
fi
base64 signature
`;

/**
 * A detached signature of a text. Needs root.
 * @throws RootloomError where the key cannot be used: it has a passphrase, is expired, or others may read it.
 */
export async function signText(text: string, { tool, key }: Signing, context: ApplyContext): Promise<Uint8Array> {
  const { processes } = context.host;
  try {
    const finished = await processes.run({
      file: "sh",
      arguments: ["-c", SCRIPT, "sh", tool, key],
      environment: { HOME: "/tmp/home" },
      input: text,
      signal: context.signal,
      privateNamespace: true,
    });
    return Buffer.from(finished.stdout, "base64");
  } catch (thrown) {
    context.signal.throwIfAborted();
    const { message, details } = asRootloomError(thrown);
    const hint =
      tool === "gpg"
        ? "it must be one secret key without a passphrase that may sign: gpg --export-secret-keys"
        : "it must be a key without a password: minisign -G -W";
    throw new RootloomError(`cannot sign with the key ${key}: ${message}`, { hint, details, cause: thrown });
  }
}
