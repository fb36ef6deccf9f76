import { RootloomError } from "../../core/error.ts";
import type { ArtifactResource } from "../../core/resource.ts";
import type { PackInput } from "../../host/jobs.ts";
import { makeMarked, requireAllowed, requireOurs, sweepWork } from "../marked.ts";
import { detail, recordOf } from "../owned.ts";
import { orRetainFailed, retain } from "../retention.ts";
import type { ApplyContext, Executor, Outcome } from "../types.ts";
import { BOOT_TREE, bootInputs, readBootParts } from "./boot-tree.ts";
import {
  CURRENT,
  damageOf,
  type GenerationReport,
  keepDigests,
  listGenerations,
  MANIFEST,
  readReport,
} from "./generations.ts";
import { requireHealthy } from "./health.ts";
import { generationOf, inputsOf, packInput } from "./inputs.ts";
import { checkKernelSymbols } from "./kernel-symbols.ts";
import { packedGeneration } from "./observe.ts";
import { packGeneration, whileNobodyIsIn } from "./pack.ts";
import { pickedLayers } from "./picked.ts";
import { seenLayers } from "./seen-layers.ts";
import { provideBase } from "./tarball.ts";

/** Packs what the inputs are now, unless exactly that is there, whole; then points `current` at it. */
export const packArtifact: Executor<"artifact.pack"> = async (step, context) => {
  const { resource } = step.arguments;
  return whileNobodyIsIn(resource, context, () => packNow(resource, context));
};

async function packNow(resource: ArtifactResource, context: ApplyContext): Promise<Outcome> {
  const { host, cache } = context;
  const { files } = host;
  requireAllowed(resource.path, context);
  await makeMarked(resource, context);
  await sweepWork(resource.path, context);
  await provideBase(resource, context);
  const input = packInput(files, resource, cache, await pickedLayers(resource, context));
  const layers = await seenLayers(resource, input, context);
  const generation = generationOf(inputsOf(resource, layers, bootInputs(readBootParts(resource, files))));
  const standing = await wholeGeneration(resource, generation, context);
  if (standing !== undefined) {
    const health = await requireChecked(resource, standing, context);
    await switchTo(resource, standing.generation, context);
    // A kill may have come between the switch and the removal of older ones.
    await retain(resource, listGenerations, context);
    return outcome(
      resource,
      standing,
      context,
      `found packed already as generation ${generation}`,
      [health ?? []].flat(),
    );
  }
  const current = files.readLink(`${resource.path}/${CURRENT}`) ?? "";
  const previous = await previousImage(resource, current, context);
  const whole = { ...input, previous, seen: layers[0]?.seen };
  const content_bytes = layers.reduce((sum, layer) => sum + layer.size_bytes, 0);
  const report = await packGeneration(resource, whole, { current, content_bytes }, context);
  await keepDigests(host, resource.path, report, context);
  const health = await requireChecked(resource, report, context);
  await switchTo(resource, report.generation, context);
  const removed = await retain(resource, listGenerations, context);
  // A damaged one was only set aside until its successor stood.
  await sweepWork(resource.path, context);
  const older = removed.length > 0 ? [`older generations removed: ${removed.join(", ")}`] : [];
  const tree = report.files === undefined ? [] : [`for the system partition: ${resource.path}/${CURRENT}/${BOOT_TREE}`];
  const unknown = await checkKernelSymbols(resource, context);
  const notes = [...report.notes, ...unknown, ...tree, ...[health ?? []].flat(), ...older];
  return outcome(resource, report, context, `packed as generation ${report.generation}`, notes);
}

function requireChecked(resource: ArtifactResource, report: GenerationReport, context: ApplyContext) {
  const check = () => requireHealthy(resource, report, context);
  return orRetainFailed(resource, report.generation, listGenerations, context, check);
}

/** The image that stands now, where it is what the record says: the new one may begin with its bytes. */
async function previousImage(
  { id, path }: ArtifactResource,
  current: string,
  context: ApplyContext,
): Promise<PackInput["previous"]> {
  const packed = packedGeneration(context.owned(id), undefined);
  if (packed?.generation !== current) return undefined;
  const { host, cache, signal } = context;
  const damage = await damageOf(host, path, packed, { cache, trustCache: true, signal });
  if (damage !== undefined) return undefined;
  const generation = `${path}/${current}`;
  return { image: `${generation}/${packed.file}`, sha256: packed.sha256, manifest: `${generation}/${MANIFEST}` };
}

/** Points `current` back at the recorded generation, found whole once more. */
export const switchArtifact: Executor<"artifact.switch"> = async (step, context) => {
  const { resource, generation } = step.arguments;
  return switchToGeneration(resource, generation, context);
};

/**
 * Points `current` at one of our generations and records it.
 * @throws RootloomError where it is not whole, or no longer ours.
 */
export async function switchToGeneration(
  resource: ArtifactResource,
  generation: string,
  context: ApplyContext,
): Promise<Outcome> {
  requireOurs(resource.path, context);
  const report = await wholeGeneration(resource, generation, context);
  if (report === undefined) {
    throw new RootloomError(`cannot switch ${resource.name} to generation ${generation}: it is not whole`, {
      hint: "the next pass packs what is declared",
      retry: "transient",
    });
  }
  await switchTo(resource, generation, context);
  return outcome(resource, report, context, `switched to generation ${generation}`, []);
}

async function wholeGeneration(
  resource: ArtifactResource,
  generation: string,
  context: ApplyContext,
): Promise<GenerationReport | undefined> {
  const { host, cache, signal, instance } = context;
  const report = readReport(host.files, resource.path, generation);
  if (report?.instance !== instance || report.file !== resource.file) return undefined;
  // What the store recorded counts more than a report that lies beside the image.
  const owned = context.owned(resource.id);
  const sha256 = detail(owned, "generation") === generation ? detail(owned, "sha256") : report.sha256;
  const damage = await damageOf(host, resource.path, { ...report, sha256 }, { cache, trustCache: false, signal });
  return damage === undefined ? report : undefined;
}

async function switchTo(resource: ArtifactResource, generation: string, context: ApplyContext): Promise<void> {
  const { files } = context.host;
  const link = `${resource.path}/${CURRENT}`;
  if (files.readLink(link) === generation) return;
  await context.effect("artifact.switch", { path: resource.path, generation }, () => files.writeLink(link, generation));
}

function outcome(
  resource: ArtifactResource,
  report: GenerationReport,
  context: ApplyContext,
  result: string,
  notes: readonly string[],
): Outcome {
  const { runId, revision, host } = context;
  const { generation, sha256, size_bytes, uncompressed_bytes, entries, manifestSha256 } = report;
  const record = recordOf(
    resource,
    { runId, revision, now_ms: host.clock.now_ms() },
    {
      inputs: report.inputs,
      details: {
        path: resource.path,
        file: `${resource.path}/${CURRENT}/${resource.file}`,
        name: resource.file,
        generation,
        sha256,
        size_bytes,
        uncompressed_bytes,
        entries,
        manifestSha256,
        packedAt: report.createdAt,
        ...(report.files === undefined ? {} : { files: report.files.map((file) => ({ ...file })) }),
        ...(resource.bootCheck === undefined ? {} : { checked: true }),
      },
    },
  );
  return { record, result, notes };
}
