import { RootloomError } from "../core/error.ts";
import type { OwnedRecord, Resource, ResourceId } from "../core/resource.ts";
import type { Session } from "../pass/types.ts";
import type { ImageReport } from "../report/image-report.ts";
import type { Report, ReportStep } from "../report/report.ts";
import type { GenerationReport } from "../resources/artifact/generations.ts";
import type { KernelReport } from "../resources/kernel/generations.ts";
import type { Condition, Decision } from "../state/types.ts";
import { type CommandDefinition, flagOf, nameOf } from "./command.ts";
import { type Look, look } from "./look.ts";

export const explain: CommandDefinition = {
  name: "explain",
  summary:
    "tell all about one resource: where it is declared, from which inputs it was made, what would change and why",
  argument: ["<name>", "kind/name, or the name alone where it is unique"],
  options: [["--json", "one JSON document"]],
  examples: [["rootloom explain artifact/debian", "why would it be packed again?"]],
  run: async (context, given) => {
    const looked = await look(context, []);
    const { toText } = await import("../report/text.ts");
    if (looked.report.documentProblems.length > 0) {
      context.output.error(toText(looked.report, context.output));
      return 1;
    }
    const explanation = await gather(looked, nameOf(given));
    if (flagOf(given, "json")) context.output.document(explanation);
    else context.output.write(await explanationText(explanation, context.output));
    return 0;
  },
};

/** Everything known of one resource. Plain data: it is what `explain --json` prints. */
interface Explanation {
  readonly id: ResourceId;
  readonly origin: ReportStep["origin"];
  readonly step: ReportStep | null;
  readonly lastApply: OwnedRecord | null;
  readonly dependsOn: readonly ResourceId[];
  readonly dependents: readonly ResourceId[];
  readonly conditions: readonly Condition[];
  readonly decisions: readonly Decision[];
  /** What stands in the directory of an image or a kernel, newest first. */
  readonly generations: readonly (GenerationReport | KernelReport)[];
  /** Of an image: what is left out beside its excludes, by what it strips. */
  readonly strip: Readonly<Record<string, readonly string[]>>;
  /** Which of them passed their check, and which failed it; those that had none are left out. */
  readonly checks: Readonly<Record<string, "passed" | "failed">>;
  /** Of an image: what it is made of, and which inputs had it packed again. */
  readonly image: ImageReport | null;
}

async function gather(looked: Look, name: string): Promise<Explanation> {
  const { session, result, report } = looked;
  const { openState } = await import("../state/state.ts");
  const { resolveName } = await import("../pass/names.ts");
  const state = openState(session.host, session.configuration.state, "read");
  try {
    const known = new Set([...result.graph.resources, ...state.records()].map((each) => each.id));
    const id = resolveName(name, [...known]);
    const resource = result.graph.resources.find((each) => each.id === id);
    const lastApply = state.record(id) ?? null;
    if (resource === undefined && lastApply === null) throw new RootloomError(`cannot explain ${id}: it is not there`);
    const path = placeOf(resource, lastApply);
    const generations = await generationsOf(session, { id, path }, state.instance);
    return {
      id,
      origin: resource?.origin ?? null,
      step: stepOf(report, id),
      lastApply,
      dependsOn: resource?.dependsOn ?? lastApply?.dependsOn ?? [],
      dependents: result.graph.resources.filter((each) => each.dependsOn.includes(id)).map((each) => each.id),
      conditions: state.conditions().filter((each) => each.object === id),
      decisions: state.decisions().filter((each) => each.id === id),
      generations,
      strip: resource?.kind === "artifact" ? (resource.strip ?? {}) : {},
      checks: await checksOf(session, path, generations),
      image: await imageOf(session, id, generations.length),
    };
  } finally {
    state.close();
  }
}

/** Damage is told by the step; here it only means that nothing is known. */
async function imageOf(session: Session, id: ResourceId, count: number): Promise<ImageReport | null> {
  if (count === 0 || !id.startsWith("artifact/")) return null;
  const { readImageReport } = await import("./image-report.ts");
  return readImageReport(session, id).catch(() => null);
}

