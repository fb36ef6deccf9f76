import type { ExpandedDocument } from "./expand.ts";
import { suggest } from "./nearest.ts";
import type { DocumentKind, Problem } from "./types.ts";

/** What a document names: the kind, the name, and where it stands below `spec`. */
interface Reference {
  readonly kind: DocumentKind;
  readonly name: string;
  readonly path: readonly (string | number)[];
}

/** Names declared by documents that could not be read whole; "all" where even the name is not known. */
export type BrokenNames = ReadonlyMap<DocumentKind, "all" | ReadonlySet<string>>;

/** Looking for the name that was meant costs a look at all of them: done for so many that a person reads. */
const SUGGESTIONS_MAX = 300;

/** Names that stand twice and names that lead nowhere, with the nearest one. */
export function checkReferences(documents: readonly ExpandedDocument[], broken: BrokenNames): readonly Problem[] {
  const names = new Map<DocumentKind, Map<string, ExpandedDocument>>();
  const problems: Problem[] = [];
  for (const document of documents) {
    const ofKind = names.get(document.kind) ?? new Map<string, ExpandedDocument>();
    names.set(document.kind, ofKind);
    const first = document.kind === "Host" ? [...ofKind.values()][0] : ofKind.get(document.name);
    if (first === undefined) ofKind.set(document.name, document);
    else problems.push(duplicate(document, first));
  }
  let suggestions = 0;
  for (const document of documents) {
    for (const reference of referencesOf(document)) {
      const declared = names.get(reference.kind) ?? new Map<string, ExpandedDocument>();
      if (declared.has(reference.name) || isBroken(broken, reference)) continue;
      const message = `cannot find ${reference.kind} \`${reference.name}\`, which ${document.kind} ${document.name} names`;
      const known = suggestions++ < SUGGESTIONS_MAX ? [...declared.keys()] : [];
      const none = declared.size === 0 ? `no ${reference.kind} is declared: add one` : "correct the names above first";
      const hint = suggest(reference.name, known, none);
      problems.push({ ...document.locate(["spec", ...reference.path]), message, hint });
    }
  }
  return [...problems, ...checkUses(documents, names)];
}

function duplicate(document: ExpandedDocument, first: ExpandedDocument): Problem {
  const place = first.locate(["metadata", "name"]);
  const where = `${place.file}:${place.line}:${place.column}`;
  const at = document.locate(["metadata", "name"]);
  if (document.kind === "Host") {
    return { ...at, message: `cannot use a second Host: the first is at ${where}`, hint: "keep one of the two" };
  }
  const message = `cannot declare ${document.kind} ${document.name} twice: the first is at ${where}`;
  return { ...at, message, hint: "rename one of the two, or remove it" };
}

function isBroken(broken: BrokenNames, reference: Reference): boolean {
  const names = broken.get(reference.kind);
  return names === "all" || names?.has(reference.name) === true;
}

function referencesOf(document: ExpandedDocument): readonly Reference[] {
  if (document.kind === "Root") {
    const { volume, mounts = [] } = document.spec;
    const mounted = mounts.flatMap((mount, index) => [
      ...refer("Volume", mount.volume, ["mounts", index, "volume"]),
      ...refer("Image", mount.image, ["mounts", index, "image"]),
    ]);
    const { clone } = document.spec.source;
    return [
      ...refer("Volume", volume, ["volume"]),
      ...refer("Root", clone?.root, ["source", "clone", "root"]),
      ...mounted,
    ];
  }
  if (document.kind === "Overlay") {
    return (document.spec.roots ?? []).flatMap((root, index) => refer("Root", root, ["roots", index]));
  }
  if (document.kind === "Image") {
    const { root, overlays = [], kernel, kernelImage, modules, firmware, target } = document.spec;
    return [
      ...refer("Root", root, ["root"]),
      ...overlays.flatMap((overlay, index) => refer("Overlay", overlay, ["overlays", index])),
      ...refer("KernelConfig", kernel, ["kernel"]),
      ...refer("Root", kernelImage?.root, ["kernelImage", "root"]),
      ...refer("KernelConfig", kernelImage?.kernel, ["kernelImage", "kernel"]),
      ...refer("KernelConfig", modules?.kernel, ["modules", "kernel"]),
      ...refer("Root", modules?.root, ["modules", "root"]),
      ...refer("Root", firmware?.root, ["firmware", "root"]),
      ...refer("Volume", firmware?.volume?.name, ["firmware", "volume", "name"]),
      ...refer("ArchTarget", target, ["target"]),
    ];
  }
  if (document.kind === "KernelConfig") {
    const { source, target, initramfs, buildIn } = document.spec;
    return [
      ...refer("Volume", source?.volume?.name, ["source", "volume", "name"]),
      ...refer("ArchTarget", target, ["target"]),
      ...refer("Image", initramfs, ["initramfs"]),
      ...refer("Root", buildIn, ["buildIn"]),
    ];
  }
  return [];
}

