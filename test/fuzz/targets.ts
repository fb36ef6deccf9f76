import { fuzzArchives } from "./archives.ts";
import { fuzzDocuments } from "./documents.ts";
import { createRandom, type Random } from "./random.ts";
import { fuzzKept, KEPT_FILES } from "./stored.ts";
import { fuzzTarballs } from "./tarballs.ts";

/** Throws when a promise is broken. `directory` is for files, and emptied by the caller. */
type Target = (random: Random, directory: string) => void | Promise<void>;

/** What is fed with odd input. */
export const TARGETS: ReadonlyMap<string, Target> = new Map<string, Target>([
  ["documents", fuzzDocuments],
  ["tarballs", fuzzTarballs],
  ["archives", fuzzArchives],
  ...KEPT_FILES.map((name): [string, Target] => [name, (random, directory) => fuzzKept(name, directory, random)]),
]);

/** What reading odd input may take at most: of the whole process, Node itself and the test runner included. */
export const MEMORY_LIMIT_BYTES = 512 * 1024 * 1024;

/** Runs seeds from `from` until the time is over (at least one); returns how many. A failure names its seed. */
export async function fuzz(target: string, from: number, duration_ms: number, directory: string): Promise<number> {
  const begun_ms = performance.now();
  let cases = 0;
  do {
    const seed = from + cases;
    try {
      await TARGETS.get(target)?.(createRandom(seed), directory);
      requireMemory();
    } catch (cause) {
      throw new Error(`${target} fails: node test/fuzz/main.ts --target "${target}" --seed ${seed}`, { cause });
    }
    cases++;
  } while (performance.now() - begun_ms < duration_ms);
  return cases;
}

/** The most that this process ever held, so that nothing given back in between is missed. */
function requireMemory(): void {
  const held_bytes = process.resourceUsage().maxRSS * 1024;
  if (held_bytes > MEMORY_LIMIT_BYTES) throw new Error(`it took ${held_bytes} bytes of memory`);
}
