import { type FSWatcher as DirectoryWatcher, existsSync, watch as watchDirectory } from "node:fs";
import { basename, dirname } from "node:path";
import type { FSWatcher } from "chokidar";

export interface Hint {
  readonly path: string;
  readonly degraded?: string;
}

/** A tree that takes longer is watched as far as it was reached, and goes on being walked. */
const ready_ms = 10_000;

/**
 * Hints that something changed at or below one of the paths. Hints only: events can be lost, so that the
 * caller looks for itself now and then. Each path's nearest existing parent is watched too, because
 * a watch dies silently with a directory that is renamed away or replaced.
 */
export async function watchPaths(
  paths: readonly string[],
  onHint: (hint: Hint) => void,
): Promise<{ close(): Promise<void> }> {
  const { watch } = await import("chokidar");
  const roots = paths.map((path) => new WatchedRoot(path, onHint, startTree));
  function startTree(path: string, onChange: (path: string) => void, onProblem: (why: string) => void): FSWatcher {
    const watcher = watch(path, { ignoreInitial: true, followSymlinks: false, atomic: false });
    watcher.on("all", (_, changed) => onChange(changed));
    watcher.on("error", (thrown) => onProblem(thrown instanceof Error ? thrown.message : String(thrown)));
    return watcher;
  }
  await Promise.all(roots.map((root) => root.start()));
  return {
    close: async () => {
      await Promise.all(roots.map((root) => root.close()));
    },
  };
}

type StartTree = (path: string, onChange: (path: string) => void, onProblem: (why: string) => void) => FSWatcher;

class WatchedRoot {
  readonly #path: string;
  readonly #onHint: (hint: Hint) => void;
  readonly #startTree: StartTree;
  #tree: FSWatcher | undefined;
  #parent: DirectoryWatcher | undefined;
  /** Restarts follow one another: two at once would leave a watcher that nobody closes. */
  #restarts: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(path: string, onHint: (hint: Hint) => void, startTree: StartTree) {
    this.#path = path;
    this.#onHint = onHint;
    this.#startTree = startTree;
  }

  async start(): Promise<void> {
    this.#watchParent();
    await this.#restart();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#parent?.close();
    await this.#restarts;
    await this.#tree?.close();
  }

  #restart(): Promise<void> {
    this.#restarts = this.#restarts.then(() => this.#watchTree()).catch((thrown) => this.#degraded(String(thrown)));
    return this.#restarts;
  }

  async #watchTree(): Promise<void> {
    const before = this.#tree;
    this.#tree = undefined;
    await before?.close();
    if (this.#closed || !existsSync(this.#path)) return;
    const tree = this.#startTree(this.#path, this.#changed, this.#degraded);
    this.#tree = tree;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, ready_ms);
    });
    await Promise.race([new Promise<void>((resolve) => tree.on("ready", () => resolve())), late]);
    clearTimeout(timer);
  }

  /** Watches the nearest directory above that exists, for the next step down to the path to come or go. */
  #watchParent(): void {
    this.#parent?.close();
    this.#parent = undefined;
    if (this.#closed) return;
    let awaited = this.#path;
    while (!existsSync(dirname(awaited))) awaited = dirname(awaited);
    try {
      const parent = watchDirectory(dirname(awaited), { persistent: true }, (event, name) => {
        if (event !== "rename" || name !== basename(awaited)) return;
        this.#watchParent();
        this.#changed(this.#path);
        void this.#restart();
      });
      parent.on("error", (thrown) => this.#degraded(thrown.message));
      this.#parent = parent;
    } catch (thrown) {
      this.#degraded(thrown instanceof Error ? thrown.message : String(thrown));
    }
  }

  readonly #changed = (path: string): void => {
    if (!this.#closed) this.#onHint({ path });
  };

  readonly #degraded = (why: string): void => {
    if (!this.#closed) this.#onHint({ path: this.#path, degraded: why });
  };
}
