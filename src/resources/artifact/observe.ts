import { asRootloomError } from "../../core/error.ts";
import type { ArtifactResource, OwnedRecord } from "../../core/resource.ts";
import type { ObservedCheck } from "../boot-check.ts";
import { checkHostPath } from "../limits.ts";
import { type Whose, whoseIs } from "../marked.ts";
import { detail } from "../owned.ts";
import type { ObserveContext, Observer } from "../types.ts";
import {
  CURRENT,
  damageOf,
  type GenerationReport,
  isPackedFile,
  listGenerations,
  MANIFEST,
  type PackedFile,
  readReport,
} from "./generations.ts";
import {
  checkSymbols,
  inputsOfBoot,
  layersPicked,
  observeBootCheck,
  provideTarball,
  toolProblem,
} from "./if-declared.ts";
import { changedInputs, generationOf, inputsOf, packInput } from "./inputs.ts";

export interface ObservedArtifact extends Whose {
  /** Where `current` points; empty when it is not there. */
  readonly current: string;
  /** The generation that the record (or, where it was lost, `current`) tells of; empty when there is none. */
  readonly generation: string;
  /** What is wrong with it; empty when it is whole. */
  readonly damage: string;
  /** Named inputs as they are now; undefined when the base cannot be read yet. */
  readonly inputs: Readonly<Record<string, string>> | undefined;
  /** Generation that these inputs would make. */
  readonly wanted: string;
  /** What the generation was made from. */
  readonly packed: Readonly<Record<string, string>>;
  /** First paths that changed between the generation and now. */
  readonly difference: readonly string[];
  readonly problem:
    | { readonly message: string; readonly hint: string; readonly condition: "Refused" | "Waiting" }
    | undefined;
  /** For a removal: generations that would go. */
  readonly generations: number;
  /** What is known of the health of `wanted`; undefined where no check is declared. */
  readonly check?: ObservedCheck | undefined;
}

const NOTHING: ObservedArtifact = {
  state: "absent",
  whose: "",
  current: "",
  generation: "",
  damage: "",
  inputs: undefined,
  wanted: "",
  packed: {},
  difference: [],
  problem: undefined,
  generations: 0,
};

export const artifactObserver: Observer<"artifact"> = {
  observe: observeArtifact,
  observeRemoved: observeRemovedArtifact,
};

/** Compares what a generation was made from with what it would be made from now. */
export async function observeArtifact(
  resource: ArtifactResource,
  owned: OwnedRecord | undefined,
  context: ObserveContext,
): Promise<ObservedArtifact> {
  const { host, limits, state } = context;
  const refused = checkHostPath(host.files, resource.path, limits, state);
  if (refused !== undefined) {
    return { ...NOTHING, problem: { message: refused.message, hint: refused.hint ?? "", condition: "Refused" } };
  }
  const found = await observeDirectory(resource.path, owned, context);
  if (found.state === "foreign") return found;
  const problem = await toolProblem(resource, host);
  const refusal = problem === undefined ? {} : { problem: { ...problem, condition: "Refused" as const } };
  if (!isBaseThere(resource, context)) return { ...found, ...refusal };
  try {
    await checkSymbols(resource, context);
    const inputs = await observeInputs(resource, found, context);
    const observed = { ...found, ...inputs, check: await observeBootCheck(resource, inputs.wanted, host) };
    // One that is whole and up to date needs no tool.
    const isDue = observed.wanted !== found.generation || found.damage !== "";
    return isDue ? { ...observed, ...refusal } : observed;
  } catch (thrown) {
    context.signal?.throwIfAborted();
    const { message, hint = "", retry } = asRootloomError(thrown);
    if (retry === "transient") throw thrown;
    return { ...found, problem: { message, hint, condition: retry === "waiting" ? "Waiting" : "Refused" } };
  }
}

