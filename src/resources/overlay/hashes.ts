import { createHash } from "node:crypto";
import type { TreePath } from "../../core/entry.ts";
import type { FileStat, TreeHandle } from "../../host/ports.ts";
import type { ObserveContext } from "../types.ts";

/** A file whose ctime is this close to its hashing may change again within the same tick: it is not remembered. */
const YOUNG_MS = 2000;

export interface Hashes {
  readonly sha256: (path: TreePath, stat: FileStat) => string;
  /** Writes the cache when something new was learnt. */
  readonly save: () => void;
}

/** Content hashes of laid files, cached by stamp in `CACHE/laid/`, so that a pass without a change reads no content. */
export function createHashes(context: ObserveContext, tree: TreeHandle, resource: string): Hashes {
  const { files, clock } = context.host;
  const name = createHash("sha256").update(`${context.instance}\0${resource}`).digest("hex").slice(0, 32);
  const path = `${context.cache}/laid/${name}.json`;
  const known = readCache(files.readText(path));
  const fresh = new Map<string, string>();
  let learnt = false;
  const sha256 = (at: TreePath, stat: FileStat): string => {
    const key = `${stat.device} ${stat.stamp}`;
    const cached = known.get(key);
    if (cached !== undefined) {
      fresh.set(key, cached);
      return cached;
    }
    const digest = tree.sha256(at);
    if (clock.now_ms() - stat.changed_ms > YOUNG_MS) {
      fresh.set(key, digest);
      learnt = true;
    }
    return digest;
  };
  const save = (): void => {
    if (!learnt) return;
    files.makeDirectories(`${context.cache}/laid`, 0o700);
    const owner = files.stat(`${context.cache}/laid`);
    const attributes = { owner: owner?.owner ?? 0, group: owner?.group ?? 0, mode: 0o600 };
    files.writeFile(path, JSON.stringify([...fresh]), attributes);
  };
  return { sha256, save };
}

/** A damaged cache is an empty one. */
function readCache(text: string | undefined): ReadonlyMap<string, string> {
  try {
    const rows: unknown = JSON.parse(text ?? "[]");
    if (!Array.isArray(rows)) return new Map();
    return new Map(rows.filter((row): row is [string, string] => Array.isArray(row) && row.length === 2));
  } catch {
    return new Map();
  }
}
