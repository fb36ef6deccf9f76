import { declarationDigest } from "../core/declared.ts";
import { RootloomError } from "../core/error.ts";
import type { ArtifactResource } from "../core/resource.ts";
import { switchToGeneration } from "../resources/artifact/apply.ts";
import { CURRENT, type GenerationReport, listGenerations } from "../resources/artifact/generations.ts";
import { readVerdict } from "../resources/artifact/verdict.ts";
import type { ApplyContext } from "../resources/types.ts";
import type { State } from "../state/types.ts";
import type { CommandArguments, CommandContext, CommandResult } from "./command-types.ts";
import { sha256 } from "./desired.ts";
import { now } from "./journal.ts";
import type { Session } from "./types.ts";
import { type Found, workOn } from "./work.ts";

type FoundImage = Found & { readonly resource: ArtifactResource };

/**
 * `current` points at another generation, whole, and the image is suspended until a commit changes it: the next pass
 * would pack again what was left. Nothing is destroyed, so nothing waits for approval.
 */
export async function rollBackImage(
  session: Session,
  { resource, revision, graph }: FoundImage,
  given: CommandArguments["rollback"],
  context: CommandContext,
): Promise<CommandResult> {
  const { id } = resource;
  const lines: string[] = [];
  await workOn(session, { id, operation: "artifact.rollback", revision }, context, async (apply, state) => {
    const { generation, createdAt } = choose(resource, given.snapshot, apply);
    const why = `rolled back to generation ${generation} until a commit changes the image${given.why === "" ? "" : `: ${given.why}`}`;
    const digest = declarationDigest(graph, id, sha256) ?? "";
    const decision = { id, type: "suspend", digest, until: "", who: given.who, why, at: now(session.host) } as const;
    const outcome = await whileSuspended(state, decision, () => switchToGeneration(resource, generation, apply));
    lines.push(`${id} is rolled back to generation ${generation} of ${createdAt}`);
    lines.push(`it stays there until a commit changes the image, or: rootloom resume ${id}`);
    return outcome;
  });
  return { exitCode: 0, lines, wake: "pass" };
}

/** Said before it is done: a pass after a kill must not undo half of it. What fails leaves what was decided before. */
async function whileSuspended<T>(
  state: State,
  decision: Parameters<State["decide"]>[0],
  body: () => Promise<T>,
): Promise<T> {
  const was = state.decisions().find(({ id, type }) => id === decision.id && type === "suspend");
  state.decide(decision);
  try {
    return await body();
  } catch (thrown) {
    if (was === undefined) state.withdraw(decision.id, "suspend");
    else state.decide(was);
    throw thrown;
  }
}

/** The one whose name begins so; without a name, the newest healthy one that is older than the current one. */
function choose({ id, path }: ArtifactResource, wanted: string, { host, instance }: ApplyContext): GenerationReport {
  const { files } = host;
  const hint = `see which there are: rootloom explain ${id}`;
  const found = listGenerations(files, path, instance);
  const hasFailed = ({ generation }: GenerationReport) =>
    readVerdict(files, `${path}/${generation}`)?.healthy === false;
  if (wanted === "") {
    const current = files.readLink(`${path}/${CURRENT}`);
    const position = found.findIndex(({ generation }) => generation === current);
    const older = found.slice(position + 1).find((report) => !hasFailed(report));
    if (older !== undefined) return older;
    throw new RootloomError(`cannot roll back ${id}: it has no older generation that is healthy`, { hint });
  }
  const [first, second] = found.filter(({ generation }) => generation.startsWith(wanted));
  if (first === undefined) throw new RootloomError(`cannot roll back ${id}: it has no generation ${wanted}`, { hint });
  if (second !== undefined) throw new RootloomError(`cannot roll back ${id}: ${wanted} fits several`, { hint });
  if (!hasFailed(first)) return first;
  throw new RootloomError(`cannot roll back ${id}: generation ${first.generation} failed its boot check`, {
    hint: `try it once more: rootloom trigger ${id}`,
  });
}
