import type { JobTable } from "../host/jobs.ts";

/** A job loads what it needs when it is asked for: a command that only looks needs a third of it all. */
const modules = {
  assemble: () => import("./assemble.ts"),
  collect: () => import("./collect.ts"),
  compare: () => import("./compare.ts"),
  digestLayers: () => import("./digest-layers.ts"),
  drift: () => import("./drift.ts"),
  driftScan: () => import("./drift-scan.ts"),
  fileHash: () => import("./file-hash.ts"),
  layout: () => import("./layout.ts"),
  look: () => import("./look.ts"),
  manifest: () => import("./manifest.ts"),
  measure: () => import("./measure.ts"),
  pack: () => import("./pack.ts"),
  remove: () => import("./remove.ts"),
  verify: () => import("./verify.ts"),
};

/** The long work of a pass. It touches the outside by `context.files` alone and runs in a worker thread. */
export const jobTable: JobTable = {
  look: async (input, context) => (await modules.look()).look(input, context),
  generation: async ({ path }, { files }) => files.generation(path),
  layers: async (input, context) => (await modules.digestLayers()).digestLayers(context, input),
  layout: async (input, context) => (await modules.layout()).layout(context, input),
  pack: async (input, context) => (await modules.pack()).pack(context, input),
  difference: async (input, context) => (await modules.compare()).compareWithManifest(context, input),
  record: async (input, context) => (await modules.compare()).recordTree(context, input),
  drift: async (input, context) => (await modules.drift()).findDrift(context, input),
  assemble: async (input, context) => (await modules.assemble()).assemble(context, input),
  hash: async (input, context) => (await modules.fileHash()).hashFile(context, input),
  verify: async (input, context) => (await modules.verify()).verifyImage(context, input),
  remove: async (input, { files }) => (await modules.remove()).remove(files, input),
  measure: async ({ path }, { files }) => (await modules.measure()).measure(files, path),
  collect: async (input, context) => (await modules.collect()).collectCaches(context, input),
  list: async (input, context) => ({
    entries: [...(await modules.manifest()).readManifest(context.files, input.manifest)],
  }),
};

/** Loads what looks need, and then what all jobs do where a thread will be asked for any of them. */
export async function loadJobs(ahead: "looks" | "all"): Promise<void> {
  await modules.look();
  if (ahead === "all") await Promise.all(Object.values(modules).map((load) => load()));
}
