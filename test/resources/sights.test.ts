import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Resource } from "../../src/core/resource.ts";
import type { Host } from "../../src/host/ports.ts";
import { createFiles } from "../../src/host/real/files.ts";
import { joinShares } from "../../src/pack/shares.ts";
import { beginSights, lookOver } from "../../src/resources/sights.ts";

type Asked = { readonly path: string; readonly views: readonly (readonly string[])[] };

const tree = (path: string, content: "managed" | "live") => ({ kind: "tree", path, content }) as Resource;
const image = (path: string, excludes: readonly string[]) =>
  ({ kind: "artifact", excludes, base: { type: "tree", path } }) as unknown as Resource;
const OF_IMAGE = ["tmp/*", ".rootloom"];
const files = createFiles({ mountNamespace: "/proc/self/ns/mnt" });

let cache: string;
beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), "rootloom-sights-"));
});
afterEach(() => rmSync(cache, { recursive: true }));

/** Made of a place in the walk. */
const share = (path: string, view: number, settled = true) => ({
  upper: { path: "", digest: `${path} ${view}`, settled },
  parts: [],
  expected: 0,
});
const sightOf = (path: string, view: number) => joinShares([share(path, view)])?.digest;

interface Circumstances {
  readonly fails?: boolean;
  readonly settled?: boolean;
  readonly host?: Pick<Host, "files">;
  readonly onWalk?: () => void;
}

/** Every view of a tree has the place of the view in the walk as its digest. */
function begin({ fails = false, settled = true, host = { files }, onWalk }: Circumstances = {}) {
  const walks: Asked[] = [];
  const run = async (job: string, asked: Asked) => {
    if (job === "generation") return host.files.generation(asked.path);
    walks.push({ path: asked.path, views: asked.views });
    onWalk?.();
    if (fails) throw new Error("it is gone");
    return asked.views.map((_, index) => share(asked.path, index, settled));
  };
  const clock = { now_ms: () => 7000 };
  const machine = { ...host, clock, jobs: { run, width: 1 } } as unknown as Host;
  return { walks, sights: beginSights(machine, { cache, state: join(cache, "state") }, undefined) };
}

/** A pass over these resources, of which the next one can guess. */
const passOver = (...resources: readonly Resource[]) => begin().sights.expect(resources);

