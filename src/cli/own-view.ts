import { asRootloomError } from "../core/error.ts";
import type { Session } from "../pass/types.ts";

/** A session that can plan, and what a person should know of it. */
export interface OwnView {
  readonly session: Session;
  readonly notes: readonly string[];
}

/**
 * The session as it is, or, where its state belongs to another user and cannot be read, one that knows of nothing:
 * a commit can then still be planned, as for a host on which nothing was made yet. Nothing may be applied with it.
 */
export async function ownView(session: Session): Promise<OwnView> {
  const { host, configuration } = session;
  const { openState } = await import("../state/state.ts");
  try {
    openState(host, configuration.state, "read").close();
    return { session, notes: [] };
  } catch (thrown) {
    if (!isDenied(thrown)) throw thrown;
    const { state, cache } = configuration;
    const note = `the state ${state} is another user's and cannot be read: this is the plan for a host on which nothing was made yet`;
    return { session: { host, configuration: { ...configuration, state: `${cache}/no-state` } }, notes: [note] };
  }
}

function isDenied(thrown: unknown): boolean {
  const { cause } = asRootloomError(thrown);
  return cause instanceof Error && "code" in cause && (cause.code === "EACCES" || cause.code === "EPERM");
}
