import { TEMPORARY_PREFIX } from "../../src/core/temporary.ts";
import type { PassResult } from "../../src/pass/types.ts";
import { openState } from "../../src/state/state.ts";
import { checkImage } from "./image.ts";
import { recordsOf } from "./living.ts";
import { environmentPath, LOOP, OTHERS, rootPath, SHARED, type SiteRoot, STATE, volumePath } from "./site.ts";
import { smallTree } from "./tree.ts";
import type { World } from "./world.ts";

/** Images of volumes are not looked into. */
const LARGE_BYTES = 1024 * 1024;

/** The pass after a success keeps everything and writes nothing. */
export async function checkQuiet(world: World, pass: () => Promise<PassResult | undefined>): Promise<void> {
  const result = await pass();
  const changes = result?.plan.steps.filter(({ action }) => action !== "keep") ?? [];
  if (result?.result !== "converged" || changes.length > 0) {
    const list = changes.map(({ action, id, reason }) => `${action} ${id}: ${reason}`).join("; ");
    world.watch.report("keep", `the pass after a success is ${result?.result}: ${list}`);
  }
  const written = world.host.calls.filter(
    ({ name, arguments: values }) =>
      /^stores\.(run|transaction)/.test(name) ||
      (/^files[./](write|rename|remove|openWriter|setAttributes|makeDirectory$)/.test(name) &&
        values.join(" ").includes(STATE)),
  );
  const [first] = written;
  if (first !== undefined)
    world.watch.report("keep", `the pass after a success writes: ${first.name} ${first.arguments.join(" ")}`);
}

/** Compares the machine with the last site, by means that share nothing with the program's own observers. */
export function checkConverged(world: World): void {
  const wrong = [
    ...volumes(world),
    ...Object.entries(world.site.roots).flatMap(([name, root]) => rootFaults(world, name, root)),
    ...liveOverlays(world),
    ...mounts(world),
    ...environments(world),
    ...Object.keys(world.site.images).flatMap((name) => checkImage(world, name)),
    ...movables(world),
    ...leftovers(world),
  ];
  const [first] = wrong;
  if (first !== undefined) world.watch.report("result", wrong.slice(0, 3).join("; "));
  for (const fault of journal(world)) world.watch.report("journal", fault);
}

/** What a kill left half written among the state's own files is gone. */
function leftovers(world: World): readonly string[] {
  const { files } = world.observer.outside;
  const halves = (directory: string) =>
    (files.list(directory) ?? []).flatMap((name) =>
      name.startsWith(TEMPORARY_PREFIX) ? [`${directory}/${name} is left`] : [],
    );
  // Where a disk did not let it be removed, it goes with the next root that is built there.
  const stays = world.counts.has("permanent error: jobs.run");
  const builds = Object.values(world.site.roots).flatMap(({ volume }) => {
    if (volume === undefined || stays) return [];
    const own = `${volumePath(volume)}/.rootloom`;
    const left = (files.list(`${own}/build`) ?? []).map((name) => `${own}/build/${name} is left`);
    return [own, `${own}/trees`].flatMap(halves).concat(left);
  });
  return [STATE, `${STATE}/reports`].flatMap(halves).concat(builds);
}

function volumes(world: World): readonly string[] {
  const { files } = world.observer.outside;
  return Object.entries(world.site.volumes).flatMap(([name, { mode, link }]) => {
    const stat = files.stat(volumePath(name));
    const found = files.readLink(`${STATE}/links/${name}`);
    return [
      ...(stat?.mode === Number.parseInt(mode, 8) && stat.owner === 0
        ? []
        : [`volume ${name} is ${stat?.mode.toString(8)}`]),
      ...(link === undefined || found === link ? [] : [`link ${name} leads to ${found}, not to ${link}`]),
    ];
  });
}

