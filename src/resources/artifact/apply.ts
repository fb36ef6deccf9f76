import { RootloomError } from "../../core/error.ts";
import type { ArtifactResource } from "../../core/resource.ts";
import type { PackInput } from "../../host/jobs.ts";
import { checkHostPath, isWithin } from "../limits.ts";
import { detail, recordOf } from "../owned.ts";
import type { ApplyContext, Executor, OpenEffect, Outcome } from "../types.ts";
import { prepareDirectory, sweepBuilds, sweepTemporaries, temporaryPlace } from "./directory.ts";
import {
  CURRENT,
  damageOf,
  type GenerationReport,
  keepDigests,
  listGenerations,
  readReport,
  removeOld,
} from "./generations.ts";
import { generationOf, inputsOf, packInput } from "./inputs.ts";
import { packedGeneration, whoseIs } from "./observe.ts";
import { packGeneration, whileNobodyIsIn } from "./pack.ts";
import { provideBase } from "./tarball.ts";

/** Packs what the inputs are now, unless exactly that is there, whole; then points `current` at it. */
export const packArtifact: Executor<"artifact.pack"> = async (step, context) => {
  const { resource } = step.arguments;
  return whileNobodyIsIn(resource, context, () => packNow(resource, context));
};

async function packNow(resource: ArtifactResource, context: ApplyContext): Promise<Outcome> {
  const { host, cache, signal } = context;
  const { files } = host;
  requireAllowed(resource.path, context);
  await prepareDirectory(resource, context);
  sweepBuilds(files, resource.path);
  await provideBase(resource, context);
  const input = packInput(files, resource, cache);
  const layers = await host.jobs.run("layers", input, { signal });
  const generation = generationOf(inputsOf(resource, layers));
  const standing = await wholeGeneration(resource, generation, context);
  if (standing !== undefined) {
    await switchTo(resource, standing.generation, context);
    // A kill may have come between the switch and the removal of older ones.
    await retain(resource, generation, context);
    return outcome(resource, standing, context, `found packed already as generation ${generation}`, []);
  }
  const current = files.readLink(`${resource.path}/${CURRENT}`) ?? "";
  const previous = await previousImage(resource, current, context);
  const report = await packGeneration(resource, { ...input, previous, seen: layers[0]?.seen }, current, context);
  await switchTo(resource, report.generation, context);
  const removed = await retain(resource, report.generation, context);
  // A damaged one was only set aside until its successor stood.
  sweepBuilds(files, resource.path);
  await keepDigests(host, resource.path, report, context);
  const notes = [...report.notes, ...(removed.length > 0 ? [`older generations removed: ${removed.join(", ")}`] : [])];
  return outcome(resource, report, context, `packed as generation ${report.generation}`, notes);
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
  return damage === undefined ? { image: `${path}/${current}/${packed.file}`, sha256: packed.sha256 } : undefined;
}

/** Points `current` back at the recorded generation, found whole once more. */
export const switchArtifact: Executor<"artifact.switch"> = async (step, context) => {
  const { resource, generation } = step.arguments;
  requireOurs(resource.path, context);
  const report = await wholeGeneration(resource, generation, context);
  if (report === undefined) {
    throw new RootloomError(`cannot switch ${resource.name} to generation ${generation}: it is not whole`, {
      hint: "the next pass packs it again",
      retry: "transient",
    });
  }
  await switchTo(resource, generation, context);
  return outcome(resource, report, context, `switched back to generation ${generation}`, []);
};

/** Removes the directory with all generations; only when it is still ours and nothing is mounted in it. */
export const deleteArtifact: Executor<"artifact.delete"> = async (step, context) => {
  const path = detail(step.arguments.record, "path");
  if (context.host.files.stat(path) === undefined) return { record: undefined, result: "gone already" };
  requireOurs(path, context);
  await context.effect("artifact.delete", { path }, () => removeWhole(path, step.arguments.record.name, context));
  return { record: undefined, result: `deleted with all its generations: ${path}` };
};

/**
 * Moved out of its place before anything of it goes: whoever reads it has a whole image or none, and what a kill leaves
 * is swept by the recovery, or when an image of that name is made.
 */
function removeWhole(path: string, name: string, context: ApplyContext): void {
  const { files } = context.host;
  const mounted = files.mounts().find(({ target }) => isWithin(target, path));
  if (mounted !== undefined)
    throw new RootloomError(`cannot delete ${path}: something is mounted at ${mounted.target}`, {
      hint: `umount ${mounted.target}`,
      retry: "waiting",
      condition: "Mounted",
    });
  files.rename(path, temporaryPlace({ path, name }, context));
  sweepTemporaries(files, { path, name }, context.instance);
}

/**
 * A kill leaves either a build beside, which is swept, or a placed generation that `current` does not
 * name yet: the next pass finds it whole under its key and switches. Nothing has to be undone.
 */
export async function recoverArtifact(open: OpenEffect, context: ApplyContext): Promise<void> {
  const record = context.owned(open.stepId);
  const path = detail(record, "path");
  const { host, limits, state } = context;
  if (path === "" || checkHostPath(host.files, path, limits, state) !== undefined) return;
  sweepTemporaries(host.files, { path, name: record?.name ?? "" }, context.instance);
  if (whoseIs(path, context).state === "ours") sweepBuilds(host.files, path);
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

async function retain(resource: ArtifactResource, current: string, context: ApplyContext): Promise<readonly string[]> {
  const { files } = context.host;
  const { path, generations } = resource;
  if (listGenerations(files, path, context.instance).length <= generations) return [];
  return context.effect("artifact.remove-old", { path, current }, () =>
    removeOld(files, path, context.instance, generations, current),
  );
}

/** What observe saw, asked again just before: a link in the path, or the limits, may be others by now. */
function requireAllowed(path: string, context: ApplyContext): void {
  const refused = checkHostPath(context.host.files, path, context.limits, context.state);
  if (refused !== undefined) throw refused;
}

function requireOurs(path: string, context: ApplyContext): void {
  requireAllowed(path, context);
  const { state, whose } = whoseIs(path, context);
  if (state === "ours") return;
  throw new RootloomError(`cannot change ${path}: it is ${state === "absent" ? "gone" : whose}`, {
    hint: "look at it; the next pass observes it again",
  });
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
      },
    },
  );
  return { record, result, notes };
}
