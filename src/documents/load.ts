import { showPath, type TreePath } from "../core/entry.ts";
import type { Snapshot, SourceFile } from "../source/types.ts";
import { expandDocuments } from "./expand.ts";
import { checkKernels } from "./kernel-check.ts";
import { collectOverlays, type OverlayFolder, type OverlaySource } from "./overlays.ts";
import { type ParsedDocument, parseDocuments } from "./parse.ts";
import { sortProblems } from "./problems.ts";
import { type BrokenNames, checkReferences } from "./references.ts";
import { DOCUMENT_KINDS, type Document, type DocumentKind, type Problem } from "./types.ts";
import { validateShape } from "./validate.ts";
import { checkValues } from "./values.ts";

export interface LoadedDocuments {
  /** As written, before matrix expansion; each overlay has its document, written or implied. */
  readonly documents: readonly Document[];
  readonly overlays: readonly OverlaySource[];
  /** All of them, sorted by place. Where there is one, nothing is compiled. */
  readonly problems: readonly Problem[];
}

/** The documents of a snapshot and every problem they have. Pure: all that is read is in the snapshot. */
export function loadDocuments(snapshot: Snapshot): LoadedDocuments {
  const reading = new Reading(snapshot);
  const { overlays, problems } = collectOverlays(snapshot, reading.fileName);
  reading.problems.push(...snapshot.problems, ...problems);
  for (const file of snapshot.files) if (!file.path.startsWith("overlays/")) reading.readFile(file);
  for (const overlay of overlays) reading.readOverlay(overlay);

  const expansion = expandDocuments(reading.documents);
  for (const document of expansion.failed) reading.markBroken(document.kind, document.name);
  reading.problems.push(
    ...expansion.problems,
    ...expansion.documents.flatMap(checkValues),
    ...checkReferences(expansion.documents, reading.broken),
    ...checkKernels(expansion.documents, snapshot, (document) => reading.folders.get(document.locate) ?? ""),
  );
  return {
    documents: reading.documents,
    overlays: overlays.map(({ name, files, order, secret }) => ({ name, files, order, secret })),
    problems: sortProblems(reading.problems),
  };
}

/** What has been read so far. */
class Reading {
  readonly documents: Document[] = [];
  readonly problems: Problem[] = [];
  readonly broken: Map<DocumentKind, "all" | Set<string>> & BrokenNames = new Map();
  /** Folder of each document below `desired/`, keyed by its own `locate`. */
  readonly folders = new Map<Document["locate"], TreePath>();
  readonly snapshot: Snapshot;

  constructor(snapshot: Snapshot) {
    this.snapshot = snapshot;
  }

  readonly fileName = (path: TreePath): string => {
    const { prefix } = this.snapshot;
    return prefix === "" ? showPath(path) : `${prefix}/${showPath(path)}`;
  };

  readFile(file: SourceFile): void {
    if (/\.ya?ml$/.test(file.path)) {
      for (const parsed of this.parse(file.path, file.type)) {
        const document = this.shape(parsed, file.path);
        if (document === undefined) continue;
        if (document.kind === "Overlay") this.strayOverlay(document);
        else this.documents.push(document);
      }
    } else if (/\.(ya?ml|json)$/i.test(file.path) && !/(^|\/)\./.test(file.path)) {
      const message = "cannot tell whether this file is a document";
      this.problem(file.path, message, "documents end in .yaml; give it another ending if it is none");
    }
  }

  readOverlay(overlay: OverlayFolder): void {
    const path = overlay.document;
    const type = this.snapshot.files.find((file) => file.path === path)?.type ?? "file";
    const parsed = path === undefined ? [] : this.parse(path, type);
    const before = this.problems.length;
    const shaped = parsed.flatMap((document) => this.shape(document, path ?? "") ?? []);
    for (const [index, document] of shaped.entries()) this.checkOverlayDocument(document, overlay.name, index);
    const document = shaped.find(({ kind }) => kind === "Overlay");
    const file = this.fileName(path ?? overlay.folder);
    const locate = document?.locate ?? (() => ({ file, line: 1, column: 1 }));
    if (document?.kind === "Overlay") this.documents.push({ ...document, name: overlay.name });
    else this.documents.push({ kind: "Overlay", name: overlay.name, spec: {}, locate });
    if (this.problems.length > before) this.markBroken("Overlay", overlay.name);
  }

