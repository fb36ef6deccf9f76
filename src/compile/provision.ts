import { canonicalJson } from "../core/digest.ts";
import { toTreePath } from "../core/entry.ts";
import type {
  MountResource,
  OverlayEntry,
  OverlayResource,
  ProvisionResource,
  ProvisionStep,
  ProvisionWork,
  ResourceId,
  TreeResource,
} from "../core/resource.ts";
import type { MergedFileSpec, ProvisionStepSpec } from "../documents/types-provision.ts";
import { parseInterval, parseMode, parseOwner } from "../documents/units.ts";
import { type CompileContext, type Expanded, mergedKey, originOf, resourceId } from "./context.ts";
import { blank, parentsOf } from "./overlays.ts";
import { rootPlace } from "./root-place.ts";

/** Of what a step does beyond its text: another number runs all steps again. */
const STEPS_VERSION = 1;
const TIMEOUT_S = 3600;
/** The overlay of what is put together, and its order: behind those that people write. */
const MERGED = "provision";
const MERGED_ORDER = 40;

/** The steps of a root, in their order; undefined where it has none. `layers`: what is laid into it before them. */
export function compileProvision(
  document: Expanded<"Root">,
  root: TreeResource,
  mounts: readonly MountResource[],
  layers: readonly ResourceId[],
  context: CompileContext,
): ProvisionResource | undefined {
  const { provision } = document.spec;
  if (provision?.steps === undefined || provision.steps.length === 0) return undefined;
  const steps: ProvisionStep[] = [];
  for (const [index, spec] of provision.steps.entries())
    steps.push(compileStep(spec, steps.at(-1)?.key ?? "", { document, index }, context));
  return {
    id: resourceId("provision", document.name),
    kind: "provision",
    name: document.name,
    identity: `provision:${root.path}`,
    dependsOn: [root.id, ...mounts.map(({ id }) => id), ...layers],
    origin: originOf(document, ["spec", "provision"]),
    protect: false,
    onDelete: "retain",
    tree: root.id,
    root,
    mounts: mounts.filter(({ namespace }) => namespace === "private").map(({ above: _, ...mount }) => mount),
    resolvConf: provision.resolvConf ?? "host",
    steps,
  };
}

/** What the root itself knows of its steps. */
export function provisionedBy({ spec }: Expanded<"Root">): TreeResource["provisioned"] {
  const steps = spec.provision?.steps ?? [];
  if (steps.length === 0) return undefined;
  return { packages: steps.map(workOf).filter((work) => work.type === "packages") };
}

/** Files of a root that are put together from parts: laid as an overlay of their own, with all that an overlay promises. */
export function compileMergedFiles(document: Expanded<"Root">, context: CompileContext): readonly OverlayResource[] {
  const place = rootPlace(document, context);
  const files = document.spec.provision?.files ?? [];
  if (place === undefined || files.length === 0) return [];
  const entries = files.flatMap((file, index) => mergedEntry(file, index, document, context));
  const parents = new Set(entries.flatMap(({ path }) => parentsOf(path)));
  const all = [...entries, ...[...parents].map((path) => ({ ...blank(path, "directory"), explicit: false }))];
  all.sort((left, right) => (left.path < right.path ? -1 : 1));
  const tree = { name: MERGED, order: MERGED_ORDER, entries: all, deletions: [], sourceDate_s: 0 };
  const digested = { ...tree, entries: all.map((entry) => ({ ...entry, content: undefined })) };
  const secret = files.some(({ from }) => from.some((path) => path.startsWith("overlays/secret-sauce/")));
  const name = `${MERGED}@${document.name}`;
  return [
    {
      id: resourceId("overlay", name),
      kind: "overlay",
      name,
      identity: `overlay:${MERGED}@${place.path}`,
      dependsOn: [place.tree],
      origin: originOf(document, ["spec", "provision", "files"]),
      protect: false,
      onDelete: "retain",
      tree: place.tree,
      treePath: place.path,
      volumePath: place.volumePath,
      overlay: { ...tree, digest: context.digest(canonicalJson(digested)), secret },
      driftPolicy: document.spec.drift?.policy ?? context.policy.driftPolicy,
    },
  ];
}

function compileStep(
  spec: ProvisionStepSpec,
  before: string,
  at: { readonly document: Expanded<"Root">; readonly index: number },
  context: CompileContext,
): ProvisionStep {
  const work = workOf(spec);
  const environment = spec.env ?? {};
  const where = spec.on ?? "root";
  const inputs = (spec.inputs ?? []).map((path, input) => {
    const found = context.file(path);
    if (found === undefined) missing(path, ["steps", at.index, "inputs", input], at.document, context);
    return { path, sha256: found?.sha256 ?? "" };
  });
  const secrets = spec.secrets ?? {};
  const decides = { version: STEPS_VERSION, before, where, work, environment, inputs, secrets: Object.keys(secrets) };
  return {
    name: spec.name,
    where,
    work,
    environment,
    secrets,
    timeout_s: parseInterval(spec.timeout) ?? TIMEOUT_S,
    key: context.digest(canonicalJson(decides)),
  };
}

function workOf({ run, packages }: ProvisionStepSpec): ProvisionWork {
  if (packages === undefined)
    return typeof run === "string" ? { type: "script", text: run } : { type: "commands", commands: run ?? [] };
  const { adapter, install = [], remove = [], refresh = true, recommends = false, commands } = packages;
  return { type: "packages", adapter, install, remove, refresh, recommends, commands };
}

function mergedEntry(
  { path, from, mode, owner }: MergedFileSpec,
  index: number,
  document: Expanded<"Root">,
  context: CompileContext,
): readonly OverlayEntry[] {
  const lost = from.filter((part) => context.file(part) === undefined);
  for (const part of lost) missing(part, ["files", index, "from", from.indexOf(part)], document, context);
  const merged = context.merged.get(mergedKey(from));
  if (lost.length > 0) return [];
  if (merged === undefined) {
    const message = `cannot put \`${path}\` together: one of its parts cannot be read`;
    context.report(document, ["spec", "provision", "files", index], message, "write plain files, 1 MiB at most");
    return [];
  }
  const { sha256, size, content } = merged;
  const attributes = { mode: parseMode(mode) ?? 0o644, ...parseOwner(owner) };
  return [{ ...blank(toTreePath(path.slice(1)), "file"), ...attributes, sha256, size, content }];
}

function missing(
  path: string,
  at: readonly (string | number)[],
  document: Expanded<"Root">,
  context: CompileContext,
): void {
  const message = `cannot find the file \`${path}\` in the folder of the documents`;
  context.report(document, ["spec", "provision", ...at], message, "commit it there, or correct the path");
}
