import { posix } from "node:path";
import { RootloomError } from "../core/error.ts";
import { judgeSpace, SPARE_BYTES } from "../core/space.ts";
import type { Files } from "../host/ports.ts";
import { formatSize } from "../pack/notes.ts";

/** Room that a piece of work needs: on the filesystem of a path, which need not be there yet. */
export interface SpaceNeed {
  readonly path: string;
  readonly needed_bytes: number;
  /** Completes "cannot ...": `unpack stage3.tar.xz`. */
  readonly what: string;
}

/** Who holds how much of which filesystem, for the steps of one pass. */
export interface SpaceLedger {
  /**
   * Runs a piece of work when there is room for it, and counts that room as taken while it runs: pieces that do not fit
   * beside each other run one after another.
   * @throws RootloomError, waiting for NoSpace, with the figures, when it would not even fit alone; garbage is collected first.
   */
  readonly hold: <T>(need: SpaceNeed, run: () => Promise<T>) => Promise<T>;
}

/** What `withSpace` needs of a context; without a ledger the work is alone. */
interface SpaceContext {
  readonly host: { readonly files: Files };
  readonly space?: SpaceLedger | undefined;
}

/** Reserves room for a piece of work, and runs it. */
export function withSpace<T>(context: SpaceContext, need: SpaceNeed, run: () => Promise<T>): Promise<T> {
  return (context.space ?? createSpaceLedger(context.host.files)).hold(need, run);
}

/** @param makeRoom collects garbage; asked once for the whole pass, by the first who does not fit. */
export function createSpaceLedger(files: Files, makeRoom?: () => Promise<void>): SpaceLedger {
  const held = new Map<object, { readonly filesystem: string; readonly needed_bytes: number }>();
  let released: (() => void)[] = [];
  let collecting: Promise<void> | undefined;

  const heldOf = (filesystem: string): number => {
    const claims = [...held.values()].filter((claim) => claim.filesystem === filesystem);
    return claims.reduce((sum, claim) => sum + claim.needed_bytes, 0);
  };
  const take = async (need: SpaceNeed, claim: object): Promise<void> => {
    const place = nearestExisting(need.path, files);
    const filesystem = files.filesystemIdentity(place);
    const { needed_bytes } = need;
    let hasCollected = makeRoom === undefined;
    for (;;) {
      const free_bytes = files.freeSpace_bytes(place);
      const verdict = judgeSpace({ free_bytes, held_bytes: heldOf(filesystem), needed_bytes });
      if (verdict === "fits") break;
      if (verdict === "wait") await new Promise<void>((resolve) => released.push(resolve));
      else if (hasCollected) throw noSpace(need, place, free_bytes);
      else {
        hasCollected = true;
        collecting ??= makeRoom?.();
        await collecting;
      }
    }
    held.set(claim, { filesystem, needed_bytes });
  };
  const release = (claim: object): void => {
    held.delete(claim);
    const waiting = released;
    released = [];
    for (const wake of waiting) wake();
  };
  return {
    hold: async (need, run) => {
      const claim = {};
      await take(need, claim);
      try {
        return await run();
      } finally {
        release(claim);
      }
    },
  };
}

function nearestExisting(path: string, files: Files): string {
  if (path === "/" || files.stat(path) !== undefined) return path;
  return nearestExisting(posix.dirname(path), files);
}

function noSpace({ what, needed_bytes }: SpaceNeed, place: string, free_bytes: number): RootloomError {
  const [needed, free] = [formatSize(needed_bytes + SPARE_BYTES), formatSize(free_bytes)];
  return new RootloomError(`cannot ${what}: ${place} has ${free} free, about ${needed} are needed`, {
    hint: "make room, or give the volume more; `rootloom gc --kept-roots` shows what old roots would free",
    retry: "waiting",
    condition: "NoSpace",
  });
}
