import type { BootstrapSource, CloneSource, DesiredFile, TarballSource, TreeSource } from "../core/resource.ts";
import { filePath, isAddress } from "../documents/address.ts";
import type { ExpandedDocument } from "../documents/expand.ts";
import type { BootstrapSpec, TarballSpec } from "../documents/types.ts";
import { parseDate, parseSize } from "../documents/units.ts";
import { type CompileContext, type Expanded, findDocument, resolvePath, resourceId } from "./context.ts";
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
    if (isAddress(text)) return text.startsWith("file:") ? resolvePath("/", filePath(text)) : text;
    if (!text.startsWith("/") && context.baseDirectory === undefined) {
      const what = field === "path" ? "tarball" : field;
      const message = `cannot find the ${what} \`${text}\`: the documents come from no checkout`;
      context.report(document, ["spec", "source", "tarball", field], message, "write its absolute path");
    }
    return resolvePath(context.baseDirectory ?? "/", text);
  };
  const { sha256, sha512, maxSize } = spec;
  return {
    type: "tarball",
    location: place(spec.url === undefined ? "path" : "url"),
    ...(sha256 === undefined ? {} : { sha256 }),
    ...(sha512 === undefined ? {} : { sha512 }),
    ...(spec.digests === undefined ? {} : { digests: place("digests") }),
    ...(spec.signature === undefined ? {} : { signature: place("signature") }),
    ...keyringOf(spec.keyring, "tarball", document, context),
    ...(maxSize === undefined ? {} : { maxSize_bytes: parseSize(maxSize) }),
    sourceDate_s: (spec.sourceDate === undefined ? undefined : parseDate(spec.sourceDate)) ?? 0,
  };
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
    ...keyringOf(spec.keyring, type, document, context),
  };
}

/** An origin that is not declared is a problem of references, an origin without a volume too. */
function cloneSource(name: string, context: CompileContext): CloneSource {
  const origin = findDocument(context, "Root", name);
  const place = origin === undefined ? undefined : rootPlace(origin, context);
  const { path = "", volumePath = "" } = place ?? {};
  return { type: "clone", tree: resourceId("tree", name), path, volumePath };
}

function keyringOf(
  path: string | undefined,
  kind: "tarball" | BootstrapSource["type"],
  document: ExpandedDocument,
  context: CompileContext,
): { readonly keyring?: DesiredFile } {
  if (path === undefined) return {};
  const found = context.file(path);
  const report = (message: string, hint: string): void =>
    context.report(document, ["spec", "source", kind, "keyring"], message, hint);
  if (found === undefined) {
    report(
      `cannot find the keyring \`${path}\` in the folder of the documents`,
      "commit the file of public keys there",
    );
    return {};
  }
  // Of what is read as text there is no copy that a tool could open.
  if (found.content === "") {
    const hint = "rename it: keys/release.asc";
    report(`cannot use the keyring \`${path}\`: files with this ending are read as documents`, hint);
  }
  return { keyring: found };
}