function refer(kind: DocumentKind, name: string | undefined, path: Reference["path"]): readonly Reference[] {
  return name === undefined ? [] : [{ kind, name, path }];
}

/** What is there, but cannot be used that way. */
function checkUses(
  documents: readonly ExpandedDocument[],
  names: ReadonlyMap<DocumentKind, ReadonlyMap<string, ExpandedDocument>>,
): readonly Problem[] {
  const problems: Problem[] = [];
  for (const document of documents) {
    if (document.kind === "Image") {
      for (const [index, name] of (document.spec.overlays ?? []).entries()) {
        const overlay = names.get("Overlay")?.get(name);
        if (overlay?.kind !== "Overlay" || overlay.spec.into !== "root") continue;
        const message = `cannot lay overlay ${name} into Image ${document.name}: it is copied into roots`;
        const hint = "leave it out: the image gets it with its root; or take `into: root` from the overlay";
        problems.push({ ...document.locate(["spec", "overlays", index]), message, hint });
      }
    }
    if (document.kind === "Root") problems.push(...checkMountedImages(document, names));
    if (document.kind === "Root" && document.spec.source.clone !== undefined) {
      const name = document.spec.source.clone.root;
      const root = names.get("Root")?.get(name);
      if (root?.kind === "Root" && root.spec.volume === undefined) {
        const message = `cannot clone Root ${name}: it has no volume, so that nothing of it stands on the host`;
        const hint = "give that root a volume, or name its tarball here too";
        problems.push({ ...document.locate(["spec", "source", "clone", "root"]), message, hint });
      }
    }
    if (document.kind === "Overlay") {
      for (const [index, name] of (document.spec.roots ?? []).entries()) {
        const root = names.get("Root")?.get(name);
        if (root?.kind !== "Root" || root.spec.volume !== undefined) continue;
        const message = `cannot lay overlay ${document.name} into Root ${name}: it has no volume`;
        const hint = "give the root a volume, or make the overlay a layer of the image";
        problems.push({ ...document.locate(["spec", "roots", index]), message, hint });
      }
    }
  }
  return problems;
}

/** An image is mounted as what it is; the directory of any can be bound. */
function checkMountedImages(
  document: Extract<ExpandedDocument, { readonly kind: "Root" }>,
  names: ReadonlyMap<DocumentKind, ReadonlyMap<string, ExpandedDocument>>,
): readonly Problem[] {
  return (document.spec.mounts ?? []).flatMap(({ type, image: name }, index) => {
    const image = name === undefined ? undefined : names.get("Image")?.get(name);
    if (image?.kind !== "Image" || type === "bind") return [];
    const { format = "initramfs" } = image.spec;
    if (format === type) return [];
    const message = `cannot mount Image ${name} as ${type}: it is made as ${format}`;
    const hint = `write \`format: ${type}\` in the image, or bind its directory by \`type: bind\``;
    return [{ ...document.locate(["spec", "mounts", index, "type"]), message, hint }];
  });
}
