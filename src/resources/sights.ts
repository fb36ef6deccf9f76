import type { Resource } from "../core/resource.ts";
import type { Files, Host, Jobs } from "../host/ports.ts";
import { openBeside } from "../pack/beside.ts";
import type { Seen } from "../pack/remembered.ts";
import { joinShares } from "../pack/shares.ts";
import { imageExcludes } from "./artifact/inputs.ts";
import type { Places } from "./types.ts";

/** What was seen of a tree, and when its walk began, in real time. */
export interface Sight extends Seen {
  readonly begun_ms: number;
}

/** What one pass sees of trees: each is walked once, for all who ask what it holds. */
export interface Sights {
  /**
   * The sight of a tree with these parts left out. Undefined where nobody was expected to ask that, or the tree cannot be
   * walked: whoever needs it looks himself, and says why that fails.
   */
  of(treePath: string, excludes: readonly string[]): Promise<Sight | undefined>;
}

export interface BegunSights extends Sights {
  /** Says which resources the pass has: from now on they tell who will look at a tree, and what each leaves out. */
  expect(resources: readonly Resource[]): void;
  /** Something of ours has changed trees since the walks began. */
  forget(): void;
}

/** Lists of excludes by tree: who walks it looks for all of them. */
type Views = Readonly<Record<string, readonly (readonly string[])[]>>;

interface Walk {
  readonly number: number;
  readonly views: readonly (readonly string[])[];
  readonly begun_ms: number;
  /** One a view; undefined where the tree changed while it was walked. */
  readonly seen: Promise<readonly (Seen | undefined)[]>;
}

/** What was seen of a tree at rest, and what its filesystem said of it then. */
interface Standing {
  readonly views: Walk["views"];
  readonly generation: string;
  readonly seen: readonly Seen[];
}

/** By tree; undefined of one that was walked before, but not seen at rest, or on a filesystem that says nothing. */
const standing = new WeakMap<Files, Map<string, Standing | undefined>>();

/** No two walks of one process have the same number. */
let lastWalk = 0;
/** More would wait for each other at the same directories. */
const WALKERS_MAX = 4;

/**
 * Begins to walk the trees that the last pass has looked at, while the commit is still read; any others when the first asks.
 * Which they were is kept in the cache: a wrong guess costs a walk. A tree that its filesystem says is as it was is not walked.
 */
export function beginSights(
  host: Host,
  places: Pick<Places, "cache" | "state">,
  signal: AbortSignal | undefined,
): BegunSights {
  const walks = new Map<string, Walk>();
  const { cache } = places;
  const guessed = readGuess(host, cache);
  let expected: Views = {};
  const walk = (path: string, views: readonly (readonly string[])[]): Walk => {
    const begun_ms = host.clock.now_ms();
    const seen = lookUnlessStanding(host, { path, views }, places, signal);
    seen.catch(() => undefined); // heard by who asks for it, if anybody does
    const begun = { number: ++lastWalk, views, begun_ms, seen };
    walks.set(path, begun);
    return begun;
  };
  for (const [path, views] of Object.entries(guessed)) walk(path, views);
  return {
    expect(resources) {
      expected = viewsOf(resources);
      if (!isSame(expected, guessed)) writeGuess(host, cache, expected);
    },
    forget: () => walks.clear(),
    async of(treePath, excludes) {
      const find = (views: Walk["views"] = []) => views.findIndex((view) => isSame(view, excludes));
      const begun = walks.get(treePath);
      const views = expected[treePath] ?? [];
      if (find(views) < 0) return undefined;
      const used = begun !== undefined && find(begun.views) >= 0 ? begun : walk(treePath, views);
      try {
        const seen = (await used.seen)[find(used.views)];
        return seen && { ...seen, begun_ms: used.begun_ms, walk: used.number };
      } catch {
        signal?.throwIfAborted();
        return undefined;
      }
    },
  };
}

/** As `lookOver`, but where the filesystem says that the tree is as a pass before has seen it. */
async function lookUnlessStanding(
  { files, jobs }: Host,
  what: { readonly path: string; readonly views: Walk["views"] },
  { cache, state }: Pick<Places, "cache" | "state">,
  signal: AbortSignal | undefined,
): Walk["seen"] {
  const { path, views } = what;
  const known = standing.get(files) ?? new Map<string, Standing | undefined>();
  standing.set(files, known);
  // Who walks a tree once only has nothing to compare with.
  const canTell = known.has(path) && !isOn(files, path, [cache, state]);
  const ask = () => jobs.run("generation", { path }, { signal });
  const generation = canTell ? await ask() : undefined;
  const before = known.get(path);
  if (before !== undefined && before.generation === generation && isSame(before.views, views)) return before.seen;
  if (before === undefined) known.set(path, undefined);
  const seen = await lookOver(jobs, what, signal, Math.min(jobs.width, WALKERS_MAX));
  const settled = seen.flatMap((each) => (each?.settled === true ? [each] : []));
  if (generation === undefined || settled.length < seen.length) return seen;
  // It has no answer while something is mounted in the tree, which a walk sees: it is asked once more.
  if ((await ask()) === generation) known.set(path, { views, generation, seen: settled });
  return seen;
}

/** Whether a tree is on one filesystem, or subvolume, with what each pass writes: there it always has another number. */
function isOn(files: Files, path: string, ours: readonly string[]): boolean {
  const device = files.stat(path)?.device;
  return ours.some((each) => files.stat(each)?.device === device);
}

/** Walks a tree once, in so many threads: one sight a view, undefined where the tree changed meanwhile. */
export async function lookOver(
  jobs: Jobs,
  what: { readonly path: string; readonly views: Walk["views"] },
  signal: AbortSignal | undefined,
  walkers = 1,
): Promise<readonly (Seen | undefined)[]> {
  const turn = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  const walks = Array.from({ length: walkers }, () => jobs.run("look", { ...what, turn }, { signal }));
  const shares = await Promise.all(walks);
  return what.views.map((_, view) => joinShares(shares.flatMap((share) => share[view] ?? [])));
}

function viewsOf(resources: readonly Resource[]): Views {
  const views: Record<string, (readonly string[])[]> = {};
  const add = (path: string, excludes: readonly string[]): void => {
    views[path] ??= [];
    if (!views[path].some((view) => isSame(view, excludes))) views[path].push(excludes);
  };
  for (const resource of resources) {
    if (resource.kind === "tree" && resource.content === "managed") add(resource.path, []);
    if (resource.kind === "artifact" && resource.base.type === "tree") add(resource.base.path, imageExcludes(resource));
  }
  return views;
}

function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

function guessPath(cache: string): string {
  return `${cache}/answers/last-looks`;
}

function readGuess({ files }: Host, cache: string): Views {
  try {
    const found: unknown = JSON.parse(files.readText(guessPath(cache)) ?? "{}");
    return isViews(found) ? found : {};
  } catch {
    return {};
  }
}

function isViews(value: unknown): value is Views {
  const isTexts = (each: unknown) => Array.isArray(each) && each.every((text) => typeof text === "string");
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return Object.entries(value).every(
    ([path, views]) => path.startsWith("/") && Array.isArray(views) && views.every(isTexts),
  );
}

function writeGuess({ files }: Host, cache: string, views: Views): void {
  try {
    files.makeDirectories(`${cache}/answers`, 0o700);
    const output = openBeside(files, guessPath(cache), 0o600);
    output.writer.write(Buffer.from(JSON.stringify(views)));
    output.commitUnsynced();
  } catch {
    // The next pass guesses worse: nothing else is lost. What is left half written is swept with the cache.
  }
}