describe("what a pass sees of trees", () => {
  it("walks a tree once for its drift and all its images, when the first asks", async () => {
    const { walks, sights } = begin();
    sights.expect([tree("/a", "managed"), image("/a", ["tmp/*"]), image("/a", []), tree("/b", "managed")]);
    expect(walks).toEqual([]);
    const seen = await Promise.all([sights.of("/a", OF_IMAGE), sights.of("/a", []), sights.of("/a", [".rootloom"])]);
    expect(seen.map((each) => each?.digest)).toEqual([sightOf("/a", 1), sightOf("/a", 0), sightOf("/a", 2)]);
    expect(walks).toEqual([{ path: "/a", views: [[], OF_IMAGE, [".rootloom"]] }]);
  });

  it("looks at no more of a live root than its images hold", async () => {
    const { walks, sights } = begin();
    sights.expect([tree("/a", "live"), image("/a", ["tmp/*"])]);
    expect(await sights.of("/a", OF_IMAGE)).toMatchObject({ digest: sightOf("/a", 0), settled: true, begun_ms: 7000 });
    expect(walks).toEqual([{ path: "/a", views: [OF_IMAGE] }]);
    expect(await sights.of("/a", [])).toBeUndefined();
  });

  it("leaves it to whoever asks to say why a tree cannot be walked", async () => {
    const { walks, sights } = begin({ fails: true });
    sights.expect([tree("/a", "managed")]);
    expect(await sights.of("/a", [])).toBeUndefined();
    expect(await sights.of("/other", [])).toBeUndefined();
    expect(walks).toHaveLength(1);
  });

  it("begins with what the pass before has looked at, before the commit is read", async () => {
    passOver(tree("/a", "managed"), image("/a", ["tmp/*"]));
    const { walks, sights } = begin();
    expect(walks).toEqual([{ path: "/a", views: [[], OF_IMAGE] }]);
    sights.expect([image("/a", ["tmp/*"])]);
    expect((await sights.of("/a", OF_IMAGE))?.digest).toBe(sightOf("/a", 1));
    expect(walks).toHaveLength(1);
  });

  it("answers nothing that this pass has not asked for, and walks again where the guess was wrong", async () => {
    passOver(tree("/a", "managed"));
    const { walks, sights } = begin();
    expect(await sights.of("/a", [])).toBeUndefined();
    sights.expect([image("/a", ["tmp/*"])]);
    expect(await sights.of("/a", [])).toBeUndefined();
    expect((await sights.of("/a", OF_IMAGE))?.digest).toBe(sightOf("/a", 0));
    expect(walks.map(({ views }) => views)).toEqual([[[]], [OF_IMAGE]]);
  });

  it("walks again once something of ours has changed trees", async () => {
    passOver(tree("/a", "managed"));
    const { walks, sights } = begin();
    sights.forget();
    sights.expect([tree("/a", "managed")]);
    await sights.of("/a", []);
    expect(walks).toHaveLength(2);
  });

  it("takes a damaged guess for none, and writes none that is right already", () => {
    passOver(tree("/a", "managed"));
    const path = join(cache, "answers/last-looks");
    const before = files.stat(path)?.stamp;
    passOver(tree("/a", "managed"));
    expect(files.stat(path)?.stamp).toBe(before);
    for (const text of ["{", "null", "[]", '{"a":[[]]}', '{"/a":[["x"],1]}']) {
      writeFileSync(path, text);
      expect(begin().walks).toEqual([]);
    }
    passOver(tree("/b", "managed"));
    expect(JSON.parse(readFileSync(path, "utf8"))).toEqual({ "/b": [[]] });
  });

  it("shares a walk among threads, and sees nothing where what they saw does not fit together", async () => {
    const asked: (Int32Array | undefined)[] = [];
    const jobs = (answers: readonly object[]) =>
      ({
        run: async (_: string, { turn }: { turn?: Int32Array }) => {
          asked.push(turn);
          return [answers[asked.length - 1]];
        },
      }) as unknown as Host["jobs"];
    const part = (path: string, settled: boolean) => ({ path, digest: `of ${path}`, settled });
    const upper = part("", true);
    const half = (number: number) => ({ upper, parts: [part(`part ${number}`, number === 0)], expected: 2 });
    const what = { path: "/a", views: [[]] };
    const [seen] = await lookOver(jobs([half(1), half(0)]), what, undefined, 2);
    const parts = [upper, part("part 0", true), part("part 1", false)];
    expect(seen).toEqual({ digest: expect.stringMatching(/^[0-9a-f]{64}$/), settled: false, parts });
    expect(asked[0]?.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(asked[0]).toBe(asked[1]);
    asked.length = 0;
    expect(await lookOver(jobs([half(1), { ...half(0), upper: part("v", true) }]), what, undefined, 2)).toEqual([
      undefined,
    ]);
  });
});

describe("a tree whose filesystem says what state it is in", () => {
  /** What it says, and whether the tree is on the filesystem on which we write. */
  let said: { generation: string | undefined; isOurs: boolean };
  let asked: string[];
  let host: Pick<Host, "files">;
  beforeEach(() => {
    said = { generation: "first", isOurs: false };
    asked = [];
    const device = (path: string) => (path.startsWith(cache) || said.isOurs ? 1 : 2);
    const stat = (path: string) => ({ ...files.stat(cache), device: device(path) });
    const generation = (path: string) => {
      asked.push(path);
      return said.generation;
    };
    host = { files: { ...files, stat, generation } as unknown as Host["files"] };
  });

  /** How often it is walked, and what is seen of it. */
  async function look(circumstances: Circumstances = {}, resource = tree("/a", "managed"), excludes: string[] = []) {
    const { walks, sights } = begin({ host, ...circumstances });
    sights.expect([resource]);
    const sight = await sights.of("/a", excludes);
    return { walks: walks.length, sight };
  }

  it("is not walked again while that is the same, from the third time on: who looks once need not ask", async () => {
    const first = await look();
    expect([first.walks, asked]).toEqual([1, []]);
    expect((await look()).walks).toBe(1);
    const { walks, sight } = await look();
    expect(walks).toBe(0);
    expect(sight).toEqual({ ...first.sight, walk: expect.any(Number) });
    expect(sight?.walk).not.toBe(first.sight?.walk);
    said.generation = "second";
    expect([(await look()).walks, (await look()).walks]).toEqual([1, 0]);
  });

  it("is walked where something was mounted in it for the time of a walk, or that is not said any more", async () => {
    await look();
    await look({ onWalk: () => Object.assign(said, { generation: undefined }) });
    said.generation = "first";
    expect([(await look()).walks, (await look()).walks]).toEqual([1, 0]);
    said.generation = undefined;
    expect([(await look()).walks, (await look()).walks]).toEqual([1, 1]);
  });

  it("is walked where it was not at rest, could not be walked, or is looked at for others", async () => {
    await look();
    await look({ settled: false });
    expect((await look({ fails: true })).walks).toBe(1);
    expect((await look()).walks).toBe(1);
    expect((await look({}, image("/a", ["tmp/*"]), OF_IMAGE)).walks).toBe(1);
    expect((await look({}, image("/a", ["tmp/*"]), OF_IMAGE)).walks).toBe(0);
  });

  it("is not asked for where it is on the filesystem that each pass changes", async () => {
    said.isOurs = true;
    for (let pass = 0; pass < 3; pass++) expect((await look()).walks).toBe(1);
    expect(asked).toEqual([]);
  });
});
