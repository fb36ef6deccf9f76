import { asRootloomError, RootloomError } from "../core/error.ts";
import type { DesiredGraph } from "../core/resource.ts";
import { hashCachePath } from "../pack/hash-cache.ts";
import { plainTarballPath } from "../pack/plain-tarball.ts";
import { sizeText } from "../report/paint.ts";
import { CURRENT, type GenerationReport, listGenerations } from "../resources/artifact/generations.ts";
import { collectKernels } from "../resources/kernel/collect.ts";
import { type KernelReport, listKernels } from "../resources/kernel/generations.ts";
import { packageKey } from "../resources/kernel/package.ts";
import { whoseIs } from "../resources/marked.ts";
import { outdatedOf, removeGenerations, retentionOf } from "../resources/retention.ts";
import { keptPaths } from "../resources/tree/kept.ts";
import { keptKey } from "../resources/tree/source.ts";
import type { State } from "../state/types.ts";
import type { CommandArguments } from "./command-types.ts";
import { loadDesired } from "./desired.ts";
import { listKept, removeKept, showKept } from "./kept.ts";
import type { Session } from "./types.ts";

/** What the automatic collection keeps, and `gc` where it is not told: days since the last use, and bytes of each cache. */
export const COLLECT_AGE_DAYS = 30;
export const COLLECT_LIMIT_BYTES = 16 * 1024 ** 3;
const DAY_S = 86_400;
const COLLECTED_AT = "caches collected at";

/**
 * Removes what the caches have not used for long, and generations beyond those that are declared; lists kept roots and
 * what was set aside, and removes those only on demand. A dry run says the same and removes nothing.
 * @throws RootloomError where the desired state is invalid: what is in use is not known then.
 */
export async function collect(
  session: Session,
  state: State,
  given: CommandArguments["gc"],
): Promise<{ readonly exitCode: number; readonly lines: readonly string[] }> {
  const { graph, problems } = await loadDesired(session);
  if (problems.length > 0) {
    throw new RootloomError("cannot tell what is in use: the desired state has problems", {
      hint: "rootloom validate",
    });
  }
  const caches = [
    ...(await collectCaches(session, graph, given)),
    ...(await collectKernels(session.host, session.configuration.cache, graph, given.dryRun)),
  ];
  const lines = [...caches, ...(await collectGenerations(session, state, graph, given))];
  const kept = await listKept(session, state);
  const going = given.keptRoots ? kept.filter((each) => each.removable) : [];
  const isAgreed = given.yes && !given.dryRun;
  if (isAgreed) await removeKept(session, going);
  lines.push(...kept.map((each) => showKept(each, going.includes(each), isAgreed)));
  if (going.length === 0 || isAgreed || given.dryRun) return { exitCode: 0, lines };
  const size_bytes = going.reduce((sum, each) => sum + each.size_bytes, 0);
  const question = `these ${going.length} hold ${sizeText(size_bytes)} that nothing can make again; remove them: rootloom gc --kept-roots --yes`;
  return { exitCode: 1, lines: [...lines, question] };
}

/** The same for the caches alone, once a day, behind a pass that changed something. Returns what went wrong, for people. */
export async function collectAfterwards(
  session: Session,
  state: State,
  graph: DesiredGraph,
): Promise<readonly string[]> {
  const now_s = Math.floor(session.host.clock.now_ms() / 1000);
  if (Number(state.fact(COLLECTED_AT) ?? 0) + DAY_S > now_s) return [];
  state.setFact(COLLECTED_AT, String(now_s));
  try {
    const largest = Math.max(0, ...state.records().map((record) => Number(record.details.size_bytes ?? 0)));
    const limit_bytes = Math.max(COLLECT_LIMIT_BYTES, 4 * largest);
    await collectKernels(session.host, session.configuration.cache, graph, false);
    await collectCaches(session, graph, { age_days: COLLECT_AGE_DAYS, limit_bytes, dryRun: false });
    return [];
  } catch (thrown) {
    return [`the caches could not be cleaned: ${asRootloomError(thrown).message}`];
  }
}

