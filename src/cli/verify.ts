import { RootloomError } from "../core/error.ts";
import type { ArtifactResource } from "../core/resource.ts";
import type { Host } from "../host/ports.ts";
import type { Session } from "../pass/types.ts";
import type { Rebuilt } from "../resources/artifact/rebuild.ts";
import { type CliContext, type CommandDefinition, flagOf } from "./command.ts";
import { findImage, generationOf, type KnownImage } from "./image-source.ts";
import { interruption } from "./interruption.ts";
import { showProgress } from "./progress.ts";
import { showReading } from "./reading.ts";

const DAY_S = 86_400;

export const verify: CommandDefinition = {
  name: "verify",
  summary: "read images back, byte for byte; or build them anew, twice, and compare",
  argument: ["[name...]", "only these images"],
  options: [
    [
      "--rebuild",
      "build each twice from nothing, without caches, and compare the two with each other and with the current one",
    ],
    ["--json", "one JSON document"],
  ],
  examples: [
    ["rootloom verify", "is every current image as it was packed? 0: yes, 1: no"],
    ["rootloom verify --rebuild image/debian", "would anybody else make the same bytes?"],
  ],
  run: async (context, given) => {
    const session = await context.session();
    const images = await imagesOf(session, given.names);
    const { signal, release } = interruption(session.host, () => undefined);
    try {
      const verdicts: Verdict[] = [];
      for (const image of images) {
        verdicts.push(await (flagOf(given, "rebuild") ? rebuilt : readBack)(image, { context, session, signal }));
      }
      if (flagOf(given, "json")) context.output.document({ images: verdicts });
      else for (const { id, same, what } of verdicts) context.output.write(`${same ? "=" : "✗"} ${id}: ${what}\n`);
      return verdicts.every(({ same }) => same) ? 0 : 1;
    } finally {
      release();
    }
  },
};

interface Verdict {
  readonly id: string;
  readonly same: boolean;
  readonly what: string;
}

interface Work {
  readonly context: CliContext;
  readonly session: Session;
  readonly signal: AbortSignal;
}

async function imagesOf(session: Session, names: readonly string[]): Promise<readonly KnownImage[]> {
  if (names.length > 0) return Promise.all(names.map((name) => findImage(session, name)));
  const { openState } = await import("../state/state.ts");
  const state = openState(session.host, session.configuration.state, "read");
  const ids = state.records().flatMap(({ id, kind }) => (kind === "artifact" ? [id] : []));
  state.close();
  if (ids.length === 0) throw new RootloomError("cannot verify: no image was packed yet", { hint: "rootloom apply" });
  return Promise.all(ids.map((id) => findImage(session, id)));
}

/** The files against what was recorded of them, and an initramfs entry by entry against its manifest. */
async function readBack(image: KnownImage, { context, session, signal }: Work): Promise<Verdict> {
  const { host, configuration } = session;
  const { damageOf } = await import("../resources/artifact/generations.ts");
  const { packedGeneration } = await import("../resources/artifact/observe.ts");
  const { id, path, record } = image;
  const packed = packedGeneration(record, undefined);
  if (packed === undefined) return { id, same: false, what: "it is not recorded" };
  const check = { cache: configuration.cache, trustCache: false, signal };
  const damage = await damageOf(host, path, packed, check);
  if (damage !== undefined) return { id, same: false, what: damage };
  const codec = { "initramfs.cpio.gz": "gzip", "initramfs.cpio.zst": "zstd", "initramfs.cpio": "none" } as const;
  const { generation, file } = packed;
  if (!(file in codec)) return { id, same: true, what: `generation ${generation} is as it was packed` };
  const places = { image: `${path}/${generation}/${file}`, manifest: `${path}/${generation}/manifest` };
  const input = { ...places, codec: codec[file as keyof typeof codec] };
  const { progress, end } = showReading(context.output, host.clock, id);
  const found = await host.jobs.run("verify", input, { signal, onProgress: progress }).finally(end);
  const [problem] = found.problems;
  if (problem !== undefined) return { id, same: false, what: problem };
  return { id, same: true, what: `generation ${generation} is as it was packed, all ${found.entries} entries` };
}

