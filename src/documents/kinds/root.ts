import {
  choice,
  DRIFT,
  fields,
  type JsonSchema,
  LINKS,
  list,
  MATRIX,
  MODE,
  ON_DELETE,
  OWNER,
  PROTECT,
  text,
  texts,
  whole,
} from "./common.ts";
import { PROVISION } from "./provision.ts";
import { SOURCE } from "./root-source.ts";

const MOUNT = fields(
  {
    target: text("Absolute path inside the root."),
    type: choice(["bind", "rbind", "proc", "tmpfs", "sysfs", "devtmpfs", "squashfs", "erofs"], "What is mounted."),
    source: text("bind, rbind: the absolute path on the host; squashfs, erofs: that of the image file."),
    volume: text("bind, rbind: instead of source, the Volume that is bound (a shared cache)."),
    subdirectory: text("With volume: the folder of it that is bound; it is made where it is missing."),
    owner: OWNER,
    mode: MODE,
    image: text(
      "Instead of source, an Image. squashfs, erofs: it is mounted, ro,nodev,noexec,nosuid. bind: the directory of its current version.",
    ),
    options: texts("Mount options, such as ro or size=1G."),
    propagation: choice(
      ["private", "slave", "shared", "rprivate", "rslave", "rshared"],
      "Whether mounts below it are passed on.",
    ),
    namespace: choice(
      ["private", "host"],
      "private (default): made for one step or one shell. host: stands in the host's own mount namespace.",
    ),
  },
  "A mount inside the root.",
  ["target", "type"],
);

/** Root: a root filesystem. */
export const rootSchema: JsonSchema = fields(
  {
    volume: text("The Volume that holds it. Not needed for a tarball that is only packed."),
    path: text("Folder below the volume that is the root's top. Default root; for existing the volume itself."),
    source: { ...SOURCE, minProperties: 1, maxProperties: 1 },
    content: choice(
      ["managed", "live"],
      "managed: edits are drift. live (default for existing): people work in it, and its content is an input.",
    ),
    drift: DRIFT,
    snapshots: fields(
      {
        before: {
          ...list(
            choice(["provision", "replace", "restore"], "A change of the root."),
            "Changes before which one is taken.",
          ),
          minItems: 1,
          uniqueItems: true,
        },
        keep: whole(1, 1000, "How many of these stay (default 5). What a person took always stays."),
      },
      "Snapshots that are taken of themselves.",
      ["before"],
    ),
    provision: PROVISION,
    mounts: list(MOUNT, "What is mounted inside the root."),
    links: LINKS,
    onDelete: ON_DELETE,
    protect: PROTECT,
    matrix: MATRIX,
  },
  "A root filesystem.",
  ["source"],
);
