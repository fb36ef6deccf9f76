import { createHash } from "node:crypto";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { showPath } from "../core/entry.ts";
import type { LoadedDocuments } from "../documents/load.ts";
import { collectOverlays } from "../documents/overlays.ts";
import type { Document, Position } from "../documents/types.ts";
import type { Host } from "../host/ports.ts";
import { noteUse } from "../pack/used.ts";
import { writePrivate } from "../source/blobs.ts";
import type { Snapshot } from "../source/types.ts";

/** The documents of a tree that this program has read before, with the places in them that were asked for then. */
export interface KnownDocuments extends LoadedDocuments {
  /** False when a place was asked for that nobody asked for before: what was made of these documents is not to be used. */
  readonly hadAllPlaces: () => boolean;
}

interface Stored {
  readonly documents: readonly (Pick<Document, "kind" | "name" | "spec"> & { readonly places: Places })[];
}

/** By the path that was asked for, as JSON. */
type Places = Readonly<Record<string, Position>>;

/**
 * What `keepDocuments` has kept for this tree: reading YAML and checking shapes takes longer than all else that a look at an
 * unchanged host does. Undefined where another program kept it, one file of which differs, or nobody has.
 */
export function readKnownDocuments(host: Host, cache: string, snapshot: Snapshot): KnownDocuments | undefined {
  const path = knownPath(host, cache, snapshot);
  const text = path === undefined ? undefined : host.files.readText(path);
  const [digest, body] = text?.split("\n") ?? [];
  if (path === undefined || body === undefined || sha256(body) !== digest) return undefined;
  noteUse(host.files, path, host.clock.now_ms());
  let hadAll = true;
  const documents = (JSON.parse(body) as Stored).documents.map(({ places, ...document }) => {
    const locate: Document["locate"] = (asked) => {
      const place = places[JSON.stringify(asked)];
      hadAll &&= place !== undefined;
      return place ?? { file: "", line: 1, column: 1 };
    };
    // They were documents when they were written, and nothing has touched them since.
    return { ...document, locate } as Document;
  });
  const { overlays } = collectOverlays(snapshot, showPath);
  return { documents, overlays, problems: [], hadAllPlaces: () => hadAll };
}

/** The same documents, and a way to keep them with each place that was asked for until then. */
export function keepDocuments(
  host: Host,
  cache: string,
  snapshot: Snapshot,
  loaded: LoadedDocuments,
): { readonly loaded: LoadedDocuments; readonly keep: () => void } {
  const noted = loaded.documents.map((document) => {
    const places: Record<string, Position> = {};
    const locate: Document["locate"] = (asked) => {
      places[JSON.stringify(asked)] = document.locate(asked);
      return document.locate(asked);
    };
    return { document: { ...document, locate }, places };
  });
  const keep = (): void => {
    const path = knownPath(host, cache, snapshot);
    if (path === undefined) return;
    const documents = noted.map(({ document: { kind, name, spec }, places }) => ({ kind, name, spec, places }));
    const body = JSON.stringify({ documents } satisfies Stored);
    try {
      writePrivate(host, cache, path, `${sha256(body)}\n${body}\n`);
    } catch {
      // The next look takes longer: nothing else is lost, and a look needs no room on the disk.
    }
  };
  return { loaded: { ...loaded, documents: noted.map(({ document }) => document) }, keep };
}

/** Named by all that the documents follow from: the tree, what its folder is called, and the very files that read them. */
function knownPath(host: Host, cache: string, { treeHash, prefix }: Snapshot): string | undefined {
  const program = programStamp(host);
  if (program === undefined) return undefined;
  return join(cache, "answers", `documents-${sha256(JSON.stringify([treeHash, prefix, program]))}`);
}

/** Changes with every file that reads documents, and with the versions of the libraries; undefined where they are no files. */
function programStamp({ files }: Host): string | undefined {
  const source = fileURLToPath(new URL("../documents", import.meta.url));
  const stamps: string[] = [];
  for (const folder of [source, join(source, "kinds")]) {
    const names = files.list(folder);
    if (names === undefined) return undefined;
    for (const name of names) {
      const stat = files.stat(join(folder, name));
      if (stat?.type === "file") stamps.push(stat.stamp);
    }
  }
  stamps.push(files.stat(join(source, "../../package.json"))?.stamp ?? "");
  return stamps.join(" ");
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
