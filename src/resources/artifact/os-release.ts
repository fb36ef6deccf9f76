import type { ArtifactResource } from "../../core/resource.ts";
import type { Files } from "../../host/ports.ts";

const PATHS = ["usr/lib/os-release", "etc/os-release"];
const BYTES_MAX = 64 * 1024;

/**
 * What the image says of itself, with the image and its generation named in it: boot loaders show and sort by it. The
 * topmost layer decides; a root that is only a tarball is not opened for it.
 */
export function osRelease(files: Files, resource: ArtifactResource, generation: string): string {
  const own =
    fromOverlays(files, resource) ?? fromRoot(files, resource) ?? `ID=linux\nPRETTY_NAME="${resource.name}"\n`;
  const kept = own.split("\n").filter((line) => line !== "" && !/^IMAGE_(ID|VERSION)=/.test(line));
  return [...kept, `IMAGE_ID=${resource.name}`, `IMAGE_VERSION=${generation}`, ""].join("\n");
}

function fromOverlays(files: Files, { overlays }: ArtifactResource): string | undefined {
  for (const { entries, secret } of overlays.toReversed()) {
    const entry = entries.find(({ path, type }) => type === "file" && PATHS.includes(path));
    if (entry !== undefined && !secret && entry.size <= BYTES_MAX) return files.readText(entry.content);
  }
  return undefined;
}

function fromRoot(files: Files, { base }: ArtifactResource): string | undefined {
  if (base.type !== "tree") return undefined;
  const tree = files.openTree(base.path);
  try {
    const path = PATHS.find((candidate) => {
      const stat = tree.stat(candidate);
      return stat?.type === "file" && stat.size <= BYTES_MAX;
    });
    return path === undefined ? undefined : Buffer.from(tree.read(path)).toString("utf8");
  } finally {
    tree.close();
  }
}
