import type { Step } from "../../src/core/step.ts";
import type { Random } from "../../src/host/fake/random.ts";
import type { Request } from "../../src/pass/commands.ts";
import type { PassResult } from "../../src/pass/types.ts";
import { command } from "./drive.ts";
import { pick } from "./generate.ts";
import type { Weather } from "./weather.ts";
import { allow, count, note, type World } from "./world.ts";

type Verb = "approve" | "adopt" | "forget" | "resume";

export function blockedSteps(result: PassResult | undefined): readonly Step[] {
  return result?.plan.steps.filter(({ blocked }) => blocked !== undefined) ?? [];
}

/** A person does what each blocked step's own hint says: approves, adopts, forgets, resumes. Returns how many there were to help. */
export async function help(
  world: World,
  result: PassResult | undefined,
  weather: () => Weather,
  mayRefuse: () => boolean = () => false,
): Promise<number> {
  let helped = 0;
  for (const step of blockedSteps(result)) {
    if (mayRefuse()) continue;
    const given = { names: [step.id], who: "ada", why: "settling" };
    const hint = step.blocked?.hint ?? "";
    const verb =
      /^rootloom (approve|adopt|forget|resume)\b/.exec(hint)?.[1] ?? (isLeftover(step) ? "forget" : undefined);
    if (verb === undefined) continue;
    helped += 1;
    note(world, `a person runs: rootloom ${verb} ${step.id}`);
    if (verb !== "resume") allow(world, step);
    await command(world, weather(), { command: verb as Verb, arguments: given });
  }
  return helped;
}

/** What people do with roots without being asked. */
export async function commandAtWill(world: World, random: Random, weather: Weather): Promise<void> {
  const name = pick(
    Object.entries(world.site.roots).flatMap(([root, { volume }]) => (volume === undefined ? [] : [root])),
    random,
  );
  if (name === undefined) return;
  const given = { names: [`tree/${name}`], who: "ada", why: "at will" };
  const request = pick<Request>(
    [
      { command: "snapshot", arguments: given },
      { command: "rollback", arguments: { ...given, snapshot: "", yes: true } },
      { command: "unmount", arguments: { ...given, all: random.chance(0.3) } },
      { command: "suspend", arguments: { ...given, until: "" } },
      { command: "trigger", arguments: given },
      { command: "gc", arguments: { age_days: 0, limit_bytes: 0, keptRoots: false, yes: true, dryRun: false } },
    ],
    random,
  );
  count(world, `person: ${request.command}`);
  note(world, `a person runs: rootloom ${request.command} ${given.names}`);
  await command(world, weather, request);
}

/** A thing whose declaration is gone, and that is protected or cannot be looked into: it stays, and a person lets it go. */
function isLeftover(step: Step): boolean {
  const message = step.blocked?.message ?? "";
  return (
    step.blocked?.condition === "Refused" &&
    /^cannot (remove|delete) .*(protected|stands in it|is not mounted at)/.test(message)
  );
}
