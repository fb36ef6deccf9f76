import { posix } from "node:path";
import { ARCHITECTURES } from "../../core/kernel.ts";
import type { KernelResource } from "../../core/resource.ts";
import { shortRun } from "../owned.ts";
import { removeDirectory } from "../remove.ts";
import { retain } from "../retention.ts";
import { sha256Of } from "../tree/kept.ts";
import type { ApplyContext } from "../types.ts";
import { checkMade } from "./configure.ts";
import { copyOut } from "./copy-out.ts";
import { CURRENT, KERNEL, type KernelReport, listKernels, REPORT } from "./generations.ts";
import { placeModules } from "./modules.ts";
import type { Workshop } from "./sandbox.ts";

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
  // What a secret overlay put into the image that is in it is its owner's alone.
  files.makeDirectory(beside, { owner: 0, group: 0, mode: resource.initramfs?.secret === true ? 0o700 : 0o755 });
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

/** Points `current` at a kernel that stands whole, and removes those that are not to stay. */
export async function switchKernel(resource: KernelResource, generation: string, context: ApplyContext): Promise<void> {
  const { files } = context.host;
  const { path } = resource;
  if (files.readLink(posix.join(path, CURRENT)) !== generation)
    await context.effect("kernel.switch", { path, generation }, () =>
      files.writeLink(posix.join(path, CURRENT), generation),
    );
  await retain(resource, listKernels, context);
}

/** What was built under that name and is not whole makes room. */
async function setAside(path: string, context: ApplyContext): Promise<void> {
  const { files } = context.host;
  if (files.stat(path) === undefined) return;
  const aside = posix.join(posix.dirname(path), `.damaged-${shortRun(context.runId)}`);
  await context.effect("kernel.set-aside", { path }, () => files.rename(path, aside));
  await removeDirectory(context.host, aside);
}
