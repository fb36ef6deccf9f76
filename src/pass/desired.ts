import { createHash } from "node:crypto";
import { availableParallelism, totalmem } from "node:os";
import { compile } from "../compile/compile.ts";
import type { DesiredGraph } from "../core/resource.ts";
import { loadDocuments } from "../documents/load.ts";
import { limitProblems, sortProblems } from "../documents/problems.ts";
import type { Problem } from "../documents/types.ts";
import { loadSource } from "../source/load.ts";
import type { LoadedSource, SourceOptions } from "../source/types.ts";
import { kernelTexts } from "./kernel-texts.ts";
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

/** From git to the graph of what the host should have: load, then compile. */
export async function loadDesired(session: Session): Promise<Desired> {
  const { host, configuration } = session;
  const { snapshot, status } = await loadSource(host, configuration.source);
  const loaded = loadDocuments(snapshot);
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
  return { snapshot, status, graph: compiled.graph, problems };
}

/** Only there do files stand beside the documents that a relative path can mean. */
function isCheckout(source: SourceOptions): boolean {
  return source.repository === undefined && source.remote === undefined;
}
