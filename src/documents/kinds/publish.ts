import { fields, flag, type JsonSchema, text, whole } from "./common.ts";

/** `spec.publish` of an Image or a KernelConfig. */
export const PUBLISH: JsonSchema = fields(
  {
    directory: text("Absolute path of a directory of the host that is empty, or not there yet."),
    ssh: fields(
      {
        host: text("Name or address of the other machine; the limits file lists it in `publishHosts`."),
        path: text("Absolute path there, of a directory that is empty, or not there yet."),
        user: text("Who logs in there."),
        port: whole(1, 65_535, "Default 22."),
        identityFile: text(
          "Absolute path of the private key, without a passphrase. It stands on the host, not in git.",
        ),
        knownHosts: text("Absolute path of the file with the key of the other machine, as ssh-keyscan writes it."),
      },
      "A directory of another machine, which has sh, rsync and sha256sum.",
      ["host", "path", "user", "identityFile", "knownHosts"],
    ),
    keep: whole(1, 100, "How many versions are offered there. Default 3."),
    sign: fields(
      {
        gpg: text("Absolute path of a secret OpenPGP key without a passphrase: SHA256SUMS.gpg."),
        minisign: text("Absolute path of a secret key of minisign without a password: SHA256SUMS.minisig."),
      },
      "The key that signs the list of versions. It stands on the host, not in git.",
    ),
    secret: flag("Publishes the image although a secret overlay is in it; its files are 0600 there. Default false."),
    timeout: text('How long one transfer may take: "1h" (default).'),
    recheck: text('How often the daemon looks whether another machine still has what was published: "24h" (default).'),
  },
  "Where the current version is put for others, in the layout that systemd-sysupdate pulls.",
);
