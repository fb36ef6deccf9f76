import type { Digest } from "../core/digest.ts";
import type { DesiredFile, HostPolicy, Origin, Resource, ResourceId, ResourceKind } from "../core/resource.ts";
import type { ExpandedDocument } from "../documents/expand.ts";
import type { OverlaySource } from "../documents/overlays.ts";
import type { DocumentKind, LinkSpec } from "../documents/types.ts";

/** A document of one kind, with its variables filled in. */
export type Expanded<K extends DocumentKind> = Extract<ExpandedDocument, { kind: K }>;

/** The parts of a file, joined: where a cached copy stands, and what it holds. */
export type MergedContents = ReadonlyMap<
  string,
  { readonly sha256: string; readonly size: number; readonly content: string }
>;

export function mergedKey(parts: readonly string[]): string {
  return parts.join("\0");
}

/** What the compilers of all kinds share. */
export interface CompileContext {
  /** Absolute path of the state directory. */
  readonly state: string;
  /** Absolute path of the documents' folder in a checkout; undefined where there is none. */
  readonly baseDirectory: string | undefined;
  readonly digest: Digest;
  readonly policy: HostPolicy;
  readonly documents: DocumentIndex;
  readonly overlays: readonly OverlaySource[];
  /** A regular file of the documents' folder. */
  readonly file: (path: string) => DesiredFile | undefined;
  /** Contents that files of roots are put together to, by `mergedKey` of their parts. */
  readonly merged: MergedContents;
  readonly report: (
    document: ExpandedDocument,
    path: readonly (string | number)[],
    message: string,
    hint: string,
  ) => void;
}

/** Documents of each kind in their order, and the first of each name: a tree has thousands that name each other. */
export type DocumentIndex = ReadonlyMap<
  DocumentKind,
  { readonly all: readonly ExpandedDocument[]; readonly named: ReadonlyMap<string, ExpandedDocument> }
>;

export function indexDocuments(documents: readonly ExpandedDocument[]): DocumentIndex {
  const index = new Map<DocumentKind, { all: ExpandedDocument[]; named: Map<string, ExpandedDocument> }>();
  for (const document of documents) {
    const { all, named } = index.get(document.kind) ?? { all: [], named: new Map<string, ExpandedDocument>() };
    index.set(document.kind, { all, named });
    all.push(document);
    if (!named.has(document.name)) named.set(document.name, document);
  }
  return index;
}

export function ofKind<K extends DocumentKind>(context: CompileContext, kind: K): readonly Expanded<K>[] {
  // The index keeps the kinds apart.
  return (context.documents.get(kind)?.all ?? []) as readonly Expanded<K>[];
}

export function findDocument<K extends DocumentKind>(
  context: CompileContext,
  kind: K,
  name: string | undefined,
): Expanded<K> | undefined {
  return context.documents.get(kind)?.named.get(name ?? "") as Expanded<K> | undefined;
}

/** Where a resource comes from; the document's top unless a path is given. */
export function originOf(document: ExpandedDocument, path: readonly (string | number)[] = []): Origin {
  return { document: `${document.kind}/${document.name}`, ...document.locate(path) };
}

export function resourceId(kind: ResourceKind, name: string): ResourceId {
  return `${kind}/${name}`;
}

/** A path that is absolute, or else below `base`, made clean. */
export function resolvePath(base: string, path: string): string {
  return cleanPath(path.startsWith("/") ? path : `${base}/${path}`);
}

/** An absolute path without `.` and empty components; `..` goes up, at most to the top. */
export function cleanPath(path: string): string {
  const components: string[] = [];
  for (const component of path.split("/")) {
    if (component === "..") components.pop();
    else if (component !== "" && component !== ".") components.push(component);
  }
  return `/${components.join("/")}`;
}

/** True for paths strictly below the other one. */
export function isBelow(path: string, parent: string): boolean {
  if (parent === "/") return path !== "/";
  return path[parent.length] === "/" && path.slice(0, parent.length) === parent;
}

/** Links on the host, which stand as long as their document does. */
export function compileLinks(
  document: ExpandedDocument,
  links: readonly LinkSpec[] | undefined,
  dependsOn: readonly ResourceId[],
): readonly Resource[] {
  return (links ?? []).map((link, index) => {
    const { path } = link;
    const name = `${document.name}:${path}`;
    return {
      id: resourceId("link", name),
      kind: "link",
      name,
      identity: `path:${path}`,
      dependsOn,
      origin: originOf(document, ["spec", "links", index]),
      protect: false,
      onDelete: "destroy",
      path,
      target: link.to,
    };
  });
}
