import { RootloomError } from "../core/error.ts";
import type { TreeResource } from "../core/resource.ts";
import { takeLease } from "../resources/lease.ts";
import { unmountAll } from "../resources/mount/unmount.ts";
import { check, requireOurs } from "../resources/tree/apply.ts";
import { requireOnlyOwnMounts } from "../resources/tree/inside.ts";
import { listSnapshots, type RootSnapshot } from "../resources/tree/snapshots/list.ts";
import { requireSwappable, rollBack } from "../resources/tree/snapshots/rollback.ts";
import { takeSnapshot } from "../resources/tree/snapshots/take.ts";
import type { ApplyContext, Outcome } from "../resources/types.ts";
import { openState } from "../state/state.ts";
import type { State } from "../state/types.ts";
import type { CommandArguments, CommandContext, CommandResult } from "./command-types.ts";
import { now } from "./journal.ts";
import { rollBackImage } from "./rollback-image.ts";
import type { Session } from "./types.ts";
import { findDeclared, workOn } from "./work.ts";

/** `rootloom snapshot ROOT`. */
export async function snapshotCommand(
  session: Session,
  given: CommandArguments["snapshot"],
  context: CommandContext,
): Promise<CommandResult> {
  const { tree, revision } = await findRoot(session, given.names[0] ?? "");
  const lines: string[] = [];
  await workOn(session, { id: tree.id, operation: "tree.snapshot", revision }, context, async (apply) => {
    check(tree, apply);
    requireOurs(tree, apply, "take a snapshot of");
    const { name, means } = await takeSnapshot(
      tree,
      { reason: "person", note: given.why, who: given.who, alone: false },
      apply,
    );
    lines.push(`${tree.id} has a snapshot: ${name} (${means})`);
    return { record: apply.owned(tree.id), result: `snapshot ${name}` };
  });
  return { exitCode: 0, lines };
}

/**
 * `rootloom rollback ROOT [SNAPSHOT]` and `rootloom rollback IMAGE [GENERATION]`: the kind of what is named decides.
 */
export async function rollbackCommand(
  session: Session,
  given: CommandArguments["rollback"],
  context: CommandContext,
): Promise<CommandResult> {
  const found = await findDeclared(session, given.names[0] ?? "", ["tree", "artifact"]);
  const { resource, revision } = found;
  if (resource.kind === "artifact") return rollBackImage(session, { ...found, resource }, given, context);
  if (resource.kind === "tree") return rollBackRoot(session, { tree: resource, revision }, given, context);
  throw new RootloomError(`cannot roll back ${resource.id}: it is neither a root nor an image`);
}

/**
 * The present is snapshotted, what is mounted in the root is unmounted, the two are
 * swapped, and the root is suspended: the next pass would bring back what was rolled back. That pass mounts again.
 */
async function rollBackRoot(
  session: Session,
  { tree, revision }: { readonly tree: TreeResource; readonly revision: string },
  given: CommandArguments["rollback"],
  context: CommandContext,
): Promise<CommandResult> {
  requireSwappable(tree);
  const target = chooseSnapshot(tree, given.snapshot, await snapshotsOf(session, tree));
  if (!given.yes) {
    const again = `rootloom rollback ${tree.name} ${target.name} --yes`;
    const said = `${tree.id} would be rolled back to ${target.name}; the present root is snapshotted first, and kept`;
    return { exitCode: 1, lines: [said, `this replaces a populated root and waits for approval: ${again}`] };
  }
  const lease = await takeLease(session.host, session.configuration.state, tree.name, "alone");
  if ("holders" in lease)
    throw new RootloomError(`cannot roll back ${tree.id}: ${lease.holders} is in it or packs it`, {
      hint: "wait until that one ends",
      retry: "waiting",
      condition: "RootInUse",
    });
  const lines: string[] = [];
  try {
    await workOn(session, { id: tree.id, operation: "tree.rollback", revision }, context, async (apply, state) => {
      check(tree, apply);
      const done = await rollBackNow({ session, tree, target, given }, apply, state);
      lines.push(...done.lines);
      return done.outcome;
    });
  } finally {
    lease.release();
  }
  return { exitCode: 0, lines, wake: "pass" };
}

