import { asRootloomError, RootloomError } from "../../core/error.ts";
import type { ArtifactResource } from "../../core/resource.ts";
import { imageEstimate_bytes } from "../../core/space.ts";
import type { JobMap, PackInput } from "../../host/jobs.ts";
import { takeLease } from "../lease.ts";
import { attributesIn, requireOurs } from "../marked.ts";
import { shortRun } from "../owned.ts";
import { removeDirectory } from "../remove.ts";
import { retentionOf } from "../retention.ts";
import { withSpace } from "../space.ts";
import type { ApplyContext } from "../types.ts";
import { type BootParts, bootInputs, readBootParts, writeBootTree } from "./boot-tree.ts";
import { damageOf, type GenerationReport, MANIFEST, REPORT, readReport, removeOutdated } from "./generations.ts";
import { generationOf, inputsOf, rootLayer, rootOf } from "./inputs.ts";
import { atOneMoment } from "./moment.ts";
import { make } from "./rebuild.ts";
import { toolsOf } from "./tools.ts";

export interface Packing {
  /** Name of the generation that stands now. */
  readonly current: string;
  /** Of all layers together, uncompressed. */
  readonly content_bytes: number;
}

/**
 * Packs into a directory beside, and renames it to its generation when it is whole and synced. The
 * generation is named by what was really packed, should the root have changed since it was looked at.
 */
export async function packGeneration(
  resource: ArtifactResource,
  input: PackInput,
  { current, content_bytes }: Packing,
  context: ApplyContext,
): Promise<GenerationReport> {
  const { host } = context;
  const { files } = host;
  const build = `${resource.path}/.build-${shortRun(context.runId)}`;
  const isSecret = resource.secretOverlay !== undefined;
  await removeDirectory(host, build);
  files.makeDirectories(build, isSecret ? 0o700 : 0o755);
  try {
    const packed = await atOneMoment(resource, input, context, (whole) =>
      packWithRoom(resource, whole, { build, current, content_bytes }, context),
    );
    const mode = isSecret ? 0o600 : 0o644;
    files.setAttributes(`${build}/${resource.file}`, attributesIn(files, build, mode));
    const report = await withBootTree(resource, packed, { build, mode }, context);
    checkSize(resource, report);
    files.writeFile(
      `${build}/${REPORT}`,
      `${JSON.stringify(report, undefined, 2)}\n`,
      attributesIn(files, build, 0o644),
    );
    await place(resource, build, report, context);
    return report;
  } catch (thrown) {
    // After a signal the job's thread may be ending still: the next start sweeps.
    if (!context.signal.aborted) await removeDirectory(host, build);
    throw thrown;
  }
}

/** @throws RootloomError where a generation takes more than it may: nothing of it is kept. */
function checkSize(
  { name, maxSize_bytes, boot }: ArtifactResource,
  { size_bytes, files = [] }: Pick<GenerationReport, "size_bytes" | "files">,
): void {
  // A uki has the image in it.
  const all_bytes = files.reduce((sum, file) => sum + file.size_bytes, boot?.form === "uki" ? 0 : size_bytes);
  if (maxSize_bytes === undefined || all_bytes <= maxSize_bytes) return;
  throw new RootloomError(`cannot take image ${name}: it has ${all_bytes} bytes, and its maxSize is ${maxSize_bytes}`, {
    hint: "leave more out (`exclude`, `strip`), compress harder, or raise `maxSize`",
    condition: "TooLarge",
  });
}

/** The report of what was packed, with the boot tree that is written beside it where one is declared. */
async function withBootTree(
  resource: ArtifactResource,
  packed: JobMap["pack"]["output"],
  place: { readonly build: string; readonly mode: number },
  context: ApplyContext,
): Promise<GenerationReport> {
  const parts = readBootParts(resource, context.host.files);
  const tools = await toolsOf(resource, context.host);
  const report = { ...reportOf(resource, packed, parts, context), tools };
  if (parts === undefined) return report;
  const image = { ...packed, ...place, generation: report.generation };
  return { ...report, files: await writeBootTree(resource, parts, image, context) };
}

