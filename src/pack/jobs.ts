import type { JobTable } from "../host/jobs.ts";
import { assemble } from "./assemble.ts";
import { collectCaches } from "./collect.ts";
import { compareWithManifest, findDrift, recordTree } from "./compare.ts";
import { digestLayers } from "./compose.ts";
import { hashFile } from "./file-hash.ts";
import { layout } from "./layout.ts";
import { look } from "./look.ts";
import { readManifest } from "./manifest.ts";
import { measure } from "./measure.ts";
import { pack } from "./pack.ts";
import { remove } from "./remove.ts";
import { verifyImage } from "./verify.ts";

/** The long work of a pass. It touches the outside by `context.files` alone and runs in a worker thread. */
export const jobTable: JobTable = {
  look,
  generation: async ({ path }, { files }) => files.generation(path),
  layers: (input, context) => digestLayers(context, input),
  layout: (input, context) => layout(context, input),
  pack: (input, context) => pack(context, input),
  difference: (input, context) => compareWithManifest(context, input),
  record: async (input, context) => recordTree(context, input),
  drift: async (input, context) => findDrift(context, input),
  assemble: (input, context) => assemble(context, input),
  hash: async (input, context) => hashFile(context, input),
  verify: (input, context) => verifyImage(context, input),
  remove: async (input, { files }) => remove(files, input),
  measure: async ({ path }, { files }) => measure(files, path),
  collect: async (input, context) => collectCaches(context, input),
  list: async (input, context) => ({ entries: [...readManifest(context.files, input.manifest)] }),
};
