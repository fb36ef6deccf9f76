import { posix } from "node:path";
import { RootloomError } from "../core/error.ts";
import type { OwnedRecord, ResourceId } from "../core/resource.ts";
import type { Session } from "../pass/types.ts";
import type { GenerationReport } from "../resources/artifact/generations.ts";

/** What `ls` and `diff` look into: a generation of ours, or a file of anybody. */
export type ImageSource =
  | {
      readonly type: "generation";
      readonly id: ResourceId;
      readonly manifest: string;
      readonly report: GenerationReport;
    }
  | { readonly type: "file"; readonly path: string };

/** An image of ours with its generations, the newest first. */
export interface KnownImage {
  readonly id: ResourceId;
  /** Directory of its generations. */
  readonly path: string;
  /** The generation that is in use; empty where the link is gone. */
  readonly current: string;
  readonly generations: readonly GenerationReport[];
  readonly record: OwnedRecord;
}

/**
 * Finds what a person named: a path that begins with `/`, `./` or `../` is a file, a name an image of ours, and only
 * then a file.
 * @throws RootloomError when it is neither.
 */
export async function findSource(session: Session, directory: string, given: string): Promise<KnownImage | string> {
  const path = posix.resolve(directory, given);
  if (/^\.{0,2}\//.test(given)) return path;
  try {
    return await findImage(session, given);
  } catch (thrown) {
    if (session.host.files.stat(path) !== undefined) return path;
    throw thrown;
  }
}

/** @throws RootloomError that lists what is known. */
export async function findImage({ host, configuration }: Session, given: string): Promise<KnownImage> {
  const { openState } = await import("../state/state.ts");
  const { resolveName } = await import("../pass/names.ts");
  const { CURRENT, listGenerations } = await import("../resources/artifact/generations.ts");
  const state = openState(host, configuration.state, "read");
  try {
    const records = state.records().filter(({ kind }) => kind === "artifact");
    const id = resolveName(
      given,
      records.map((record) => record.id),
    );
    const record = records.find((each) => each.id === id);
    if (record === undefined) throw new RootloomError(`cannot find ${given}`);
    const path = String(record.details.path ?? "");
    const current = host.files.readLink(`${path}/${CURRENT}`) ?? "";
    return { id, path, current, record, generations: listGenerations(host.files, path, state.instance) };
  } finally {
    state.close();
  }
}

/**
 * A generation by its name, the beginning of it, or `current` or `previous` (the newest one beside the current).
 * @throws RootloomError that names those that are there.
 */
export function generationOf(image: KnownImage, given: string): Extract<ImageSource, { readonly type: "generation" }> {
  const { id, path, generations, current } = image;
  const others = generations.filter(({ generation }) => generation !== current);
  const name = given === "current" ? current : given === "previous" ? (others[0]?.generation ?? "") : given;
  const found = name === "" ? [] : generations.filter(({ generation }) => generation.startsWith(name));
  const [report] = found;
  if (report !== undefined && found.length === 1) {
    return { type: "generation", id, manifest: `${path}/${report.generation}/manifest`, report };
  }
  const why = found.length > 1 ? `${found.length} begin like that` : "it is not there";
  const there = generations.map(({ generation }) => generation).join(", ");
  throw new RootloomError(`cannot find the generation ${given} of ${id}: ${why}`, {
    hint: there === "" ? "rootloom apply" : `there are ${there}`,
  });
}

/** How a source is called in what is printed. */
export function sourceText(source: ImageSource): string {
  return source.type === "file" ? source.path : `${source.id} ${source.report.generation}`;
}
