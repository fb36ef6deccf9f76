import type { Session } from "../pass/types.ts";
import { discoverSource } from "../source/locate.ts";
import { watchPaths } from "../source/watch-paths.ts";
import type { Log } from "./log.ts";
import type { Wakes } from "./wakes.ts";

/** Editors write in bursts: a pass over the worktree's edits waits until they are over. */
const WORKTREE_DELAY_MS = 300;
/** A ref is renamed into place at once; the delay only joins several refs of one push, or HEAD with its ref. */
const COMMIT_DELAY_MS = 5;
/** What git writes before it renames: nothing has changed yet, and a pass that began now would see nothing. */
const GIT_LOCK = /\.lock$/;

/** Wakes the loop on hints that `desired/` or the refs changed. The timer finds what the hints miss. */
export async function watchSource(session: Session, wakes: Wakes, log: Log): Promise<{ close(): Promise<void> }> {
  const { host, configuration } = session;
  const { source } = configuration;
  const discovered = await discoverSource(host, source).catch(() => undefined);
  const paths = watchPaths(source, discovered);
  return host.events.watch(paths, (hint) => {
    if (hint.degraded !== undefined) {
      log.warn({ path: hint.path }, `cannot watch reliably: ${hint.degraded}; the timer still looks`);
      return;
    }
    const inRepository = discovered !== undefined && hint.path.startsWith(discovered.gitDirectory);
    if (inRepository && GIT_LOCK.test(hint.path)) return;
    if (inRepository) wakes.wake("commit", COMMIT_DELAY_MS);
    else wakes.wake("worktree", WORKTREE_DELAY_MS);
  });
}