/** What an overlay lays into a root, and what it takes away, by the root's paths. */
export function laidInto(
  world: World,
  root: string,
): ReadonlyMap<string, { readonly content: string; readonly mode: number }> {
  const laid = new Map<string, { content: string; mode: number }>();
  for (const name of Object.keys(world.site.overlays).sort()) {
    const overlay = world.site.overlays[name];
    if (overlay === undefined || !overlay.into.includes(root)) continue;
    for (const [path, content] of Object.entries(overlay.files)) {
      const mode = path.endsWith(".conf")
        ? Number.parseInt(overlay.mode, 8)
        : /(tool|init)$/.test(path)
          ? 0o755
          : 0o644;
      laid.set(path.replace(/^bin\//, "usr/bin/"), { content, mode });
    }
  }
  return laid;
}

function rootFaults(world: World, name: string, root: SiteRoot): readonly string[] {
  const { source } = root;
  const top = rootPath(name, root);
  if (top === "" || source.type === "existing") return [];
  const { files } = world.observer.outside;
  if (root.content === "live") return files.stat(`${top}/usr/bin`) === undefined ? [`root ${name} is not there`] : [];
  const made = source.type === "tarball" ? `tarball ${source.number}` : `${source.suite} ${source.include.join(",")}`;
  const laid = laidInto(world, name);
  const left = leftBy(world, name);
  // What an overlay that is not declared any more had deleted stays so, as what it laid does.
  const deleted = world.history.flatMap(({ overlays }) =>
    Object.values(overlays).flatMap(({ into, deletes }) => (into.includes(name) ? deletes : [])),
  );
  return smallTree(made).flatMap(({ path, type, mode, content }) => {
    if (type !== "file" || laid.has(path) || left.has(path) || deleted.includes(path) || wasRecorded(world, name))
      return [];
    const found = files.readText(`${top}/${path}`);
    if (found !== Buffer.from(content ?? []).toString()) return [`${top}/${path} holds ${found?.trim()}`];
    return files.stat(`${top}/${path}`)?.mode === mode ? [] : [`${top}/${path} has another mode`];
  });
}

/** What stays where an overlay had laid it, when that was declared no more: its files, with nobody's name on them. */
function leftBy(world: World, root: string): ReadonlySet<string> {
  const left = new Set<string>();
  for (const [index, { overlays }] of world.history.entries())
    for (const [name, { into, files }] of Object.entries(overlays))
      if (into.includes(root) && world.history[index + 1]?.overlays[name]?.into.includes(root) !== true)
        for (const path of Object.keys(files)) left.add(path);
  return left;
}

/** A live root that became managed is recorded as it was then, with what people had changed in it. */
function wasRecorded(world: World, name: string): boolean {
  return world.history.some(({ roots }) => roots[name]?.content === "live") || world.approved.has(`tree/${name}`);
}

function liveOverlays(world: World): readonly string[] {
  const { files } = world.observer.outside;
  return Object.entries(world.site.roots).flatMap(([name, root]) =>
    [...laidInto(world, name)].flatMap(([path, { content, mode }]) => {
      const place = `${rootPath(name, root)}/${path}`;
      if (isCovered(world, place)) return [];
      const found = files.readText(place);
      if (found !== content) return [`${place}, which an overlay lays, holds ${found?.trim()}`];
      return files.stat(place)?.mode === mode ? [] : [`${place}, which an overlay lays, has another mode`];
    }),
  );
}

function isCovered(world: World, path: string): boolean {
  return world.observer.outside.files.mounts().some(({ target }) => target !== "/" && path.startsWith(`${target}/`));
}

function mounts(world: World): readonly string[] {
  const declared = Object.entries(world.site.roots).flatMap(([name, root]) =>
    root.mounts.flatMap(({ target, namespace }) => (namespace === "host" ? [`${rootPath(name, root)}${target}`] : [])),
  );
  // A loop volume is mounted, and stays so when it is only forgotten.
  if (world.site.volumes[LOOP] !== undefined) declared.push(volumePath(LOOP));
  const isForgotten = (target: string): boolean =>
    target === volumePath(LOOP) && world.history.some(({ volumes }) => volumes[LOOP] !== undefined);
  const entries = world.observer.outside.files.mounts().filter(({ target }) => target !== "/");
  const targets = entries.map(({ target }) => target);
  return [
    ...declared.flatMap((target) => (targets.includes(target) ? [] : [`${target} is not mounted`])),
    ...targets.flatMap((target, index) => (targets.indexOf(target) === index ? [] : [`${target} is mounted twice`])),
    ...targets.flatMap((target) =>
      declared.includes(target) || isForgotten(target) || isCopyOf(target, declared)
        ? []
        : [`${target} is still mounted`],
    ),
  ];
}

/** A tmpfs below a bind of a shared directory shows at both ends. */
function isCopyOf(target: string, declared: readonly string[]): boolean {
  const below = target.slice(SHARED.length);
  return target.startsWith(`${SHARED}/`)
    ? declared.some((other) => other.endsWith(`/mnt${below}`))
    : /\/mnt\/in$/.test(target) && declared.some((other) => other.endsWith("/mnt/in"));
}

function environments(world: World): readonly string[] {
  return Object.entries(world.site.targets).flatMap(([name, value]) => {
    const text = world.observer.outside.files.readText(environmentPath(name)) ?? "";
    return text.includes(`VALUE='${value}'`) ? [] : [`${environmentPath(name)} does not say ${value}`];
  });
}

/** What others put among things of ours is there still, wherever it was moved. */
function movables(world: World): readonly string[] {
  const { files } = world.observer.outside;
  const lost = [...world.watch.movables].filter(
    ([path, content]) =>
      files.readText(path) !== content && ![...world.touched].some((gone) => path.startsWith(`${gone}/`)),
  );
  if (lost.length === 0) return [];
  const found = new Set(
    [`${STATE}/volumes`, volumePath(LOOP), OTHERS].flatMap((top) =>
      files.stat(top) === undefined
        ? []
        : [...files.scan(top)].flatMap(({ path, type, size }) =>
            type === "file" && size < LARGE_BYTES ? [files.readText(`${top}/${path}`)] : [],
          ),
    ),
  );
  return lost.flatMap(([path, content]) =>
    found.has(content) || mayBeGone(world, path) ? [] : [`${path} of others is lost`],
  );
}

/** A person approved the removal of the volume or root that it lay in. */
function mayBeGone(world: World, path: string): boolean {
  return [...world.approved].some((id) => path.includes(`/${id.slice(id.indexOf("/") + 1).replace(/b$/, "")}/`));
}

function journal(world: World): readonly string[] {
  const state = openState(world.observer, STATE, "read");
  const open = state
    .openSteps()
    .map(({ stepId, operation }) => `${operation} of ${stepId} is still open in the journal`);
  state.close();
  const { files } = world.observer.outside;
  const lies = recordsOf(world).flatMap(({ id, kind, details }) => {
    const path = String(details.path ?? details.target ?? "");
    const isGone =
      kind !== "overlay" && details.namespace !== "private" && path !== "" && files.stat(path) === undefined;
    if (isGone) return [`${id} is recorded at ${path}, and nothing is there`];
    if (kind !== "artifact" || files.readLink(`${path}/current`) === details.generation) return [];
    return [`${id} is recorded as generation ${details.generation}, current is ${files.readLink(`${path}/current`)}`];
  });
  return [...open, ...lies];
}