/** While somebody is in the root, there is no state of it to pack; and while it is packed, nobody comes in. */
export async function whileNobodyIsIn<T>(
  resource: ArtifactResource,
  context: ApplyContext,
  body: () => Promise<T>,
): Promise<T> {
  if (resource.base.type !== "tree") return body();
  const { host, state } = context;
  const lease = await takeLease(host, state, rootOf(resource.base), "shared");
  if ("holders" in lease)
    throw new RootloomError(
      `cannot pack ${resource.name}: somebody is in the ${rootLayer(resource).replace("/", " ")}: ${lease.holders}`,
      { hint: "it is packed as soon as they leave", retry: "waiting", condition: "Waiting" },
    );
  try {
    return await body();
  } finally {
    lease.release();
  }
}

/** Where an image does not fit, older generations go first; the current one never. */
async function packWithRoom(
  resource: ArtifactResource,
  input: PackInput,
  { build, current, content_bytes }: Packing & { readonly build: string },
  context: ApplyContext,
): Promise<JobMap["pack"]["output"]> {
  const { host, signal } = context;
  const places = { image: `${build}/${resource.file}`, manifest: `${build}/${MANIFEST}` };
  const { codec } = resource.compression;
  const needed_bytes =
    (input.previous && host.files.stat(input.previous.image)?.size) ?? imageEstimate_bytes(content_bytes, codec);
  const need = { path: resource.path, needed_bytes, what: `pack ${resource.name}` };
  const run = () => withSpace(context, need, () => make(resource, input, { ...places, build }, context));
  try {
    return await run();
  } catch (thrown) {
    if (asRootloomError(thrown).condition !== "NoSpace" || signal.aborted) throw thrown;
    const present = { instance: context.instance, current, now_ms: host.clock.now_ms() };
    const removed = await context.effect("artifact.make-room", { path: resource.path }, () => {
      requireOurs(resource.path, context);
      return removeOutdated(host, resource.path, { ...retentionOf(resource), count: 1, failed: 0 }, present);
    });
    if (removed.length === 0) throw thrown;
    context.log(`removed ${removed.length} older generations of ${resource.name} to make room`);
    const isSecret = resource.secretOverlay !== undefined;
    await removeDirectory(host, build);
    host.files.makeDirectories(build, isSecret ? 0o700 : 0o755);
    return run();
  }
}

async function place(
  resource: ArtifactResource,
  build: string,
  report: GenerationReport,
  context: ApplyContext,
): Promise<void> {
  const { host, cache, signal, instance } = context;
  const { files } = host;
  const { path } = resource;
  const final = `${path}/${report.generation}`;
  files.syncDirectory(build);
  if (files.stat(final) !== undefined) {
    const standing = readReport(files, path, report.generation);
    const isOurs = standing?.instance === instance;
    const damage = isOurs ? await damageOf(host, path, report, { cache, trustCache: false, signal }) : "not ours";
    if (damage === undefined) {
      await removeDirectory(host, build);
      return;
    }
    const aside = `${path}/.damaged-${shortRun(context.runId)}`;
    await context.effect("artifact.set-aside", { from: final, to: aside }, () => files.rename(final, aside));
  }
  await context.effect("artifact.place", { from: build, to: final }, () => files.rename(build, final));
}

function reportOf(
  resource: ArtifactResource,
  packed: JobMap["pack"]["output"],
  parts: BootParts | undefined,
  context: ApplyContext,
): GenerationReport {
  const inputs = inputsOf(resource, packed.layers, bootInputs(parts));
  return {
    version: 1,
    instance: context.instance,
    artifact: resource.id,
    generation: generationOf(inputs),
    inputs,
    file: resource.file,
    ...packed,
    revision: context.revision,
    runId: context.runId,
    createdAt: new Date(context.host.clock.now_ms()).toISOString(),
  };
}
