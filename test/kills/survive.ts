import { readFileSync } from "node:fs";
import type { Site } from "../kit.ts";
import { bystander, wrongAtRest, wrongImage, wrongNow } from "./checks.ts";
import { ask, Daemon } from "./daemon.ts";
import type { Phase } from "./site.ts";

const LIVES_MAX = 150;

/**
 * Lets daemons die at each point of the journal that a phase comes to and that is not in the file of deaths yet, one
 * life after the other, until one lives to the end. Returns what did not hold: just after a kill, or at the end.
 * @param only at points alone that match it
 */
export async function survive(site: Site, phase: Phase, file: string, only = ""): Promise<readonly string[]> {
  const before = bystander(site);
  const wrong: string[] = [];
  phase.prepare(site);
  for (let life = 1; ; life++) {
    const daemon = new Daemon(site, { file, only, trouble: phase.trouble?.(site) });
    const ending = await live(site, daemon, phase, file);
    if (ending !== "killed") {
      await daemon.kill("SIGTERM");
      if (ending !== "converged") wrong.push(`${phase.name}: ${ending}: ${daemon.log.slice(-3000)}`);
      break;
    }
    const now = [...(await wrongNow(site)), ...(phase.damagesImage === true ? [] : wrongImage(site))];
    const [last] = deathsIn(file).slice(-1);
    wrong.push(...now.map((what) => `${phase.name}, killed at ${last}: ${what}`));
    if (life === LIVES_MAX) return [...wrong, `${phase.name}: it never ends`];
  }
  wrong.push(...(await wrongNow(site)), ...wrongImage(site), ...wrongAtRest(site), ...notAsDeclared(site, phase));
  return bystander(site) === before ? wrong : [...wrong, "somebody else's directory was changed"];
}

/** The points at which daemons died, in the order in which they came. */
export function deathsIn(file: string): readonly string[] {
  return readFileSync(file, "utf8").split("\n").filter(Boolean);
}

/** One life: to its death, or to a pass after which nothing waits for a person. */
async function live(site: Site, daemon: Daemon, phase: Phase, file: string): Promise<string> {
  const { length } = deathsIn(file);
  const ending = await daemon.ending();
  if (ending === "converged" || ending === "killed" || phase.whenWaiting.length === 0) return ending;
  for (let asked = 0; asked < 5; asked++) {
    const { code, said } = await ask(site, ...phase.whenWaiting);
    if (code === 0) return "converged";
    daemon.log += `${phase.whenWaiting.join(" ")}: exit ${code}: ${said}\n`;
    // It writes down its death before it dies, and the answer fails before it is gone.
    if (deathsIn(file).length > length) return daemon.kill("SIGKILL").then(() => "killed");
  }
  return ending;
}

function notAsDeclared(site: Site, phase: Phase): readonly string[] {
  try {
    return phase.holds(site).flatMap(([what, is, wanted]) => {
      const [found, expected] = [JSON.stringify(is), JSON.stringify(wanted)];
      return found === expected ? [] : [`${phase.name}: ${what}: ${found}, not ${expected}`];
    });
  } catch (thrown) {
    return [`${phase.name}: cannot be looked at: ${String(thrown)}`];
  }
}