/** Where the generations of an image or a kernel stand, whether one was ever current or not. */
function placeOf(resource: Resource | undefined, lastApply: OwnedRecord | null): string {
  const declared = resource?.kind === "artifact" || resource?.kind === "kernel" ? resource.path : undefined;
  return declared ?? String(lastApply?.details.path ?? "");
}

/** The directories themselves are the truth about generations; the store keeps none. */
async function generationsOf(
  { host }: Session,
  { id, path }: { readonly id: ResourceId; readonly path: string },
  instance: string,
): Promise<Explanation["generations"]> {
  if (id.startsWith("artifact/")) {
    const { listGenerations } = await import("../resources/artifact/generations.ts");
    return listGenerations(host.files, path, instance);
  }
  if (!id.startsWith("kernel/")) return [];
  const { listKernels } = await import("../resources/kernel/generations.ts");
  return listKernels(host.files, path, instance);
}

async function checksOf(
  { host }: Session,
  path: string,
  generations: Explanation["generations"],
): Promise<Explanation["checks"]> {
  const { readVerdict } = await import("../resources/artifact/verdict.ts");
  const checked = generations.flatMap(({ generation }) => {
    const verdict = readVerdict(host.files, `${path}/${generation}`);
    return verdict === undefined ? [] : [[generation, verdict.healthy ? "passed" : "failed"] as const];
  });
  return Object.fromEntries(checked);
}

function stepOf(report: Report, id: ResourceId): ReportStep | null {
  return report.steps.find((step) => step.id === id) ?? null;
}

async function explanationText(explanation: Explanation, options: { color: boolean; width: number }): Promise<string> {
  const { painter, sizeText, table } = await import("../report/paint.ts");
  const { stepLines } = await import("../report/text.ts");
  const paint = painter(options.color);
  const { step, origin, lastApply } = explanation;
  const place = origin === null ? "nowhere any more" : `${origin.document} in ${origin.file}:${origin.line}`;
  const rows: [string, string][] = [["declared", place]];
  if (explanation.dependsOn.length > 0) rows.push(["depends on", explanation.dependsOn.join(", ")]);
  if (explanation.dependents.length > 0) rows.push(["needed by", explanation.dependents.join(", ")]);
  if (lastApply === null) rows.push(["last apply", "never"]);
  else {
    rows.push([
      "last apply",
      `${lastApply.appliedAt}, commit ${lastApply.revision.slice(0, 12)}, run ${lastApply.runId}`,
    ]);
    for (const [input, digest] of Object.entries(lastApply.inputs)) rows.push([`  ${input}`, digest]);
  }
  for (const each of explanation.generations) {
    const { generation, createdAt, size_bytes } = each;
    const release = "release" in each ? `, Linux ${each.release}` : "";
    const current = generation === lastApply?.details.generation ? " (current)" : "";
    const check = explanation.checks[generation];
    const checked = check === undefined ? "" : `, ${check} its boot check`;
    rows.push(["generation", `${generation} of ${createdAt}, ${sizeText(size_bytes)}${release}${checked}${current}`]);
  }
  for (const [what, excludes] of Object.entries(explanation.strip)) rows.push([`strip ${what}`, excludes.join(", ")]);
  for (const { input, what } of explanation.image?.since?.causes ?? []) rows.push(["packed for", `${input}: ${what}`]);
  for (const { type, status, message } of explanation.conditions)
    rows.push(["condition", `${type}=${status} ${message}`]);
  for (const { type, who, why, until, at } of explanation.decisions) {
    rows.push([
      "decision",
      `${type} by ${who} at ${at}${until === "" ? "" : ` until ${until}`}${why === "" ? "" : `: ${why}`}`,
    ]);
  }
  const quiet = step === null || (step.operation === "keep" && step.blocked === null);
  const change = quiet ? ["  = nothing would change"] : stepLines(step, options, paint);
  return `${[paint("bold", explanation.id), ...table(rows, { ...options, indent: 2 }), ...change].join("\n")}\n`;
}
