import type { JobMap } from "../host/jobs.ts";
import type { JobContext } from "../host/ports.ts";
import { checkProgram } from "./checks.ts";
import { compose } from "./compose.ts";
import { writeManifest } from "./manifest.ts";

/**
 * Merges the layers and writes the manifest, for an image that another tool writes.
 * @throws RootloomError for bad layers, an empty root and a missing init.
 */
export async function layout(
  context: JobContext,
  input: JobMap["layout"]["input"],
): Promise<JobMap["layout"]["output"]> {
  const { entries, notes, layers } = await compose(context, input, { attributes: true });
  checkProgram(entries, input.init);
  const { sha256 } = writeManifest(context.files, input.manifest, entries);
  return { entries: [...entries], manifestSha256: sha256, notes, layers };
}
