import { type FileTree, makeSite, type Site, sha256Of } from "../kit.ts";
import { imageOf, small, tarballRoot } from "../root/small-site.ts";
import { wrongAtRest, wrongImage, wrongNow } from "./checks.ts";
import { Daemon, deathsFile } from "./daemon.ts";

/** A point that is none: the daemon dies by our hand only. */
const NOWHERE = "^$";

/** How a converge goes that nobody kills: how long it takes, from the start of the process, and the image it makes. */
export interface Reference {
  readonly files: FileTree;
  readonly whole_ms: number;
  readonly image: string;
}

/** The small site; with a tarball of another root, and without what only the small one has. */
export function siteOf(location?: string): FileTree {
  return location === undefined ? small : { ...small, "desired/roots/small.yaml": tarballRoot({}, location) };
}

/** As they are killed: two at a time. */
export async function measure(files: FileTree): Promise<Reference> {
  const [one, other] = await Promise.all([converge(files), converge(files)]);
  if (one.image !== other.image) throw new Error("two converges of one commit made two images");
  return { files, whole_ms: (one.whole_ms + other.whole_ms) / 2, image: one.image };
}

async function converge(files: FileTree): Promise<Reference> {
  const site = makeSite(files);
  try {
    const begun_ms = performance.now();
    const ending = await liveOn(site);
    if (ending !== "") throw new Error(ending);
    return { files, whole_ms: performance.now() - begun_ms, image: sha256Of(imageOf(site)) };
  } finally {
    await site.remove();
  }
}

/** Two sites at a time, for two cores. Returns what did not hold, with the moment in front; `told` is given each as it comes. */
export async function killedAtAll(
  moments_ms: readonly number[],
  reference: Reference,
  told: (kill: string, found: readonly string[]) => void = () => undefined,
): Promise<readonly string[]> {
  const wrong: string[] = [];
  const next = moments_ms.entries();
  const work = async (): Promise<void> => {
    for (const [index, moment_ms] of next) {
      const found = await killedAt(moment_ms, reference);
      const kill = `kill ${index + 1} after ${Math.round(moment_ms)} ms`;
      told(kill, found);
      wrong.push(...found.map((what) => `${kill}: ${what}`));
    }
  };
  await Promise.all([work(), work()]);
  return wrong;
}

/** Kills the daemon of a fresh site so long after its start; returns what did not hold then, or after the next life. */
export async function killedAt(moment_ms: number, reference: Reference): Promise<readonly string[]> {
  const site = makeSite(reference.files);
  try {
    const daemon = new Daemon(site, { file: deathsFile(site), only: NOWHERE });
    const timer = setTimeout(() => void daemon.kill("SIGKILL"), moment_ms);
    await daemon.ending();
    clearTimeout(timer);
    await daemon.kill("SIGKILL");
    const wrong = [...(await wrongNow(site)), ...wrongImage(site)];
    const ending = await liveOn(site);
    if (ending !== "") return [...wrong, ending];
    wrong.push(...(await wrongNow(site)), ...wrongImage(site), ...wrongAtRest(site));
    return sha256Of(imageOf(site)) === reference.image ? wrong : [...wrong, "the image is another one"];
  } finally {
    await site.remove();
  }
}

/** A life that nobody ends before its pass; why it did not converge, or nothing. */
async function liveOn(site: Site): Promise<string> {
  const daemon = new Daemon(site, { file: deathsFile(site), only: NOWHERE });
  const ending = await daemon.ending();
  await daemon.kill("SIGTERM");
  return ending === "converged" ? "" : `${ending}: ${daemon.log.slice(-2000)}`;
}

/** Moments between the loading of the program and the end of its pass, the same for the same seed. */
export function moments(count: number, seed: number, whole_ms: number): readonly number[] {
  let state = seed >>> 0;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return whole_ms * (0.1 + (0.95 * state) / 2 ** 32);
  });
}
