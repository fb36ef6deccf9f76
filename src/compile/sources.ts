import type { BootstrapSource, CloneSource, DesiredFile, TarballSource, TreeSource } from "../core/resource.ts";
import { filePath, isAddress } from "../documents/address.ts";
import type { ExpandedDocument } from "../documents/expand.ts";
import type { BootstrapSpec, TarballSpec } from "../documents/types.ts";
import { parseDate, parseSize } from "../documents/units.ts";
import { type CompileContext, cleanPath, type Expanded, findDocument, resolvePath, resourceId } from "./context.ts";
import { rootPlace } from "./root-place.ts";

/** What a root is filled from, with every path absolute. */
export function treeSource(document: Expanded<"Root">, context: CompileContext): TreeSource {
  const { tarball, mmdebstrap, debootstrap, clone } = document.spec.source;
  if (tarball !== undefined) return tarballSource(tarball, document, context);
  if (mmdebstrap !== undefined) return bootstrapSource("mmdebstrap", mmdebstrap, document, context);
  if (debootstrap !== undefined)
    return {
      ...bootstrapSource("debootstrap", debootstrap, document, context),
      exclude: [...(debootstrap.exclude ?? [])].sort(),
    };
  return clone === undefined ? { type: "existing" } : cloneSource(clone.root, context);
}

/** Of a document whose tarball stands at `source.tarball`. */
export function tarballSource(spec: TarballSpec, document: ExpandedDocument, context: CompileContext): TarballSource {
  const place = (field: "path" | "url" | "digests" | "signature"): string => {
    const text = spec[field] ?? "";
    if (isAddress(text)) return text.startsWith("file:") ? cleanPath(filePath(text)) : text;
    if (!text.startsWith("/") && context.baseDirectory === undefined) {
      const what = field === "path" ? "tarball" : field;
      const message = `cannot find the ${what} \`${text}\`: the documents come from no checkout`;
      context.report(document, ["spec", "source", "tarball", field], message, "write its absolute path");
    }
    return resolvePath(context.baseDirectory ?? "", text);
  };
  const { sha256, sha512, maxSize } = spec;
  return {
    type: "tarball",
    location: place(spec.url === undefined ? "path" : "url"),
    sha256,
    sha512,
    digests: spec.digests === undefined ? undefined : place("digests"),
    signature: spec.signature === undefined ? undefined : place("signature"),
    keyring: keyringOf(spec.keyring, "tarball", document, context),
    maxSize_bytes: parseSize(maxSize),
    sourceDate_s: tarballDate(spec),
  };
}

/** Seconds since the epoch, which is the date of one that has none. */
export function tarballDate({ sourceDate }: TarballSpec): number {
  return parseDate(sourceDate) ?? 0;
}

function bootstrapSource(
  type: BootstrapSource["type"],
  spec: BootstrapSpec,
  document: Expanded<"Root">,
  context: CompileContext,
): BootstrapSource {
  return {
    type,
    suite: spec.suite,
    variant: spec.variant ?? "minbase",
    include: [...(spec.include ?? [])].sort(),
    architecture: spec.architecture,
    mirror: spec.mirror,
    components: spec.components ?? ["main"],
    keyring: keyringOf(spec.keyring, type, document, context),
  };
}

/** An origin that is not declared is a problem of references, an origin without a volume too. */
function cloneSource(name: string, context: CompileContext): CloneSource {
  const { path = "", volumePath = "" } = rootPlace(findDocument(context, "Root", name), context) ?? {};
  return { type: "clone", tree: resourceId("tree", name), path, volumePath };
}

function keyringOf(
  path: string | undefined,
  kind: "tarball" | BootstrapSource["type"],
  document: ExpandedDocument,
  context: CompileContext,
): DesiredFile | undefined {
  if (path === undefined) return undefined;
  const found = context.file(path);
  const report = (message: string, hint: string): void =>
    context.report(document, ["spec", "source", kind, "keyring"], message, hint);
  if (found === undefined) {
    report(
      `cannot find the keyring \`${path}\` in the folder of the documents`,
      "commit the file of public keys there",
    );
    return undefined;
  }
  // Of what is read as text there is no copy that a tool could open.
  if (found.content === "") {
    const hint = "rename it: keys/release.asc";
    report(`cannot use the keyring \`${path}\`: files with this ending are read as documents`, hint);
  }
  return found;
}
