import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { readPlanFile } from "../../src/cli/plan-file.ts";
import { parseEnvironmentFile } from "../../src/configuration.ts";
import { RootloomError } from "../../src/core/error.ts";
import { createHost } from "../../src/host/real/host.ts";
import { openHashCache } from "../../src/pack/hash-cache.ts";
import { readManifest, writeManifest } from "../../src/pack/manifest.ts";
import { remembered } from "../../src/pack/remembered.ts";
import { findSegment } from "../../src/pack/segment-cache.ts";
import { parseRequest } from "../../src/pass/commands.ts";
import type { Session } from "../../src/pass/types.ts";
import { readReport } from "../../src/resources/artifact/generations.ts";
import { parseLimits } from "../../src/resources/limits.ts";
import { readMarker } from "../../src/resources/marker.ts";
import { laidPath, readLaid } from "../../src/resources/overlay/laid.ts";
import { readIndex, writeIndex } from "../../src/source/tree-index.ts";
import { openState } from "../../src/state/state.ts";
import { mutate, type Random } from "./random.ts";

const host = createHost({ mountNamespace: "/proc/self/ns/mnt" });
const { files } = host;
const INSTANCE = "0123456789abcdef0123456789abcdef";
const GENERATION = "0123456789abcdef";
const SHA256 = "0".repeat(64);

/** One kind of file that we keep: how it is written whole, and how it is read. */
interface Kept {
  readonly path: string;
  readonly write: (path: string) => unknown;
  /** What was read, as text; reading throws a RootloomError or gives something of the right shape. */
  readonly read: (path: string, directory: string) => unknown;
  /** True where bytes that were changed must never be believed. */
  readonly sealed: boolean;
}

const json = (value: unknown) => (path: string) => writeFileSync(path, JSON.stringify(value));
const identity = { filesystem: "uuid:1", inode: 1 };
const entry = {
  type: "file",
  mode: 0o644,
  owner: 0,
  group: 0,
  made: true,
  sha256: SHA256,
  target: "",
  major: 0,
  minor: 0,
};
const laid = {
  order: 10,
  digest: "d",
  finished: true,
  entries: [{ ...entry, path: "etc/a" }],
  deletions: [{ path: "b" }],
};
const seen = { digest: "d", settled: true, parts: [] };
const look = () => seen;
const hashed = { changed_ms: 0 } as Parameters<ReturnType<typeof openHashCache>["set"]>[2];