/** What is left of an artifact whose declaration is gone. */
export async function observeRemovedArtifact(record: OwnedRecord, context: ObserveContext): Promise<ObservedArtifact> {
  const path = detail(record, "path");
  const refused = checkHostPath(context.host.files, path, context.limits, context.state);
  if (refused !== undefined) {
    return { ...NOTHING, problem: { message: refused.message, hint: refused.hint ?? "", condition: "Refused" } };
  }
  const { state, whose } = whoseIs(path, context);
  const generations = listGenerations(context.host.files, path, context.instance).length;
  return { ...NOTHING, state, whose, generations };
}

/** What the record holds of the packed generation; from its own report where the record was lost. */
export function packedGeneration(
  owned: OwnedRecord | undefined,
  report: GenerationReport | undefined,
):
  | Pick<GenerationReport, "generation" | "file" | "sha256" | "size_bytes" | "manifestSha256" | "inputs" | "files">
  | undefined {
  if (owned === undefined) return report;
  return {
    generation: detail(owned, "generation"),
    file: detail(owned, "name"),
    sha256: detail(owned, "sha256"),
    size_bytes: Number(owned.details.size_bytes ?? 0),
    manifestSha256: detail(owned, "manifestSha256"),
    inputs: owned.inputs,
    files: filesOf(owned),
  };
}

function filesOf({ details }: OwnedRecord): readonly PackedFile[] {
  return Array.isArray(details.files) ? details.files.filter(isPackedFile) : [];
}

async function observeDirectory(
  path: string,
  owned: OwnedRecord | undefined,
  context: ObserveContext,
): Promise<ObservedArtifact> {
  const { host, instance, cache, signal } = context;
  const whose = whoseIs(path, context);
  if (whose.state !== "ours") return { ...NOTHING, ...whose };
  const place = host.files.stat(`${path}/${CURRENT}`);
  if (place !== undefined && place.type !== "symlink") {
    return { ...NOTHING, state: "foreign", whose: `in the way: its ${CURRENT} is a ${place.type}, not a link` };
  }
  const current = host.files.readLink(`${path}/${CURRENT}`) ?? "";
  const report = readReport(host.files, path, current);
  const packed = packedGeneration(owned, report?.instance === instance ? report : undefined);
  if (packed === undefined) return { ...NOTHING, state: "ours", current };
  const damage = await damageOf(host, path, packed, { cache, trustCache: true, signal });
  return {
    ...NOTHING,
    state: "ours",
    current,
    generation: packed.generation,
    damage: damage ?? "",
    packed: packed.inputs,
  };
}

async function observeInputs(
  resource: ArtifactResource,
  found: ObservedArtifact,
  context: ObserveContext,
): Promise<Pick<ObservedArtifact, "inputs" | "wanted" | "difference">> {
  const { host, cache, signal, sights } = context;
  const { base } = resource;
  await provideTarball(resource, context);
  const input = packInput(host.files, resource, cache, await layersPicked(resource, context));
  const looked = base.type === "tree" ? await sights?.of(base.path, input.excludes) : undefined;
  const layers = await host.jobs.run("layers", { ...input, looked }, { signal });
  const inputs = inputsOf(resource, layers, await inputsOfBoot(resource, host));
  const wanted = generationOf(inputs);
  const manifest = `${resource.path}/${found.generation}/${MANIFEST}`;
  const changed = found.generation !== "" && changedInputs(inputs, found.packed).length > 0;
  if (!changed || host.files.stat(manifest)?.type !== "file") return { inputs, wanted, difference: [] };
  const {
    added,
    removed,
    changed: edited,
    lines,
  } = await host.jobs.run("difference", { ...input, manifest, seen: layers[0]?.seen }, { signal });
  const more = added + removed + edited - lines.length;
  return { inputs, wanted, difference: more > 0 ? [...lines, `... ${more} more paths`] : lines };
}

function isBaseThere(resource: ArtifactResource, context: ObserveContext): boolean {
  const { base } = resource;
  if (base.type === "tarball") return true;
  return context.host.files.stat(base.path)?.type === "directory";
}