/** Two builds that know nothing of each other, nor of any cache, against each other and against the current image. */
async function rebuilt(image: KnownImage, work: Work): Promise<Verdict> {
  const { context, session, signal } = work;
  const { host, configuration } = session;
  const { takeLease } = await import("../resources/lease.ts");
  const resource = await declared(session, image);
  const root = resource.base.type === "tree" ? resource.base.tree.slice("tree/".length) : undefined;
  const lease = root === undefined ? undefined : await takeLease(host, configuration.state, root, "shared");
  if (lease !== undefined && "holders" in lease) {
    throw new RootloomError(`cannot rebuild ${image.id}: somebody is in the root ${root}: ${lease.holders}`);
  }
  const place = `${configuration.cache}/rebuild`;
  sweepOld(host, place);
  const directory = `${place}/${host.clock.random(6)}`;
  host.files.makeDirectories(directory, 0o700);
  const progress = showProgress(context.output, host.clock);
  try {
    const { rebuild } = await import("../resources/artifact/rebuild.ts");
    const build = (number: number) =>
      rebuild(resource, `${directory}/${number}`, {
        host,
        signal,
        progress: (message, done = 0, total = 0, unit = undefined) =>
          progress.event({
            type: "apply_progress",
            id: image.id,
            message: `${message} (${number} of 2)`,
            done,
            total,
            ...(unit && { unit }),
          }),
      });
    return await compared(image, [await build(1), await build(2)], work);
  } finally {
    progress.end();
    if (lease !== undefined) lease.release();
    removeWhole(host, directory);
  }
}

/** What killed ones left: none takes a day. */
function sweepOld(host: Host, place: string): void {
  for (const name of host.files.list(place) ?? []) {
    const { modified_s = 0 } = host.files.stat(`${place}/${name}`) ?? {};
    if (modified_s < host.clock.now_ms() / 1000 - DAY_S) removeWhole(host, `${place}/${name}`);
  }
}

function removeWhole({ files }: Host, path: string): void {
  const stat = files.stat(path);
  if (stat !== undefined) files.removeTree(path, stat.inode);
}

async function declared(session: Session, { id }: KnownImage): Promise<ArtifactResource> {
  const { loadDesired } = await import("../pass/desired.ts");
  const { graph, problems } = await loadDesired(session);
  const resource = graph.resources.find((each) => each.id === id);
  if (problems.length > 0 || resource?.kind !== "artifact") {
    const why = problems.length > 0 ? "the documents have problems" : "it is not declared";
    throw new RootloomError(`cannot rebuild ${id}: ${why}`, { hint: "rootloom validate" });
  }
  return resource;
}

async function compared(
  image: KnownImage,
  [first, second]: readonly [Rebuilt, Rebuilt],
  { session }: Work,
): Promise<Verdict> {
  const { firstDifference } = await import("./first-difference.ts");
  const { id, path, current } = image;
  const { host } = session;
  if (first.sha256 !== second.sha256) {
    return { id, same: false, what: `two builds differ: ${await firstDifference(host, first, second)}` };
  }
  const source = generationOf(image, "current");
  const standing = { image: `${path}/${current}/${source.report.file}`, manifest: source.manifest };
  const hashed = await host.jobs.run("hash", {
    path: standing.image,
    cache: session.configuration.cache,
    trustCache: false,
  });
  if (hashed?.sha256 === first.sha256) {
    return {
      id,
      same: true,
      what: `two builds from nothing and generation ${current} are the same ${first.size_bytes} bytes`,
    };
  }
  const why = first.generation === current ? "" : " (its inputs have changed since: rootloom plan)";
  return {
    id,
    same: false,
    what: `generation ${current} differs from what is built now${why}: ${await firstDifference(host, standing, first)}`,
  };
}
