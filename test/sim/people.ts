import type { Step } from "../../src/core/step.ts";
import type { PassResult } from "../../src/pass/types.ts";
import { command } from "./drive.ts";
import { createWeather } from "./weather.ts";
import { allow, note, type World } from "./world.ts";

/** Steps that wait for somebody's approval. */
export function waitingSteps(result: PassResult | undefined): readonly Step[] {
  return blockedSteps(result).filter(({ blocked }) => blocked?.condition === "ApprovalRequired");
}

export function blockedSteps(result: PassResult | undefined): readonly Step[] {
  return result?.plan.steps.filter(({ blocked }) => blocked !== undefined) ?? [];
}

/** A person does what each blocked step's own hint says: approves, adopts, forgets. Returns how many there were to help. */
export async function help(world: World, result: PassResult | undefined): Promise<number> {
  let helped = 0;
  for (const step of blockedSteps(result)) {
    const given = { names: [step.id], who: "ada", why: "settling" };
    const hint = step.blocked?.hint ?? "";
    const verb = /^rootloom (approve|adopt|forget)\b/.exec(hint)?.[1] ?? (isLeftover(step) ? "forget" : undefined);
    if (verb === undefined) continue;
    helped += 1;
    note(world, `a person runs: rootloom ${verb} ${step.id}`);
    allow(world, step);
    await command(world, createWeather(world.random, "calm"), {
      command: verb as "approve" | "adopt" | "forget",
      arguments: given,
    });
  }
  return helped;
}

/** A thing whose declaration is gone, and that is protected or cannot be looked into: it stays, and a person lets it go. */
function isLeftover(step: Step): boolean {
  const message = step.blocked?.message ?? "";
  return (
    step.blocked?.condition === "Refused" &&
    /^cannot (remove|delete) .*(protected|stands in it|is not mounted at)/.test(message)
  );
}
