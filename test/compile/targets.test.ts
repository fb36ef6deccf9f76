import { describe, expect, it } from "vitest";
import type { EnvironmentResource } from "../../src/core/resource.ts";
import { head, resourcesOf } from "./written.ts";

const target = (spec: string) => ({ "t.yaml": `${head("ArchTarget", "t")}${spec}` });
const origin = (column: number) => ({ document: "ArchTarget/t", file: "desired/t.yaml", line: 6, column });

describe("a target", () => {
  it("is nothing on the host unless it declares links or a file", () => {
    expect([...resourcesOf(target("  cpu: i686\n  variables: {A: x}\n")).values()]).toEqual([]);
  });

  it("brings its links, which depend on nothing", () => {
    expect([...resourcesOf(target("  links: [{path: /tools, to: /media/t/tools}]\n")).values()]).toEqual([
      {
        ...{ id: "link/t:/tools", kind: "link", name: "t:/tools", identity: "path:/tools", dependsOn: [] },
        ...{ origin: origin(11), protect: false, onDelete: "destroy", path: "/tools", target: "/media/t/tools" },
      },
    ]);
  });

  it("writes its variables, sorted by name, into a file below the state directory", () => {
    const spec = "  environmentFile: env/t\n  variables: {B: y, C: z, A: x}\n  links: [{path: /tools, to: x}]\n";
    const resources = [...resourcesOf(target(spec)).values()];
    expect(resources.map(({ id }) => id)).toEqual(["link/t:/tools", "environment/t"]);
    expect(resources[1]).toEqual({
      ...{ id: "environment/t", kind: "environment", name: "t", identity: "path:/state/env/t", dependsOn: [] },
      ...{ origin: origin(20), protect: false, onDelete: "destroy", path: "/state/env/t", mode: 0o644 },
      variables: { A: "x", B: "y", C: "z" },
    });
    expect(Object.keys((resources[1] as EnvironmentResource).variables)).toEqual(["A", "B", "C"]);
  });

  it("without variables writes an empty file", () => {
    const resources = resourcesOf(target("  environmentFile: /srv/t.env\n"));
    expect(resources.get("environment/t")).toMatchObject({ path: "/srv/t.env", variables: {} });
  });

  it("depends on the volumes in which its link and its file stand", () => {
    const spec = "  environmentFile: /srv/v/t.env\n  links: [{path: /srv/v/tools, to: x}]\n";
    const volume = `${head("Volume", "v")}  backend: directory\n  path: /srv/v\n`;
    const resources = resourcesOf({ ...target(spec), "v.yaml": volume });
    expect([...resources.values()].map(({ id, dependsOn }) => [id, ...dependsOn])).toEqual([
      ["volume/v"],
      ["link/t:/srv/v/tools", "volume/v"],
      ["environment/t", "volume/v"],
    ]);
  });
});
