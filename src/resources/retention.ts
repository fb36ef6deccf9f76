import { asRootloomError } from "../core/error.ts";
import type { GenerationPolicy } from "../core/resource.ts";
import type { Files, Host } from "../host/ports.ts";
import { mountedGenerations } from "./artifact/mounted.ts";
import { readVerdict } from "./artifact/verdict.ts";
import { requireOurs } from "./marked.ts";
import { removeDirectory } from "./remove.ts";
import type { ApplyContext } from "./types.ts";

/** Which generations of an image or a kernel stay, beside the current one. */
export interface Retention {
  /** How many in all, the current one among them. */
  readonly count: number;
  /** None of those is older; undefined: no matter how old. */
  readonly age_s?: number | undefined;
  /** These stay always, beyond the count. */
  readonly pinned: readonly string[];
  /** Of those that failed their check, how many: without their verdict they would be tried again. */
  readonly failed: number;
}

export function retentionOf({ generations, generationAge_s, pinned = [] }: GenerationPolicy): Retention {
  return { count: generations, age_s: generationAge_s, pinned, failed: 1 };
}

/** What a generation's own report says of it. */
interface Standing {
  readonly generation: string;
  /** ISO 8601, UTC. */
  readonly createdAt: string;
}

/**
 * Of the generations at a path, newest first, those that are not to stay; never the current one, nor one that something is
 * mounted from.
 */
export function outdatedOf<T extends Standing>(
  files: Files,
  path: string,
  all: readonly T[],
  { count, age_s, pinned, failed }: Retention,
  { current, now_ms }: { readonly current: string; readonly now_ms: number },
): readonly T[] {
  const others = all.filter(({ generation }) => generation !== current && !pinned.includes(generation));
  const hasFailed = ({ generation }: T) => readVerdict(files, `${path}/${generation}`)?.healthy === false;
  const isOld = ({ createdAt }: T) => age_s !== undefined && now_ms - Date.parse(createdAt) > age_s * 1000;
  const quarantined = others.filter(hasFailed);
  const healthy = others.filter((report) => !hasFailed(report));
  const kept = Math.max(0, count - 1);
  const outdated = [...healthy.slice(0, kept).filter(isOld), ...healthy.slice(kept), ...quarantined.slice(failed)];
  if (outdated.length === 0) return [];
  const mounted = mountedGenerations(files, path);
  return outdated.filter(({ generation }) => !mounted.has(generation));
}

/** Removes generations at a path. Returns their names. */
export async function removeGenerations(
  host: Pick<Host, "files" | "jobs">,
  path: string,
  going: readonly Standing[],
): Promise<readonly string[]> {
  for (const { generation } of going) await removeDirectory(host, `${path}/${generation}`);
  return going.map(({ generation }) => generation);
}

/** An image or a kernel, and how its generations are listed, newest first. */
export interface Retained extends GenerationPolicy {
  readonly kind: "artifact" | "kernel";
  readonly path: string;
}
type Lister = (files: Files, path: string, instance: string) => readonly Standing[];

/** Removes the generations that are not to stay beside what `current` names. Returns their names. */
export async function retain(
  resource: Retained,
  list: Lister,
  context: ApplyContext,
  retention = retentionOf(resource),
): Promise<readonly string[]> {
  const { host, instance } = context;
  const { files, clock } = host;
  const { kind, path } = resource;
  const going = (): readonly Standing[] => {
    const present = { current: files.readLink(`${path}/current`) ?? "", now_ms: clock.now_ms() };
    return outdatedOf(files, path, list(files, path, instance), retention, present);
  };
  if (going().length === 0) return [];
  return context.effect(`${kind}.remove-old`, { path }, () => {
    requireOurs(path, context);
    return removeGenerations(host, path, going());
  });
}

/** A generation that fails its `check` stays, with its log and its verdict, and of those that failed before none does. */
export async function orRetainFailed<T>(
  resource: Retained,
  generation: string,
  list: Lister,
  context: ApplyContext,
  check: () => Promise<T>,
): Promise<T> {
  try {
    return await check();
  } catch (thrown) {
    const usual = retentionOf(resource);
    const retention = { ...usual, failed: 0, pinned: [...usual.pinned, generation] };
    if (asRootloomError(thrown).condition === "CheckFailed") await retain(resource, list, context, retention);
    throw thrown;
  }
}
