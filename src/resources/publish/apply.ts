import { RootloomError } from "../../core/error.ts";
import type { PublishResource } from "../../core/resource.ts";
import { judgeSpace, SPARE_BYTES } from "../../core/space.ts";
import { formatSize } from "../../pack/notes.ts";
import { requireOurs, sweepWork } from "../marked.ts";
import { recordOf, shortRun } from "../owned.ts";
import { removeDirectory } from "../remove.ts";
import { withSpace } from "../space.ts";
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
  const modes = { directory: resource.secret ? "0700" : "0755", file: fileMode(resource) };
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
  const { place, name, artifact } = resource;
  const sources = new Map(parts.flatMap((part) => (part.source === undefined ? [] : [[part.sha256, part]])));
  const look = async () => readReceived(await end.run(RECEIVED, [place.path, fileMode(resource), ...sources.keys()]));
  let { missing, free_bytes } = await look();
  const sizes = [...missing].map(([digest, have_bytes]) => (sources.get(digest)?.size_bytes ?? 0) - have_bytes);
  const needed_bytes = sizes.reduce((sum, bytes) => sum + Math.max(0, bytes), 0);
  await withRoom(resource, { needed_bytes, free_bytes }, context, async () => {
    for (let attempt = 0; missing.size > 0 && attempt < ATTEMPTS; attempt++) {
      if (attempt > 0) await end.run(DISCARD, [place.path, ...missing.keys()]);
      for (const [index, digest] of [...missing.keys()].entries()) {
        context.progress(`uploading to ${placeText(place)}`, index, missing.size);
        await end.send(sources.get(digest)?.source ?? "", digest);
      }
      ({ missing } = await look());
    }
  });
  const [damaged] = missing.keys();
  if (damaged === undefined) return;
  throw new RootloomError(
    `cannot publish ${name}: ${sources.get(damaged)?.name ?? damaged} does not arrive at ${placeText(place)} as it was packed`,
    { hint: `look at ${artifact}, and at the disks of both machines`, retry: "transient" },
  );
}

/** What is not there whole, by digest, with the bytes of it that are; and the room there, where that is known. */
function readReceived(text: string): {
  readonly missing: ReadonlyMap<string, number>;
  readonly free_bytes: number | undefined;
} {
  const lines = [...text.matchAll(/^([0-9a-f]{64}|free) (\d+)$/gm)].map(
    ([, what = "", count = ""]) => [what, Number(count)] as const,
  );
  const free_kib = lines.find(([what]) => what === "free")?.[1];
  return {
    missing: new Map(lines.filter(([what]) => what !== "free")),
    free_bytes: free_kib === undefined ? undefined : free_kib * 1024,
  };
}

/** @throws RootloomError, waiting for NoSpace, where what is to be sent would not fit there: then nothing is sent. */
async function withRoom(
  { name, place }: PublishResource,
  { needed_bytes, free_bytes }: { readonly needed_bytes: number; readonly free_bytes: number | undefined },
  context: ApplyContext,
  send: () => Promise<void>,
): Promise<void> {
  const what = `publish ${name}`;
  if (place.type === "directory") return withSpace(context, { path: place.path, needed_bytes, what }, send);
  if (free_bytes === undefined || judgeSpace({ free_bytes, held_bytes: 0, needed_bytes }) === "fits") return send();
  const [needed, free] = [formatSize(needed_bytes + SPARE_BYTES), formatSize(free_bytes)];
  throw new RootloomError(`cannot ${what}: ${placeText(place)} has ${free} free, about ${needed} are needed`, {
    hint: "make room on that machine, or let fewer versions stay there: `publish.keep`",
    retry: "waiting",
    condition: "NoSpace",
  });
}

function fileMode({ secret }: PublishResource): string {
  return secret ? "0600" : "0644";
}
