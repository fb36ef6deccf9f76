import type { ArtifactResource } from "../../core/resource.ts";
import type { Host } from "../../host/ports.ts";
import { PACKER_VERSION } from "../../pack/types.ts";

/** The tool of each format, and what makes it tell its version. */
const MAKERS = {
  squashfs: ["mksquashfs", "-version"],
  erofs: ["mkfs.erofs", "--version"],
} as const;

/** What makes an image, by name: other versions may make other bytes of the same inputs. */
export async function toolsOf(
  { format, boot }: Pick<ArtifactResource, "format" | "boot">,
  { processes }: Pick<Host, "processes">,
): Promise<Readonly<Record<string, string>>> {
  const { node, zlib, zstd } = process.versions;
  const own = { packer: String(PACKER_VERSION), node, ...(zlib && { zlib }), ...(zstd && { zstd }) };
  const others = [
    ...(format === "initramfs" ? [] : [MAKERS[format]]),
    ...(boot?.sign === undefined ? [] : [["sbsign", "--version"] as const]),
  ];
  const versions: Record<string, string> = { ...own };
  for (const [tool, question] of others) {
    if (processes.find(tool) === undefined) continue;
    // Some end with another code when they are only asked.
    const said = await processes.run({ file: tool, arguments: [question], accept: [0, 1] });
    const [line = ""] = `${said.stdout}\n${said.stderr}`.split("\n").filter((each) => each.trim() !== "");
    versions[tool] = line.trim();
  }
  return versions;
}
