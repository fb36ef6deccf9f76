import { describe, expect, it } from "vitest";
import type { Resource } from "../../src/core/resource.ts";
import type { Host } from "../../src/host/ports.ts";
import { createSights } from "../../src/resources/sights.ts";

type Asked = { readonly path: string; readonly views: readonly (readonly string[])[] };

const tree = (path: string, content: "managed" | "live") => ({ kind: "tree", path, content }) as Resource;
const image = (path: string, excludes: readonly string[]) =>
  ({ kind: "artifact", excludes, base: { type: "tree", path } }) as unknown as Resource;
const OF_IMAGE = ["tmp/*", ".rootloom"];

/** Every view of a tree has the place of the view in the walk as its digest. */
function start(resources: readonly Resource[], fails = false) {
  const walks: Asked[] = [];
  const run = async (_job: string, asked: Asked) => {
    walks.push(asked);
    if (fails) throw new Error("it is gone");
    return asked.views.map((_, index) => ({ digest: `${asked.path} ${index}`, settled: true }));
  };
  return { walks, sights: createSights({ jobs: { run } } as unknown as Host, resources, undefined) };
}

describe("what a pass sees of trees", () => {
  it("walks a tree once for its drift and all its images, when the first asks", async () => {
    const { walks, sights } = start([
      tree("/a", "managed"),
      image("/a", ["tmp/*"]),
      image("/a", []),
      tree("/b", "managed"),
    ]);
    expect(walks).toEqual([]);
    const seen = await Promise.all([sights.of("/a", OF_IMAGE), sights.of("/a", []), sights.of("/a", [".rootloom"])]);
    expect(seen.map((each) => each?.digest)).toEqual(["/a 1", "/a 0", "/a 2"]);
    expect(walks).toEqual([{ path: "/a", views: [[], OF_IMAGE, [".rootloom"]] }]);
  });

  it("looks at no more of a live root than its images hold", async () => {
    const { walks, sights } = start([tree("/a", "live"), image("/a", ["tmp/*"])]);
    expect(await sights.of("/a", OF_IMAGE)).toEqual({ digest: "/a 0", settled: true });
    expect(walks).toEqual([{ path: "/a", views: [OF_IMAGE] }]);
    expect(await sights.of("/a", [])).toBeUndefined();
  });

  it("leaves it to whoever asks to say why a tree cannot be walked", async () => {
    const { walks, sights } = start([tree("/a", "managed")], true);
    expect(await sights.of("/a", [])).toBeUndefined();
    expect(await sights.of("/other", [])).toBeUndefined();
    expect(walks).toHaveLength(1);
  });
});