/** Snapshots of a root as a person names it, oldest first. Writes nothing. */
export async function listOf(
  session: Session,
  name: string,
): Promise<{ readonly tree: TreeResource; readonly snapshots: readonly RootSnapshot[] }> {
  const { tree } = await findRoot(session, name);
  return { tree, snapshots: await snapshotsOf(session, tree) };
}

interface Rollback {
  readonly session: Session;
  readonly tree: TreeResource;
  readonly target: RootSnapshot;
  readonly given: CommandArguments["rollback"];
}

async function rollBackNow(
  { session, tree, target, given }: Rollback,
  apply: ApplyContext,
  state: State,
): Promise<{ readonly outcome: Outcome; readonly lines: readonly string[] }> {
  requireOurs(tree, apply, "roll back");
  const own = requireOnlyOwnMounts(tree, apply, "roll back");
  const { who } = given;
  const present = await takeSnapshot(
    tree,
    { reason: "rollback", note: `before ${target.name}`, who, alone: true },
    apply,
  );
  await unmountAll({ host: session.host, signal: apply.signal }, own);
  // Said before it is done: a pass after a kill must not undo half of it. It is true of the root that a kill leaves, whichever it is.
  const was = state.decisions().find(({ id, type }) => id === tree.id && type === "suspend");
  const why = `a rollback to ${target.name}${given.why === "" ? "" : `: ${given.why}`}`;
  state.decide({ id: tree.id, type: "suspend", digest: "", until: "", who, why, at: now(session.host) });
  const outcome = await rollBack(tree, target, apply).catch((thrown) => {
    if (was === undefined) state.withdraw(tree.id, "suspend");
    else state.decide(was);
    throw thrown;
  });
  const lines = [
    `${tree.id} was rolled back to ${target.name}; the present was kept as ${present.name}`,
    ...(outcome.notes ?? []),
    `${tree.id} is suspended: rootloom resume ${tree.id}`,
  ];
  return { outcome, lines };
}

/** The one whose name begins so, or the newest. */
function chooseSnapshot(tree: TreeResource, wanted: string, found: readonly RootSnapshot[]): RootSnapshot {
  const refuse = (why: string, hint: string) =>
    new RootloomError(`cannot roll back ${tree.id}: ${why}`, { hint: `${hint}: rootloom snapshots ${tree.name}` });
  const newest = found.at(-1);
  if (newest === undefined) throw refuse("it has no snapshots", "take one with `rootloom snapshot`, and see them");
  if (wanted === "") return newest;
  const fitting = found.filter(({ name }) => name.startsWith(wanted));
  const [first, second] = fitting;
  const chosen = found.find(({ name }) => name === wanted) ?? (second === undefined ? first : undefined);
  if (chosen !== undefined) return chosen;
  throw refuse(fitting.length === 0 ? `it has no snapshot ${wanted}` : `${wanted} fits several`, "see which there are");
}

async function findRoot(
  session: Session,
  name: string,
): Promise<{ readonly tree: TreeResource; readonly revision: string }> {
  const { resource, revision } = await findDeclared(session, name, ["tree"]);
  if (resource.kind === "tree") return { tree: resource, revision };
  throw new RootloomError(`cannot find ${name}: it is no root`);
}

async function snapshotsOf({ host, configuration }: Session, tree: TreeResource): Promise<readonly RootSnapshot[]> {
  const state = openState(host, configuration.state, "read");
  try {
    const { state: directory, cache, limits } = configuration;
    const places = { instance: state.instance, state: directory, cache, limits };
    return await listSnapshots(tree, { ...places, host, signal: undefined, owned: (id) => state.record(id) });
  } finally {
    state.close();
  }
}
