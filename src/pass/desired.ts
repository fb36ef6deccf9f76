import { createHash } from "node:crypto";
import { availableParallelism, totalmem } from "node:os";
import { compile } from "../compile/compile.ts";
import type { DesiredGraph } from "../core/resource.ts";
import type { LoadedDocuments } from "../documents/load.ts";
import { limitProblems, sortProblems } from "../documents/problems.ts";
import type { Problem } from "../documents/types.ts";
import { loadSource } from "../source/load.ts";
import type { LoadedSource, Snapshot, SourceOptions } from "../source/types.ts";
import { kernelTexts } from "./kernel-texts.ts";
import { keepDocuments, readKnownDocuments } from "./known-documents.ts";
import { mergeFiles } from "./merged.ts";
import type { Session } from "./types.ts";

export interface Desired extends LoadedSource {
  readonly graph: DesiredGraph;
  /** Of documents, references and compilation, all at once; with any, nothing is planned. */
  readonly problems: readonly Problem[];
}

/** Lower-case hex sha256 of a text: the digest that the pure parts are given. */
export function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/**
 * From git to the graph of what the host should have: load, then compile. `known`: documents that this program has read
 * before, of the same tree and without a problem, are not read again; for looks alone, which change nothing by it.
 */
export async function loadDesired(session: Session, documents: "read" | "known" = "read"): Promise<Desired> {
  const { host, configuration } = session;
  const { cache } = configuration;
  const { snapshot, status } = await loadSource(host, configuration.source);
  const bound = { snapshot, status };
  const known = documents === "known" ? readKnownDocuments(host, cache, snapshot) : undefined;
  if (known !== undefined && snapshot.problems.length === 0) {
    const desired = { ...bound, ...compileLoaded(session, snapshot, known) };
    if (desired.problems.length === 0 && known.hadAllPlaces()) return desired;
  }
  // Loaded late: what reads YAML and checks shapes takes 50 ms, and as much again to be made ready.
  const { loadDocuments } = await import("../documents/load.ts");
  if (documents === "read") return { ...bound, ...compileLoaded(session, snapshot, loadDocuments(snapshot)) };
  const { loaded, keep } = keepDocuments(host, cache, snapshot, loadDocuments(snapshot));
  const desired = { ...bound, ...compileLoaded(session, snapshot, loaded) };
  if (desired.problems.length === 0) keep();
  return desired;
}

function compileLoaded(
  { host, configuration }: Session,
  snapshot: Snapshot,
  loaded: LoadedDocuments,
): Pick<Desired, "graph" | "problems"> {
  const compiled = compile({
    documents: loaded.documents,
    overlays: loaded.overlays,
    files: snapshot.files,
    merged: new Map([
      ...mergeFiles(host, configuration.cache, loaded.documents, snapshot),
      ...kernelTexts(host, configuration.cache, loaded.documents, snapshot),
    ]),
    state: configuration.state,
    baseDirectory: isCheckout(configuration.source) ? configuration.source.desired : undefined,
    defaults: { jobs: availableParallelism(), memory_bytes: totalmem() },
    digest: sha256,
  });
  const problems = limitProblems(sortProblems([...loaded.problems, ...compiled.problems]));
  return { graph: compiled.graph, problems };
}

/** Only there do files stand beside the documents that a relative path can mean. */
function isCheckout(source: SourceOptions): boolean {
  return source.repository === undefined && source.remote === undefined;
}
