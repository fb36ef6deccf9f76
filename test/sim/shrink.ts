import type { DeliberateFault } from "./deliberate.ts";
import { type Happening, type RunResult, runSeed } from "./run.ts";

/** The shortest history that still breaks the same rule: happenings are left out one after another, as long as any can be. */
export async function shrink(failed: RunResult, fault: DeliberateFault | undefined): Promise<RunResult> {
  let best = failed;
  for (let at = best.history.length - 1; at >= 0; at -= 1) {
    const history = best.history.filter((_, index) => index !== at);
    const again = await runSeed(failed.seed, { fault, history });
    if (again.violations.some(({ rule }) => rule === failed.violations[0]?.rule)) best = again;
  }
  return best;
}

/** Happenings as a word that `--history` reads. */
export function writeHistory(history: readonly Happening[]): string {
  return history.map(({ type, seed }) => `${type}:${seed}`).join(",");
}

export function readHistory(text: string): readonly Happening[] {
  if (text === "") return [];
  return text.split(",").map((word) => {
    const [type = "", seed = ""] = word.split(":");
    return { type: type as Happening["type"], seed: Number(seed) };
  });
}