const KEPT: Readonly<Record<string, Kept>> = {
  marker: {
    path: "volume.json",
    sealed: false,
    write: json({
      version: 1,
      instance: INSTANCE,
      kind: "tree",
      name: "a",
      identity,
      runId: "r",
      createdAt: "c",
      inputs: { source: "s" },
      details: {},
    }),
    read: (path) => {
      const marker = readMarker(files, path);
      return typeof marker === "object" ? Object.values(marker.inputs).map((input) => input.length) : marker;
    },
  },
  report: {
    path: `${GENERATION}/report.json`,
    sealed: false,
    write: json({
      ...{ version: 1, instance: INSTANCE, artifact: "a", generation: GENERATION, inputs: { a: "b" }, file: "f" },
      ...{ sha256: SHA256, size_bytes: 1, uncompressed_bytes: 1, entries: 1, segments: 1, segmentsReused: 0 },
      ...{ manifestSha256: SHA256, layers: [], notes: [], revision: "r", runId: "r", createdAt: "c" },
    }),
    read: (_, directory) => {
      const report = readReport(files, directory, GENERATION);
      return report && [Object.keys(report.inputs), report.createdAt < "d", report.notes.length, report.file.length];
    },
  },
  laid: {
    path: "volume/.rootloom/trees/a.laid.json",
    sealed: false,
    write: (path) =>
      json({
        version: 1,
        instance: INSTANCE,
        identity: {
          filesystem: files.filesystemIdentity(dirname(path)),
          inode: files.stat(join(path, "../../../root"))?.inode,
        },
        overlays: { common: laid },
      })(path),
    read: (_, directory) => {
      const place = {
        treePath: `${directory}/volume/root`,
        volumePath: `${directory}/volume`,
        tree: "a",
        overlay: "common",
      };
      if (!laidPath(place).startsWith(directory)) throw new Error("another place");
      const { overlays } = readLaid(files, place, INSTANCE);
      return Object.values(overlays).map((overlay) => {
        const paths = [...overlay.entries, ...overlay.deletions].map(({ path }) => path);
        if (paths.some((path) => path.startsWith("/") || path.split("/").includes(".."))) throw new Error("leads out");
        return paths;
      });
    },
  },
  manifest: {
    path: "manifest",
    sealed: false,
    write: (path) =>
      writeManifest(files, path, [
        {
          path: "a",
          type: "file",
          mode: 0o644,
          owner: 0,
          group: 0,
          modified_s: 1,
          size: 1,
          sha256: SHA256,
          target: "",
          major: 0,
          minor: 0,
          linkSet: "",
          layer: "root",
        },
      ]),
    read: (path) => [...readManifest(files, path)].map(({ size, mode }) => [size.toFixed(), mode.toFixed()]),
  },
  "hash cache": {
    path: "hashes/test",
    sealed: true,
    write: (path) => {
      const cache = openHashCache(files, dirname(dirname(path)), "test");
      cache.set("key", SHA256, hashed, 1e9);
      cache.save();
    },
    read: (path) => openHashCache(files, dirname(dirname(path)), "test").get("key"),
  },
  answer: {
    path: "answers/",
    sealed: true,
    write: (path) => remembered({ files, now_ms: () => 1e13 }, dirname(path), {}, seen, { answer: () => "kept", look }),
    read: (path) =>
      remembered(
        { files, now_ms: () => 1e13 },
        dirname(dirname(path)),
        {},
        { ...seen, settled: false },
        {
          answer: () => undefined,
          look,
        },
      ),
  },
  "tree index": {
    path: "trees/t.json",
    sealed: true,
    write: (path) =>
      writeIndex(host, dirname(dirname(path)), "t", {
        entries: [],
        refused: [],
        contents: new Map(),
        texts: new Map([["o", { size: 1, sha256: SHA256, text: "x" }]]),
      }),
    read: (path) => readIndex(host, dirname(dirname(path)), "t"),
  },
  segment: {
    path: "segment",
    sealed: false,
    write: (path) => writeFileSync(path, `content${`rootloom segment 1 ${SHA256} 7`.padEnd(127)}\n`),
    read: (path) => findSegment(files, path)?.size_bytes.toFixed(),
  },
  store: {
    path: "state/rootloom.db",
    sealed: false,
    write: (path) => openState(host, dirname(path), "write").close(),
    read: (path) => {
      const state = openState(host, dirname(path), "read");
      try {
        return [state.records(), state.decisions(), state.openSteps()];
      } finally {
        state.close();
      }
    },
  },
  "plan file": {
    path: "plan.json",
    sealed: false,
    write: json({ format: "rootloom-plan/1", revision: "r", planDigest: "d", steps: [] }),
    read: (path, directory) => readPlanFile({ host } as Session, directory, path).planDigest.length,
  },
  limits: {
    path: "limits.yaml",
    sealed: false,
    write: (path) => writeFileSync(path, "paths: [/srv]\npools: [tank]\nmaxDeletions: 3\nhostCommands: false\n"),
    read: (path) => {
      const { paths, maxDeletions = 0 } = parseLimits(readFileSync(path, "utf8"), path);
      if (paths.some((allowed) => !allowed.startsWith("/") || allowed.split("/").includes("..")))
        throw new Error("crooked");
      return maxDeletions.toFixed();
    },
  },
  "environment file": {
    path: "rootloom.env",
    sealed: false,
    write: (path) => writeFileSync(path, "# ours\nROOTLOOM_STATE=/var/lib/rootloom\nPATH='/bin'\n"),
    read: (path) => [...parseEnvironmentFile(readFileSync(path, "utf8"), path)],
  },
  request: {
    path: "request",
    sealed: false,
    write: json({ command: "suspend", arguments: { names: ["a"], who: "w", why: "y", until: "" } }),
    read: (path) => parseRequest(JSON.parse(readFileSync(path, "utf8").replace(/^$/, "0"))),
  },
};

export const KEPT_FILES = Object.keys(KEPT);

/** Damages one kept file and reads it. @throws when that crashes, or when a sealed file is believed. */
export async function fuzzKept(name: string, directory: string, random: Random): Promise<void> {
  const kept = KEPT[name] as Kept;
  const top = join(directory, name.replaceAll(" ", "-"));
  rmSync(top, { recursive: true, force: true });
  mkdirSync(join(top, "volume/root"), { recursive: true });
  mkdirSync(dirname(join(top, kept.path)), { recursive: true });
  await kept.write(join(top, kept.path));
  const path = kept.path.endsWith("/")
    ? join(top, kept.path, files.list(join(top, kept.path))?.[0] ?? "")
    : join(top, kept.path);
  if ((await kept.read(path, top)) === undefined) throw new Error(`a whole ${name} is not read`);
  const whole = readFileSync(path);
  const damaged = damage(whole, random);
  if (damaged.equals(whole)) return;
  writeFileSync(path, damaged);
  try {
    const read = await kept.read(path, top);
    if (kept.sealed && read !== undefined) throw new Error(`a damaged ${name} is believed`);
  } catch (thrown) {
    // What is no JSON never comes out of the socket.
    if (!(thrown instanceof RootloomError) && !(name === "request" && thrown instanceof SyntaxError)) throw thrown;
  }
}

/** Bytes changed, all of them random, or JSON with another shape. */
function damage(whole: Buffer, random: Random): Buffer {
  if (random.chance(0.2)) return random.bytes(random.below(300));
  if (random.chance(0.5) || whole[0] !== 0x7b) return mutate(whole, random);
  const odd = [null, 1, "x", [], {}, [null], { __proto__: null }, { a: null }];
  const twist = (value: unknown): unknown => {
    if (random.chance(0.1)) return random.pick(odd);
    if (Array.isArray(value)) return value.map(twist);
    if (typeof value !== "object" || value === null) return random.chance(0.1) ? "../../etc/passwd" : value;
    const members = Object.entries(value).filter(() => !random.chance(0.05));
    return Object.fromEntries(members.map(([key, member]) => [key, twist(member)]));
  };
  try {
    return Buffer.from(JSON.stringify(twist(JSON.parse(whole.toString("utf8")))));
  } catch {
    return mutate(whole, random);
  }
}
