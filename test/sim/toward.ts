import type { Random } from "../../src/host/fake/random.ts";
import { subjectOf } from "./aim.ts";
import { calmPass } from "./drive.ts";
import { tidy } from "./generate.ts";
import type { Site } from "./site.ts";
import { WAYS } from "./ways.ts";
import { commitSite, note, type World } from "./world.ts";

/** Does what makes the program come to the point that this run aims at, in the pass or with the approval behind it. */
export async function toward(world: World, random: Random): Promise<void> {
  const subject = subjectOf(world.aim);
  const way = WAYS.find(([names]) => names.test(subject))?.[1];
  if (way === undefined) return;
  note(world, `toward ${world.aim.point}`);
  const edit = (how: (site: Site, random: Random) => Site): Site => tidy(how(world.site, random));
  for (let time = way.times ?? 1; time > 0; time -= 1) {
    if (way.before !== undefined) {
      commitSite(world, edit(way.before), "what must stand before");
      await calmPass(world);
    }
    commitSite(world, free(edit(way.change), subject), `toward ${subject}`);
    way.deed?.(world, random);
    await world.observer.settle();
    if (time > 1) await calmPass(world);
  }
}

/** Room for what is to be removed: of an old and a new limit in one commit the stricter holds, so that it counts a pass later. */
function free(site: Site, subject: string): Site {
  return /delete|remove|unlist|unmount/.test(subject) ? { ...site, maxDeletions: 5 } : site;
}
