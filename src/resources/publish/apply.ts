import { RootloomError } from "../../core/error.ts";
import type { PublishResource } from "../../core/resource.ts";
import { requireOurs, sweepWork } from "../marked.ts";
import { recordOf, shortRun } from "../owned.ts";
import { removeDirectory } from "../remove.ts";
import type { ApplyContext, Executor, Outcome } from "../types.ts";
import { chooseGeneration } from "./current.ts";
import { type FarEnd, openFarEnd, placeText } from "./far-end.ts";
import type { Looked } from "./look.ts";
import { markPlace } from "./mark.ts";
import { forgetSeen, requireUsable } from "./observe.ts";
import { publishInputs } from "./plan.ts";
import { type Prepared, prepareRelease, withSignature } from "./prepare.ts";
import { DISCARD, PLACE, PRUNE, RECEIVED, SWITCH } from "./scripts.ts";

/** How often a file is sent that did not come whole. */
const ATTEMPTS = 2;

/**
 * Sends what is missing there beside what is offered, checks it there, and points `current` at it; then what is not offered
 * any more goes. What is there already, whole, is neither sent nor written again.
 */
export const uploadImage: Executor<"publish.upload"> = async (step, context) => {
  const { resource } = step.arguments;
  const { files } = context.host;
  requireUsable(resource, context);
  requireOurs(resource.images, context);
  const chosen = chooseGeneration(resource, files, context.instance);
  if (chosen.report === undefined)
    throw new RootloomError(`cannot publish ${resource.name}: ${chosen.why}`, {
      hint: `see ${resource.artifact}`,
      retry: "waiting",
      condition: "Waiting",
    });
  const end = openFarEnd(resource, context);
  const seen = await end.look();
  if (seen.state === "foreign")
    throw new RootloomError(`cannot publish ${resource.name} to ${placeText(resource.place)}: it is ${seen.whose}`, {
      hint: "name a directory that is empty, or not there yet",
    });
  const work = `${resource.images}/.publish-${shortRun(context.runId)}`;
  // Also what killed ones left: the image's own step has ended.
  await sweepWork(resource.images, context);
  files.makeDirectories(work, 0o700);
  try {
    const prepared = prepareRelease(resource, chosen, { seen, work }, context);
    return await publish(resource, prepared, { end, seen, work }, context);
  } finally {
    forgetSeen(resource, context.instance);
    if (!context.signal.aborted) await removeDirectory(context.host, work);
  }
};

async function publish(
  resource: PublishResource,
  prepared: Prepared,
  { end, seen, work }: { readonly end: FarEnd; readonly seen: Looked; readonly work: string },
  context: ApplyContext,
): Promise<Outcome> {
  const { version, dropped } = prepared;
  const release = await withSignature(resource, prepared, work, context);
  if (seen.state !== "ours") {
    await context.effect("publish.mark", { place: placeText(resource.place) }, () => markPlace(resource, end, context));
  }
  await context.effect("publish.upload", { version: version.text }, () => sendMissing(resource, release, end, context));
  const modes = resource.secret ? { directory: "0700", file: "0600" } : { directory: "0755", file: "0644" };
  const links = release.parts.flatMap(({ name, sha256, from }) => [sha256, from ?? "", name]);
  const { path } = resource.place;
  await context.effect("publish.place", { release: context.runId }, () =>
    end.run(PLACE, [path, context.runId, modes.directory, modes.file, ...links]),
  );
  await context.effect("publish.switch", { release: context.runId }, () => end.run(SWITCH, [path, context.runId]));
  const left = await context.effect("publish.prune", { release: context.runId }, () =>
    end.run(PRUNE, [path, context.runId]),
  );
  const others = left.split("\n").filter((line) => line !== "");
  const notes = [
    ...release.parts.filter(({ from }) => from === undefined).map(({ name }) => `uploaded: ${name}`),
    ...dropped.map((text) => `not whole there, and not offered any more: version ${text}`),
    ...(others.length === 0 ? [] : [`left there, since Rootloom did not put it there: ${others.join(", ")}`]),
  ];
  const details = {
    ...(resource.place.type === "directory" ? { path } : {}),
    place: placeText(resource.place),
    version: version.text,
    release: context.runId,
    sums: prepared.sumsSha256,
    signature: release.signature,
  };
  const { runId, revision, host } = context;
  const inputs = publishInputs(resource, version.generation);
  const record = recordOf(resource, { runId, revision, now_ms: host.clock.now_ms() }, { inputs, details });
  return { record, result: `published as version ${version.text}`, notes };
}

/** Each file is known there by its digest alone: half of one is gone on with, and never taken for a whole one. */
async function sendMissing(
  resource: PublishResource,
  { parts }: Pick<Prepared, "parts">,
  end: FarEnd,
  context: ApplyContext,
): Promise<void> {
  const { path } = resource.place;
  const mode = resource.secret ? "0600" : "0644";
  const sources = new Map(parts.flatMap(({ sha256, source }) => (source === undefined ? [] : [[sha256, source]])));
  const missing = async () =>
    (await end.run(RECEIVED, [path, mode, ...sources.keys()])).split("\n").filter((digest) => sources.has(digest));
  let left = await missing();
  for (let attempt = 0; left.length > 0 && attempt < ATTEMPTS; attempt++) {
    if (attempt > 0) await end.run(DISCARD, [path, ...left]);
    for (const [index, digest] of left.entries()) {
      context.progress(`uploading to ${placeText(resource.place)}`, index, left.length);
      await end.send(sources.get(digest) ?? "", digest);
    }
    left = await missing();
  }
  const [damaged] = left;
  if (damaged === undefined) return;
  const name = parts.find(({ sha256 }) => sha256 === damaged)?.name ?? damaged;
  throw new RootloomError(
    `cannot publish ${resource.name}: ${name} does not arrive at ${placeText(resource.place)} as it was packed`,
    {
      hint: `rootloom verify ${resource.artifact}; look at the disks of both machines`,
      retry: "transient",
    },
  );
}