const HOUR_DAYS = 1 / 24;

/**
 * Where a step finds no room: all that the caches did not use in this pass, and generations beyond those that are declared.
 * What goes wrong is no matter: the step says that there is no room.
 */
export async function collectForRoom(session: Session, state: State, graph: DesiredGraph): Promise<void> {
  const given = { age_days: HOUR_DAYS, limit_bytes: Number.MAX_SAFE_INTEGER, dryRun: false };
  try {
    await collectCaches(session, graph, given);
    await collectGenerations(session, state, graph, given);
  } catch (thrown) {
    asRootloomError(thrown);
  }
}

async function collectCaches(
  session: Session,
  graph: DesiredGraph,
  given: Pick<CommandArguments["gc"], "age_days" | "limit_bytes" | "dryRun">,
): Promise<readonly string[]> {
  const { cache } = session.configuration;
  const { age_days, limit_bytes, dryRun } = given;
  const keep = inUse(session, graph);
  const input = { cache, age_s: age_days * DAY_S, limit_bytes, keep, dryRun };
  const collected = await session.host.jobs.run("collect", input);
  return collected
    .filter(({ files }) => files > 0)
    .map(({ name, files, size_bytes, removedFiles, removed_bytes }) => {
      const going = removedFiles === 0 ? "nothing" : `${removedFiles} of them, ${sizeText(removed_bytes)},`;
      const verb = dryRun ? "would be removed" : "removed";
      return `cache ${name}: ${files} files, ${sizeText(size_bytes)}; ${going} ${verb}`;
    });
}

/** Tarballs that declared roots and images come from, and the hashes of the filesystems that the roots are on. */
function inUse({ host, configuration }: Session, graph: DesiredGraph): readonly string[] {
  const { cache } = configuration;
  const keep = [hashCachePath(cache, "files")];
  for (const resource of graph.resources) {
    if (resource.kind === "tree") {
      const { path, facts } = keptPaths(keptKey(resource.source), cache);
      keep.push(path, facts);
      if (host.files.stat(resource.path) !== undefined)
        keep.push(hashCachePath(cache, host.files.filesystemIdentity(resource.path)));
    }
    if (resource.kind === "kernel" && resource.source.type !== "directory") {
      const { source } = resource;
      const { path, facts } = keptPaths(source.type === "package" ? packageKey(source) : keptKey(source), cache);
      keep.push(path, facts);
    }
    if (resource.kind === "artifact" && resource.base.type === "tarball") {
      const { sha256 } = resource.base;
      keep.push(plainTarballPath(cache, sha256), hashCachePath(cache, `tarball ${sha256}`));
    }
  }
  return keep;
}

/** As many stay as are declared; a smaller number takes effect here. The current one always stays. */
async function collectGenerations(
  { host }: Session,
  state: State,
  graph: DesiredGraph,
  { dryRun }: Pick<CommandArguments["gc"], "dryRun">,
): Promise<readonly string[]> {
  const { files, clock } = host;
  const { instance } = state;
  const lines: string[] = [];
  for (const resource of graph.resources) {
    if (resource.kind !== "artifact" && resource.kind !== "kernel") continue;
    const { id, path } = resource;
    if (whoseIs(path, { host, instance }).state !== "ours") continue;
    const present = { current: files.readLink(`${path}/${CURRENT}`) ?? "", now_ms: clock.now_ms() };
    const all: readonly (GenerationReport | KernelReport)[] =
      resource.kind === "artifact" ? listGenerations(files, path, instance) : listKernels(files, path, instance);
    const going = outdatedOf(files, path, all, retentionOf(resource), present);
    if (!dryRun) await removeGenerations(host, path, going);
    const verb = dryRun ? "would be removed" : "removed";
    for (const { generation, createdAt, size_bytes } of going)
      lines.push(`${id}: generation ${generation} of ${createdAt}, ${sizeText(size_bytes)}, ${verb}`);
  }
  return lines;
}
