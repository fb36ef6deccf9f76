import { describe, expect, it } from "vitest";
import type { ArtifactResource } from "../../../src/core/resource.ts";
import type { Host } from "../../../src/host/ports.ts";
import type { Seen } from "../../../src/pack/remembered.ts";
import { packFilesystem } from "../../../src/resources/artifact/filesystem.ts";
import type { ApplyContext } from "../../../src/resources/types.ts";
import { packInput, treeLayer } from "../../pack/inputs.ts";

describe("a filesystem image", () => {
  it("is laid out by a scan of its own of what was not at rest: it is packed once only", async () => {
    const asked: unknown[] = [];
    const run = async (job: string, { seen }: { seen?: Seen }) => {
      asked.push([job, seen?.digest, seen?.walk]);
      throw new Error("so far");
    };
    const seen: Seen = { digest: "as it was", settled: false, parts: [], walk: 7 };
    const context = { host: { jobs: { run } } as unknown as Host, cache: "/cache" } as unknown as ApplyContext;
    const places = { image: "/image", manifest: "/manifest", build: "/build" };
    const packing = packFilesystem(
      { format: "squashfs" } as ArtifactResource,
      packInput("/cache", [treeLayer("/root")], { seen }),
      places,
      context,
    );
    await expect(packing).rejects.toThrow("so far");
    expect(asked).toEqual([["layout", "as it was", undefined]]);
  });
});
