import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { Ajv } from "ajv";
import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile/compile.ts";
import type { Resource } from "../../src/core/resource.ts";
import { loadDocuments } from "../../src/documents/load.ts";
import { schemaFor } from "../../src/documents/schema.ts";
import { DOCUMENT_KINDS } from "../../src/documents/types.ts";
import { sha256, snapshotOfDirectory } from "../documents/snapshot.ts";

const project = resolve(import.meta.dirname, "../..");
const EXAMPLES = ["desired", "test/examples/baby/desired"];

function compiled(example: string): readonly Resource[] {
  const loaded = loadDocuments(snapshotOfDirectory(join(project, example)));
  const result = compile({ ...loaded, state: "/s", defaults: { jobs: 2, memory_bytes: 1 }, digest: sha256 });
  expect([...loaded.problems, ...result.problems]).toEqual([]);
  return result.graph.resources;
}

describe("the examples", () => {
  it.each(EXAMPLES)("%s: every document starts with the editor's line of its kind", (example) => {
    const directory = join(project, example);
    const documents = readdirSync(directory, { recursive: true, encoding: "utf8" }).filter((path) =>
      path.endsWith(".yaml"),
    );
    expect(documents.length).toBeGreaterThan(2);
    for (const path of documents) {
      const text = readFileSync(join(directory, path), "utf8");
      const [, schema = ""] = /^# yaml-language-server: \$schema=(\S+)\n/.exec(text) ?? [];
      const kind = /^kind: (\w+)$/m.exec(text)?.[1];
      expect(resolve(directory, path, "..", schema)).toBe(join(project, ".schemas", `${kind}.json`));
    }
  });

  it.each(DOCUMENT_KINDS)("the schema of %s is a strict JSON Schema in which every field is described", (kind) => {
    const schema = schemaFor(kind);
    expect(() => new Ajv({ strict: true, allowUnionTypes: true }).compile(schema)).not.toThrow();
    const undescribed: string[] = [];
    const walk = (value: unknown, path: string): void => {
      const properties = (value as { properties?: Record<string, { description?: string }> } | undefined)?.properties;
      for (const [name, property] of Object.entries(properties ?? {})) {
        if ((property.description ?? "") === "") undescribed.push(`${path}.${name}`);
        walk(property, `${path}.${name}`);
        walk((property as { items?: unknown }).items, `${path}.${name}[]`);
      }
    };
    walk(schema, kind);
    expect(undescribed).toEqual([]);
  });

  it("desired/ is a volume, a root of Debian, three private mounts and one gzip image of four layers", () => {
    const resources = compiled("desired");
    expect(resources.map(({ id }) => id)).toEqual([
      "volume/debian",
      "volume/distfiles",
      "tree/debian",
      "mount/debian:/proc",
      "mount/debian:/tmp",
      "mount/debian:/var/cache/apt/archives",
      "artifact/debian",
    ]);
    expect(resources.flatMap((resource) => (resource.kind === "mount" ? [resource.namespace] : []))).toEqual(
      Array(3).fill("private"),
    );
    const [artifact] = resources.filter((resource) => resource.kind === "artifact");
    expect(artifact?.overlays.map(({ name }) => name)).toEqual(["common", "hardware/qemu", "secret-sauce/demo"]);
    const modes = artifact?.overlays.flatMap(({ entries }) =>
      entries.filter(({ type }) => type === "file").map(({ path, mode }) => `${path} ${mode.toString(8)}`),
    );
    expect(modes).toEqual(["etc/motd 644", "init 755", "etc/rootloom/hardware 644", "etc/rootloom/secret 600"]);
  });

  it("baby/ is one volume, root, pair of links and file of variables for each of three architectures", () => {
    const resources = compiled("test/examples/baby/desired");
    const targets = ["i686", "x86_64", "x86_64-64"];
    const volumes = resources.filter((resource) => resource.kind === "volume");
    expect(
      volumes.map(({ name, device, label, path, size_bytes, filesystem, ownership }) => ({
        name,
        device,
        label,
        path,
        size_bytes,
        filesystem,
        ownership,
      })),
    ).toEqual(
      targets.map((name) => ({
        name: `baby-${name}`,
        device: `vg00/baby-${name}`,
        label: `baby-${name}`,
        path: `/media/baby-${name}`,
        size_bytes: 10 * 1024 ** 3,
        filesystem: "ext4",
        ownership: { owner: "builder", group: "builder" },
      })),
    );
    const links = resources.filter((resource) => resource.kind === "link");
    expect(links.map(({ path, target, dependsOn }) => `${path} -> ${target} (${dependsOn})`).sort()).toEqual(
      targets
        .flatMap((name) =>
          ["cross-tools", "tools"].map(
            (tools) => `/${tools}-${name} -> /media/baby-${name}/${tools} (volume/baby-${name})`,
          ),
        )
        .sort(),
    );
    const trees = resources.filter((resource) => resource.kind === "tree");
    expect(trees.map(({ name, path, content }) => `${name} ${path} ${content}`)).toEqual(
      targets.map((name) => `baby-${name} /media/baby-${name} live`),
    );
    const mounts = resources.filter((resource) => resource.kind === "mount" && resource.tree === "tree/baby-i686");
    expect(mounts.map(({ id }) => id)).toEqual([
      "mount/baby-i686:/dev",
      "mount/baby-i686:/proc",
      "mount/baby-i686:/sys",
    ]);
    const environments = resources.filter((resource) => resource.kind === "environment");
    expect(environments.map(({ path, variables }) => [path, variables.CONFIGURE_FLAGS])).toEqual([
      ["/s/environments/baby-i686.env", "--with-arch=i686"],
      ["/s/environments/baby-x86_64.env", ""],
      ["/s/environments/baby-x86_64-64.env", "--with-arch=x86_64 --disable-multilib"],
    ]);
  });
});
