import { createHash } from "node:crypto";
import { canonicalJson } from "../../core/digest.ts";
import type { ArtifactResource, Compression, OverlayEntry } from "../../core/resource.ts";
import type { LayerDigest, LayerSource, PackInput } from "../../host/jobs.ts";
import type { Files } from "../../host/ports.ts";
import { PACKER_VERSION } from "../../pack/types.ts";
import { OWN_FOLDER } from "../marker.ts";
import { type Accounts, noAccounts, readAccounts, resolveOwners } from "../overlay/owners.ts";

/** Name of the lowest layer in inputs and reports: `root/debian`. */
export function rootLayer({ base }: ArtifactResource): string {
  return base.type === "tree" ? `root/${rootOf(base)}` : "root/tarball";
}

/** Name of the root that an image is made of. */
export function rootOf({ tree }: Extract<ArtifactResource["base"], { readonly type: "tree" }>): string {
  return tree.slice("tree/".length);
}

/** What the packer is given; owners are resolved in the root's own accounts, and `picked` lies directly above the root. */
export function packInput(
  files: Files,
  resource: ArtifactResource,
  cache: string,
  picked: readonly LayerSource[] = [],
): PackInput {
  const accounts = accountsOf(files, resource);
  const overlays = resource.overlays.map((overlay): LayerSource => {
    const { name, deletions, sourceDate_s, digest } = overlay;
    const entries = resolveOwners(overlay.entries, accounts);
    return { type: "overlay", name: `overlay/${name}`, entries, deletions, sourceDate_s, digest };
  });
  const { init, sourceDate_s } = resource;
  const compression = packerCompression(resource);
  const excludes = imageExcludes(resource);
  const nodes = resolveOwners(resource.nodes, accounts);
  const layers = [baseLayer(files, resource), ...picked, ...overlays];
  return { layers, excludes, nodes, init, compression, sourceDate_s, cache };
}

/** What an image leaves out of its root. A volume that is itself a root holds our own files too. */
export function imageExcludes({ excludes }: ArtifactResource): readonly string[] {
  return [...excludes, OWN_FOLDER];
}

/** How the packer itself compresses; an image that another tool makes is only laid out by it. */
function packerCompression({ format, compression }: ArtifactResource): Compression {
  const { codec, level } = compression;
  const isOurs = codec === "gzip" || codec === "zstd" || codec === "none";
  return format === "initramfs" && isOurs ? { codec, level } : { codec: "none", level: 0 };
}

/**
 * All that a generation depends on, by name. `rootLayer` is the host's, every other one the commit's.
 * @param boot what its boot tree depends on; empty where it has none.
 */
export function inputsOf(
  resource: ArtifactResource,
  layers: readonly LayerDigest[],
  boot: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const { excludes, nodes, compression, init, sourceDate_s, file, target } = resource;
  return {
    packer: String(PACKER_VERSION),
    ...Object.fromEntries(layers.map((layer) => [layer.name, layer.digest])),
    // The same layers in another order are another image.
    order: layers.map((layer) => layer.name).join(" "),
    excludes: digestOf(excludes),
    nodes: digestOf(nodes.map(({ content: _content, ...node }: OverlayEntry) => node)),
    compression: `${compression.codec} ${compression.level}`,
    init,
    sourceDate: String(sourceDate_s),
    file,
    target: target ?? "",
    ...boot,
  };
}

/** Name of the generation that these inputs make. */
export function generationOf(inputs: Readonly<Record<string, string>>): string {
  return digestOf(inputs).slice(0, 16);
}

/** Names of the inputs that differ, in the order of `inputs`, then those that are gone. */
export function changedInputs(
  inputs: Readonly<Record<string, string>>,
  recorded: Readonly<Record<string, string>>,
): readonly string[] {
  return [
    ...Object.keys(inputs).filter((name) => inputs[name] !== recorded[name]),
    ...Object.keys(recorded).filter((name) => !(name in inputs)),
  ];
}

function baseLayer(files: Files, resource: ArtifactResource): LayerSource {
  const { base } = resource;
  const name = rootLayer(resource);
  if (base.type === "tree") {
    const { path } = base;
    const sourceDate_s = base.sourceDate_s === "release" ? releaseDate_s(files, path) : base.sourceDate_s;
    return { type: "tree", name, path, identity: files.filesystemIdentity(path), sourceDate_s };
  }
  const { type, location: path, ...rest } = base;
  return { type, name, path, ...rest };
}

/** A bootstrapper keeps the times that packages carry: os-release has the time at which its release was made. */
function releaseDate_s(files: Files, treePath: string): number {
  const tree = files.openTree(treePath);
  try {
    const stat = tree.stat("usr/lib/os-release") ?? tree.stat("etc/os-release") ?? tree.stat("etc/debian_version");
    return Math.floor(stat?.modified_s ?? 0);
  } finally {
    tree.close();
  }
}

/** A tarball is not opened for its passwd: its overlays use numbers, or root. */
function accountsOf(files: Files, resource: ArtifactResource): Accounts {
  const { base } = resource;
  if (base.type === "tarball") return noAccounts("a root that is only packed from its tarball");
  const tree = files.openTree(base.path);
  try {
    return readAccounts(tree, rootLayer(resource));
  } finally {
    tree.close();
  }
}

function digestOf(value: unknown): string {
  return createHash("sha256").update(canonicalJson(value)).digest("hex");
}