  markBroken(kind: DocumentKind, name: string | undefined): void {
    const names = this.broken.get(kind) ?? new Set<string>();
    if (name === undefined || name.includes("${")) this.broken.set(kind, "all");
    else if (names !== "all") this.broken.set(kind, names.add(name));
  }

  private parse(path: TreePath, type: SourceFile["type"]): readonly ParsedDocument[] {
    const file = this.fileName(path);
    const text = this.snapshot.texts.get(path);
    if (type === "symlink") {
      this.problem(path, "cannot read this document: it is a symbolic link", "put the file itself here");
      return [];
    }
    if (text === undefined) {
      const known = this.snapshot.problems.some((problem) => problem.file === file);
      if (!known) this.problem(path, "cannot read this document: it is no text", "write it as UTF-8");
      for (const kind of DOCUMENT_KINDS) this.markBroken(kind, undefined);
      return [];
    }
    const { documents, problems } = parseDocuments(text, file);
    this.problems.push(...problems);
    if (problems.length > 0) this.guessNames(text);
    return documents;
  }

  /** A file with a syntax error still says what it declares: what refers to it needs no problem of its own. */
  private guessNames(text: string): void {
    for (const kind of DOCUMENT_KINDS) {
      if (!new RegExp(`^["']?kind["']?\\s*:\\s*["']?${kind}\\b`, "m").test(text)) continue;
      for (const match of text.matchAll(/\bname\s*:\s*["']?([^\s"'#,}]+)/g)) this.markBroken(kind, match[1]);
    }
  }

  private shape(parsed: ParsedDocument, path: TreePath): Document | undefined {
    const { document, problems } = validateShape(parsed);
    this.problems.push(...problems);
    if (document === undefined) {
      const { kind, metadata } = (parsed.value ?? {}) as { kind?: unknown; metadata?: { name?: unknown } | null };
      const known = DOCUMENT_KINDS.find((candidate) => candidate === kind);
      const name = typeof metadata?.name === "string" ? metadata.name : undefined;
      for (const broken of known === undefined ? DOCUMENT_KINDS : [known]) this.markBroken(broken, name);
      return undefined;
    }
    const name = document.kind === "Host" && document.name === "" ? "host" : document.name;
    this.folders.set(parsed.locate, path.split("/").slice(0, -1).join("/"));
    // The schema has checked that the spec is the kind's own.
    return { kind: document.kind, name, spec: document.spec, locate: parsed.locate } as Document;
  }

  private checkOverlayDocument(document: Document, name: string, index: number): void {
    if (document.kind !== "Overlay") {
      const hint = "move it to a folder outside overlays/";
      this.problemAt(document, ["kind"], `cannot use a ${document.kind} here: overlay.yaml holds an Overlay`, hint);
    } else if (index > 0) {
      this.problemAt(document, ["kind"], "cannot use a second document for one overlay", "keep one of the two");
    } else if (document.name !== "" && document.name !== name) {
      const message = `cannot call the overlay \`${document.name}\`: its folder says \`${name}\``;
      this.problemAt(document, ["metadata", "name"], message, `write \`name: ${name}\`, or leave \`metadata\` out`);
    }
  }

  private strayOverlay(document: Document): void {
    const hint = "move it to overlays/common/overlay.yaml, overlays/hardware/NAME/ or overlays/secret-sauce/NAME/";
    this.problemAt(document, ["kind"], "cannot use an Overlay here: it stands in its overlay's folder", hint);
    this.markBroken("Overlay", document.name === "" ? undefined : document.name);
  }

  private problem(path: TreePath, message: string, hint: string): void {
    this.problems.push({ file: this.fileName(path), line: 1, column: 1, message, hint });
  }

  private problemAt(document: Document, path: readonly string[], message: string, hint: string): void {
    this.problems.push({ ...document.locate(path), message, hint });
  }
}
