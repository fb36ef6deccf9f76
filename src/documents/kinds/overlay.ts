import {
  choice,
  DATE,
  DRIFT,
  fields,
  type JsonSchema,
  list,
  MODE,
  ON_DELETE,
  OWNER,
  PROTECT,
  text,
  texts,
  whole,
} from "./common.ts";

const PATH = text("Path inside the overlay, without a leading slash.");

/** Overlay: what git cannot keep about a tree of files (owners, modes, nodes), and where it goes. */
export const overlaySchema: JsonSchema = fields(
  {
    order: whole(0, 1000, "Later ones win. Default: common 10, hardware 20, secret-sauce 30."),
    into: choice(["image", "root"], "image (default): a layer when packing. root: copied into the roots named."),
    roots: { ...texts("into root: names of the Roots."), uniqueItems: true },
    drift: DRIFT,
    sourceDate: DATE,
    rules: list(
      fields({ path: text("Path or pattern: * within a name, ** across."), owner: OWNER, mode: MODE }, "One rule.", [
        "path",
      ]),
      "Owner and mode of files; the first match from the top wins for each of the two.",
    ),
    directories: list(fields({ path: PATH, owner: OWNER, mode: MODE }, "A directory.", ["path"]), "Directories."),
    nodes: list(
      fields(
        {
          path: PATH,
          type: choice(["character", "block", "fifo"], "What it is."),
          major: whole(0, 4095, "Major number of a device."),
          minor: whole(0, 1_048_575, "Minor number of a device."),
          owner: OWNER,
          mode: MODE,
        },
        "A device node or a named pipe. Default mode 0600.",
        ["path", "type"],
      ),
      "Nodes that git cannot keep.",
    ),
    delete: texts("Paths removed, with all below, from what lies under the overlay."),
    onDelete: ON_DELETE,
    protect: PROTECT,
  },
  "A tree of files laid over roots.",
);
