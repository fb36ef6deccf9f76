import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createHost } from "../../src/host/real/host.ts";
import { loadDesired } from "../../src/pass/desired.ts";
import { keepDocuments, readKnownDocuments } from "../../src/pass/known-documents.ts";
import type { Session } from "../../src/pass/types.ts";
import { NO_LIMITS } from "../../src/resources/limits.ts";
import { commit, repository } from "../source/repository.ts";

const document = (kind: string, name: string, spec: object) =>
  JSON.stringify({ apiVersion: "rootloom/v1", kind, metadata: { name }, spec });
const FILES = {
  "desired/host.yaml": document("Host", "host", {}),
  "desired/volumes/data.yaml": document("Volume", "data", { backend: "directory" }),
  "desired/roots/base.yaml": `apiVersion: rootloom/v1
kind: Root
metadata: { name: base }
spec:
  volume: data
  source: { existing: {} }
  mounts:
    - { target: /proc, type: proc, namespace: private }
`,
  "desired/overlays/common/etc/motd": "hello\n",
  "desired/overlays/common/overlay.yaml": "apiVersion: rootloom/v1\nkind: Overlay\nspec: { order: 11 }\n",
};
const host = createHost({ mountNamespace: "/proc/self/ns/mnt" });
let cache: string;
beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), "rootloom-known-"));
});
afterEach(() => rmSync(cache, { recursive: true }));

function sessionOf(folder: string): Session {
  const source = { desired: join(folder, "desired"), ref: "HEAD", worktree: false, cache };
  const configuration = {
    source: { ...source, repository: undefined, path: undefined, remote: undefined },
    ...{ state: join(folder, "state"), cache, limits: NO_LIMITS },
  };
  return { host, configuration } as unknown as Session;
}

const digestOf = (text: string) => createHash("sha256").update(text).digest("hex");

/** The same files, one of which was saved anew. */
const stampedAnew = (name: string) => (path: string) => {
  const stat = host.files.stat(path);
  return path.endsWith(`/documents/${name}`) && stat !== undefined ? { ...stat, stamp: `${stat.stamp}+` } : stat;
};

const known = () =>
  existsSync(join(cache, "answers"))
    ? readdirSync(join(cache, "answers")).map((name) => join(cache, "answers", name))
    : [];

describe("a look at a tree whose documents this program has read before", () => {
  it("has the same graph, with each place in it, and reads no YAML", async () => {
    const session = sessionOf(repository(FILES));
    const read = await loadDesired(session);
    expect(known()).toEqual([]);
    const first = await loadDesired(session, "known");
    expect(known()).toHaveLength(1);
    const again = await loadDesired(session, "known");
    expect(first.graph).toEqual(read.graph);
    expect(again.graph).toEqual(read.graph);
    expect(read.graph.resources.map(({ origin }) => `${origin.file}:${origin.line}`)).toContain(
      "desired/roots/base.yaml:8",
    );
    // What it used was the kept text: with another one that agrees with its digest, the graph is another.
    const [path = ""] = known();
    const body = (readFileSync(path, "utf8").split("\n")[1] ?? "").replace('"target":"/proc"', '"target":"/sys"');
    writeFileSync(path, `${digestOf(body)}\n${body}\n`);
    expect(JSON.stringify((await loadDesired(session, "known")).graph)).not.toBe(JSON.stringify(read.graph));
    expect((await loadDesired(session)).graph).toEqual(read.graph);
  });

  it("reads them again where the kept text is damaged, the tree is another, or a file of the program changed", async () => {
    const folder = repository(FILES);
    const session = sessionOf(folder);
    const { graph } = await loadDesired(session, "known");
    const [path = ""] = known();
    writeFileSync(path, readFileSync(path, "utf8").replace("directory", "dirextory"));
    expect((await loadDesired(session, "known")).graph).toEqual(graph);
    commit(folder, { "desired/volumes/other.yaml": document("Volume", "other", { backend: "directory" }) });
    expect((await loadDesired(session, "known")).graph.resources.map(({ id }) => id)).toContain("volume/other");
    expect(known()).toHaveLength(2);
    const touched = { ...host, files: { ...host.files, stat: stampedAnew("values.ts") } };
    expect((await loadDesired({ ...session, host: touched }, "known")).problems).toEqual([]);
    expect(known()).toHaveLength(3);
  });

  it("tells the problems of a tree at their places each time, and keeps none of its documents", async () => {
    const folder = repository({
      ...FILES,
      "desired/volumes/bad.yaml": document("Volume", "bad", { backend: "paper" }),
    });
    const first = await loadDesired(sessionOf(folder), "known");
    expect(first.problems.map(({ file, line }) => `${file}:${line}`)).toEqual(["desired/volumes/bad.yaml:1"]);
    expect((await loadDesired(sessionOf(folder), "known")).problems).toEqual(first.problems);
    expect(known()).toEqual([]);
  });

  it("reads them again where a place is asked for that nobody asked for before", async () => {
    const session = sessionOf(repository(FILES));
    const { graph } = await loadDesired(session, "known");
    const [path = ""] = known();
    const { documents } = JSON.parse(readFileSync(path, "utf8").split("\n")[1] ?? "");
    const body = JSON.stringify({ documents: documents.map((each: object) => ({ ...each, places: {} })) });
    writeFileSync(path, `${digestOf(body)}\n${body}\n`);
    expect((await loadDesired(session, "known")).graph).toEqual(graph);
  });

  it("goes on where the cache cannot be written", async () => {
    const session = sessionOf(repository(FILES));
    await loadDesired(session);
    writeFileSync(join(cache, "answers"), "no folder");
    expect((await loadDesired(session, "known")).problems).toEqual([]);
  });

  it("is as it was when nothing keeps it: a machine without the program's files", async () => {
    const { snapshot } = await loadDesired(sessionOf(repository(FILES)));
    const bare = { ...host, files: { ...host.files, list: () => undefined } };
    keepDocuments(bare, cache, snapshot, { documents: [], overlays: [], problems: [] }).keep();
    expect(readKnownDocuments(bare, cache, snapshot)).toBeUndefined();
    expect(known()).toEqual([]);
  });
});
