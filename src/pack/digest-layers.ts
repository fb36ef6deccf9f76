import type { JobMap, LayerDigest, LayerSource } from "../host/jobs.ts";
import type { JobContext } from "../host/ports.ts";
import { compileExcludes } from "./excludes.ts";
import { lookAtLayer, NOTHING_SEEN } from "./look.ts";
import { describeOverlay, overlayLayer } from "./overlay-layer.ts";
import { remembered } from "./remembered.ts";
import { LAYER_DIGEST_VERSION } from "./types.ts";
import { isSameWalk, isSameWhole, recallLayer, treeQuestion } from "./warm-layer.ts";

type TreeSource = Extract<LayerSource, { readonly type: "tree" }>;
type TarballSource = Extract<LayerSource, { readonly type: "tarball" }>;

/** Digests of the layers alone: no merge. What reads a layer is loaded only where one has to be read. */
export async function digestLayers(
  context: JobContext,
  input: JobMap["layers"]["input"],
): Promise<JobMap["layers"]["output"]> {
  const digests: JobMap["layers"]["output"][number][] = [];
  for (const [index, source] of input.layers.entries()) {
    if (source.type === "overlay") digests.push(describeOverlay(source, overlayLayer(source, index + 1)));
    else if (source.type === "tree") digests.push(await digestTree(context, source, input));
    else digests.push(await digestTarball(context, source, input));
  }
  return digests;
}

/** The digest of a tree: one that looks as it did has the digest that it had. `seen` is the sight that it belongs to. */
async function digestTree(
  context: JobContext,
  source: TreeSource,
  input: JobMap["layers"]["input"],
): Promise<JobMap["layers"]["output"][number]> {
  const options = { cache: input.cache, excludes: compileExcludes(input.excludes), asItIs: false, attributes: false };
  const seen = input.looked ?? lookAtLayer(context, source, options);
  const known = recallLayer(context.files, treeQuestion(source, input), false);
  if (known && (isSameWhole(known, seen) || isSameWalk(known, seen))) return { ...known.digest, seen };
  const question = { what: "layer", version: LAYER_DIGEST_VERSION, ...source, excludes: input.excludes };
  let isRemembered = () => false;
  const answer = await remembered(context, input.cache, question, seen, {
    answer: async () => {
      const { readTree } = await import("./tree-layer.ts");
      const tree = readTree(context, source, { ...input, seen }, options);
      isRemembered = tree.isRemembered;
      return tree.digest();
    },
    look: () => (isRemembered() ? seen : NOTHING_SEEN),
  });
  return { ...answer, seen };
}

async function digestTarball(
  context: JobContext,
  source: TarballSource,
  { cache, excludes }: JobMap["layers"]["input"],
): Promise<LayerDigest> {
  const [{ tarballLayer }, { digestLayer }] = await Promise.all([
    import("./tarball-layer.ts"),
    import("./layer-digest.ts"),
  ]);
  return digestLayer(await tarballLayer(context, source, cache, compileExcludes(excludes)));
}
