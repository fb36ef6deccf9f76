import { choice, DATE, fields, SIZE, text, texts } from "./common.ts";

const KEYRING = "a file of OpenPGP public keys below the folder of the documents, such as keys/release.asc";

export const TARBALL = fields(
  {
    path: text("The archive: an absolute path, or a path relative to the folder of the documents."),
    url: text("Instead of path: an https: address, a file: one, or http: where a hash or a signature protects it."),
    sha256: text("Its sha256, 64 hex digits; checked before it is read."),
    sha512: text("Its sha512, 128 hex digits; checked before it is read."),
    digests: text("A list of hashes that names it (DIGESTS, SHA256SUMS, SHA512SUMS): a path or an address."),
    signature: text("A detached OpenPGP signature: of `digests` where they are declared, else of the archive."),
    keyring: text(`Who may have signed: ${KEYRING}. Without \`signature\` the digests must be clearsigned.`),
    maxSize: {
      ...SIZE,
      description:
        "What is larger is refused, and what unpacks to more. Default: 16GiB for a download, the free room for what it unpacks to.",
    },
    sourceDate: DATE,
  },
  "A tarball: gz, xz, zst, bz2 or plain. A hash, digests or a signature says that it is the right one.",
);

const BOOTSTRAP = {
  suite: text("Release, such as bookworm."),
  include: texts("Further packages."),
  architecture: text("Debian architecture. Default: the host's own. A foreign one is run by qemu-user."),
  components: texts("Archive areas, such as main. Default main."),
  keyring: text(`Who may have signed the release: ${KEYRING}. Default: the host's own.`),
};

const MMDEBSTRAP = fields(
  {
    ...BOOTSTRAP,
    variant: choice(
      ["extract", "custom", "essential", "apt", "required", "minbase", "buildd", "important", "standard"],
      "Set of packages. Default minbase.",
    ),
    mirror: text("Address of the mirror. Default: the host's own apt sources."),
  },
  "A Debian root made by mmdebstrap.",
  ["suite"],
);

const DEBOOTSTRAP = fields(
  {
    ...BOOTSTRAP,
    variant: choice(["minbase", "buildd", "standard"], "Set of packages. Default minbase."),
    exclude: texts("Packages that the set has and the root is not to have."),
    mirror: text("Address of the mirror. Default: debootstrap's own."),
  },
  "A Debian root made by debootstrap.",
  ["suite"],
);

/** Where a Root's files come from. */
export const SOURCE = fields(
  {
    tarball: TARBALL,
    mmdebstrap: MMDEBSTRAP,
    debootstrap: DEBOOTSTRAP,
    clone: fields(
      { root: text("The Root that is copied, once; what changes in it later does not change the copy.") },
      "A copy of another root of this host.",
      ["root"],
    ),
    existing: fields({}, "A root that is there already; nothing is made."),
  },
  "Where the root's files come from: exactly one of these.",
);
