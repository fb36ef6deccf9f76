/**
 * Packs variants of one tree over and over with a cache that others use at the same time, and prints the digest of each
 * image as it is made: `VARIANT SHA256`. Ends after `runs`, or by a kill.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { asRootloomError } from "../../src/core/error.ts";
import { jobTable } from "../../src/pack/jobs.ts";
import { context } from "./inputs.ts";
import { inputOf, VARIANTS } from "./variants.ts";

const [work = "", cache = "", name = "", runs = "1"] = process.argv.slice(2);
let previous: { image: string; sha256: string } | undefined;
for (let run = 0; run < Number(runs); run++) {
  const variant = (run + name.length) % VARIANTS;
  const image = join(work, `${name}-${run % 2}.img`);
  const packed = await packAgain({ ...inputOf(work, cache, variant), image, manifest: `${image}.manifest`, previous });
  previous = { image, sha256: packed.sha256 };
  writeFileSync(1, `${variant} ${packed.sha256}\n`);
}

/** As a pass does with what is said to be transient. */
async function packAgain(input: Parameters<typeof jobTable.pack>[0]): ReturnType<typeof jobTable.pack> {
  try {
    return await jobTable.pack(input, context);
  } catch (thrown) {
    if (asRootloomError(thrown).retry !== "transient") throw thrown;
    return packAgain(input);
  }
}
