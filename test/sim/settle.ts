import type { PassResult } from "../../src/pass/types.ts";
import { checkConverged, checkQuiet } from "./converged.ts";
import { calmPass, onePass } from "./drive.ts";
import { blockedSteps, help } from "./people.ts";
import { EXISTING, LOOP, type Site, STATE } from "./site.ts";
import { smallTree } from "./tree.ts";
import { aimed, createWeather, type Weather } from "./weather.ts";
import { commitSite, note, type World } from "./world.ts";

const ROUNDS = 14;
const LAST_BLOWS = 4;

/**
 * Lets the host settle: no more faults and no more deeds. Invalid commits must change nothing; a valid one must
 * converge by itself but for what a person has to say, and wholly once they have said it.
 */
export async function settle(world: World): Promise<void> {
  note(world, "the host is left to settle");
  if (world.committed !== "site") await checkInvalid(world);
  commitSite(world, world.site, "what is wanted in the end");
  checkExcuses(world, await calmPass(world));
  for (const { what, remove } of world.obstacles.splice(0).reverse()) {
    note(world, `others take away: ${what}`);
    await remove();
    await world.observer.settle();
  }
  refillExisting(world);
  commitSite(world, strictSite(world), "without exceptions");
  await helpUntilDone(world);
  await world.observer.advance(10_000);
  await checkQuiet(world, () => calmPass(world));
  checkConverged(world);
}

async function checkInvalid(world: World): Promise<void> {
  const before = recorded(world);
  const result = await calmPass(world);
  const isEmpty = world.committed === "empty";
  if (result !== undefined && result.outcomes.length > 0) {
    world.watch.report(
      "invalid",
      `a pass over ${isEmpty ? "an empty" : "a broken"} tree did ${result.outcomes.length} steps`,
    );
  }
  if (recorded(world) !== before)
    world.watch.report("invalid", "a pass over an invalid tree changed volumes or artifacts");
}

function recorded(world: World): string {
  const { files } = world.observer.outside;
  const tops = ["volumes", "artifacts", "links", "targets"].map((name) => `${STATE}/${name}`);
  return tops
    .map(
      (top) =>
        `${top} ${files.stat(top) === undefined ? "" : [...files.scan(top)].map(({ path, stamp }) => `${path} ${stamp}`).join("\n")}`,
    )
    .join("\n");
}

/** What keeps a pass from being done must have a reason that this history gives. */
function checkExcuses(world: World, result: PassResult | undefined): void {
  if (result === undefined) {
    world.watch.report("converge", "a pass in calm weather did not end");
    return;
  }
  const errors = result.outcomes.flatMap(({ step, error }) =>
    error === undefined ? [] : [`${step.id}: ${error.message}`],
  );
  const hasObstacles = world.obstacles.length > 0 || world.touched.size > 0;
  if (errors.length > 0 && !hasObstacles)
    world.watch.report("converge", `steps fail in calm weather: ${errors.join("; ")}`);
  for (const step of blockedSteps(result)) {
    const { condition, message } = step.blocked ?? { condition: "", message: "" };
    const isExpected =
      condition === "Waiting" ||
      condition === "Suspended" ||
      (condition === "ApprovalRequired" &&
        (step.destroys !== undefined || step.replaces === true || step.kind === "artifact")) ||
      (condition === "ReportOnly" && hasObstacles) ||
      (condition === "Refused" &&
        (hasObstacles ||
          /deletions are planned|protected|not made by Rootloom|to be kept|stands in it|cannot shrink|\/srv\/hosts\/old/.test(
            message,
          )));
    if (!isExpected) world.watch.report("converge", `${step.id} is blocked without a cause: ${condition}: ${message}`);
  }
}

function refillExisting(world: World): void {
  if (world.observer.outside.files.stat(`${EXISTING}/etc`) !== undefined) return;
  for (const { path, type, content = [] } of smallTree("old")) {
    if (type === "file") world.observer.outside.writeFile(`${EXISTING}/${path}`, Buffer.from(content));
  }
}

/** The same, with drift corrected everywhere, room for all deletions, and no volume smaller than it ever was. */
function strictSite({ site, history }: World): Site {
  const size = Math.max(...history.map(({ volumes }) => volumes[LOOP]?.size ?? 0));
  const roots = Object.entries(site.roots).map(([name, root]) => [name, { ...root, report: false }]);
  const disk = site.volumes[LOOP];
  const volumes = disk === undefined ? site.volumes : { ...site.volumes, [LOOP]: { ...disk, size } };
  return { ...site, maxDeletions: 50, roots: Object.fromEntries(roots), volumes };
}

async function helpUntilDone(world: World): Promise<void> {
  let last: PassResult | undefined;
  for (let round = 0; round < ROUNDS; round += 1) {
    // The run may not have come yet to where it is to die.
    // While it settles nobody fills disks or edits files: what they do last would be seen a pass later.
    const needsTrouble = /^(overlay\.give-back|artifact\.make-room)/.test(world.aim.point);
    const isCalm = world.aim.hit || needsTrouble || round >= LAST_BLOWS;
    const weather = (): Weather => (isCalm ? createWeather(world.random, "calm") : aimed(world.aim, world.random));
    last = await onePass(world, weather());
    const helped = await help(world, last, weather);
    // What was mounted in a root shows as the attributes of its mount points: images follow one pass later.
    const mounted = last?.outcomes.some(({ step, status }) => step.kind === "mount" && status === "done") === true;
    if (helped === 0 && last?.result === "converged" && !mounted) return;
    await world.observer.advance(5_000);
  }
  const why = [
    ...(last?.documentProblems ?? []).map(({ file, message }) => `${file}: ${message}`),
    ...blockedSteps(last).map(({ id, blocked }) => `${id} ${blocked?.condition}: ${blocked?.message}`),
    ...(last?.outcomes ?? []).flatMap(({ step, error }) =>
      error === undefined ? [] : [`${step.id} failed: ${error.message}`],
    ),
  ];
  world.watch.report("converge", `not done after ${ROUNDS} passes: ${last?.result}: ${why.join("; ")}`);
}
