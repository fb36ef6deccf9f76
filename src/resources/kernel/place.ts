import { posix } from "node:path";
import { RootloomError } from "../../core/error.ts";
import { ARCHITECTURES } from "../../core/kernel.ts";
import type { KernelResource } from "../../core/resource.ts";
import { markerPath, whoseIs } from "../artifact/observe.ts";
import { identityOf, writeMarker } from "../marker.ts";
import { shortRun } from "../owned.ts";
import { removeDirectory } from "../remove.ts";
import { sha256Of } from "../tree/kept.ts";
import type { ApplyContext } from "../types.ts";
import { checkMade } from "./configure.ts";
import { copyOut } from "./copy-out.ts";
import { CURRENT, KERNEL, type KernelReport, listKernels, REPORT } from "./generations.ts";
import { placeModules } from "./modules.ts";
import type { Workshop } from "./sandbox.ts";

type Subject = Pick<KernelResource, "name" | "path">;

/** Makes the directory of a kernel with its marker, or finds that the one there is ours. */
export async function prepareKernelDirectory(resource: Subject, context: ApplyContext): Promise<void> {
  const { files, clock } = context.host;
  const { path, name } = resource;
  const { state, whose } = whoseIs(path, context);
  if (state === "ours") return sweepBuilds(path, context);
  if (state === "foreign")
    throw new RootloomError(`cannot build into ${path}: it is ${whose}`, {
      hint: "move it away, or give the KernelConfig another name",
    });
  const temporary = `${temporaryPrefix(resource, context)}${shortRun(context.runId)}`;
  await context.effect("kernel.make-directory", { path }, async () => {
    await sweepTemporaries(resource, context);
    files.makeDirectories(temporary);
    const { instance, runId } = context;
    const createdAt = new Date(clock.now_ms()).toISOString();
    const marker = { instance, kind: "kernel", name, runId, createdAt, inputs: {}, details: {} } as const;
    writeMarker(files, markerPath(temporary), { version: 1, identity: identityOf(files, temporary), ...marker });
    files.rename(temporary, path);
  });
}

/** Takes what make left into a folder beside, with a report, and gives it its name. */
export async function placeKernel(
  resource: KernelResource,
  made: { readonly generation: string; readonly inputs: Readonly<Record<string, string>>; readonly config: string },
  workshop: Workshop,
  context: ApplyContext,
): Promise<KernelReport> {
  const { files, clock } = context.host;
  const { path, name } = resource;
  const beside = posix.join(path, `.build-${shortRun(context.runId)}`);
  files.makeDirectory(beside, { owner: 0, group: 0, mode: 0o755 });
  const { image } = ARCHITECTURES[workshop.toolchain.architecture];
  const { tree } = workshop.paths;
  const size_bytes = copyOut(tree, image, posix.join(beside, KERNEL), files);
  checkMade(resource, size_bytes);
  copyOut(tree, "System.map", posix.join(beside, "System.map"), files);
  copyOut(tree, "defconfig", posix.join(beside, "defconfig"), files);
  copyOut(tree, "include/config/kernel.release", posix.join(beside, "release"), files);
  files.writeFile(posix.join(beside, "config"), made.config, { owner: 0, group: 0, mode: 0o644 });
  const release = (files.readText(posix.join(beside, "release")) ?? "").trim();
  if (resource.modules !== undefined) placeModules(tree, release, beside, context.host);
  const digests: [string, string][] = [];
  const names = (files.list(beside) ?? []).filter((file) => files.stat(posix.join(beside, file))?.type === "file");
  for (const file of names) digests.push([file, (await sha256Of(posix.join(beside, file), context, false)) ?? ""]);
  const report: KernelReport = {
    version: 1,
    instance: context.instance,
    kernel: name,
    generation: made.generation,
    inputs: made.inputs,
    architecture: workshop.toolchain.architecture,
    release,
    files: Object.fromEntries(digests),
    size_bytes,
    revision: context.revision,
    runId: context.runId,
    createdAt: new Date(clock.now_ms()).toISOString(),
  };
  files.writeFile(posix.join(beside, REPORT), `${JSON.stringify(report, undefined, 2)}\n`, {
    owner: 0,
    group: 0,
    mode: 0o644,
  });
  files.syncFilesystem(beside);
  await setAside(posix.join(path, made.generation), context);
  await context.effect("kernel.place", { path, generation: made.generation }, () =>
    files.rename(beside, posix.join(path, made.generation)),
  );
  return report;
}

/** Points `current` at a kernel that stands whole, and removes those beyond the number that is kept. */
export async function switchKernel(
  { path, generations }: KernelResource,
  generation: string,
  context: ApplyContext,
): Promise<void> {
  const { files } = context.host;
  if (files.readLink(posix.join(path, CURRENT)) !== generation)
    await context.effect("kernel.switch", { path, generation }, () =>
      files.writeLink(posix.join(path, CURRENT), generation),
    );
  const others = listKernels(files, path, context.instance).filter((report) => report.generation !== generation);
  const old = others.slice(Math.max(0, generations - 1));
  if (old.length === 0) return;
  await context.effect("kernel.remove-old", { path, generations: old.map((report) => report.generation) }, async () => {
    requireOurs(path, context);
    for (const report of old) await removeDirectory(context.host, posix.join(path, report.generation));
  });
}

/** Moves the directory out of its place before anything of it goes. */
export async function deleteKernelDirectory(resource: Subject, context: ApplyContext): Promise<void> {
  await context.effect("kernel.delete", { path: resource.path }, async () => {
    requireOurs(resource.path, context);
    context.host.files.rename(resource.path, `${temporaryPrefix(resource, context)}${shortRun(context.runId)}`);
    await sweepTemporaries(resource, context);
  });
}

/** Also that it is still the directory that was marked: it may have been exchanged while the intent was written down. */
function requireOurs(path: string, context: ApplyContext): void {
  const { state, whose } = whoseIs(path, context);
  if (state === "ours") return;
  throw new RootloomError(`cannot change ${path}: it is ${state === "absent" ? "gone" : whose}`, {
    hint: "look at it; the next pass observes it again",
  });
}

/** Removes what killed creations and removals left. */
export async function sweepTemporaries(resource: Subject, context: ApplyContext): Promise<void> {
  const prefix = temporaryPrefix(resource, context);
  const parent = posix.dirname(resource.path);
  for (const name of context.host.files.list(parent) ?? []) {
    const path = posix.join(parent, name);
    if (path.startsWith(prefix) && path.length === prefix.length + 8) await removeDirectory(context.host, path);
  }
}

/** Removes what killed or failed builds left beside the kernels. */
export async function sweepBuilds(path: string, { host }: ApplyContext): Promise<void> {
  for (const name of host.files.list(path) ?? [])
    if (/^\.(build|damaged)-/.test(name)) await removeDirectory(host, posix.join(path, name));
}

/** What was built under that name and is not whole makes room. */
async function setAside(path: string, context: ApplyContext): Promise<void> {
  const { files } = context.host;
  if (files.stat(path) === undefined) return;
  const aside = posix.join(posix.dirname(path), `.damaged-${shortRun(context.runId)}`);
  await context.effect("kernel.set-aside", { path }, () => files.rename(path, aside));
  await removeDirectory(context.host, aside);
}

function temporaryPrefix({ path, name }: Subject, { instance }: Pick<ApplyContext, "instance">): string {
  return posix.join(posix.dirname(path), `.rootloom-${instance.slice(0, 8)}-${name}-`);
}
