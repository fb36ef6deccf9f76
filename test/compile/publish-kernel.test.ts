import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile/compile.ts";
import { kernelConfigKey } from "../../src/compile/kernels.ts";
import { type Files, head, inputOf } from "./written.ts";

const FILES: Files = {
  "kernels/k.kconfig": "CONFIG_A=y\n",
  "volumes/v.yaml": `${head("Volume", "v")}  backend: directory\n`,
  "roots/r.yaml": `${head("Root", "r")}  volume: v\n  source: {mmdebstrap: {suite: s}}\n`,
  "images/a.yaml": `${head("Image", "a")}  root: r\n`,
};

function published(spec: string, more: Files = {}) {
  const files = { ...FILES, "kernels/k.yaml": `${head("KernelConfig", "k")}  config: k.kconfig\n${spec}`, ...more };
  const merged = new Map([[kernelConfigKey("k"), { sha256: "c1", size: 1, content: "/cache/c1" }]]);
  const { graph, problems } = compile({ ...inputOf(files), merged });
  const found = graph.resources.filter(({ kind }) => kind === "publish");
  const told = problems.map(({ line, column, message, hint }) => `${line}:${column}: ${message}: ${hint}`);
  return { found, resources: graph.resources, problems: problems.map(({ message }) => message), told };
}
const KERNEL = "  source: {directory: /usr/src/linux}\n  initramfs: a\n  publish: {directory: /srv/www/k, keep: 2}\n";

describe("a kernel that is published", () => {
  it("is its current generation, with the image that is in it named, behind its build and, where one is declared, its check", () => {
    expect(published(KERNEL).found).toMatchObject([
      {
        ...{ id: "publish/k", artifact: "kernel/k", dependsOn: ["kernel/k"], images: "/state/kernels/k" },
        ...{
          embedded: "/state/artifacts/a",
          checked: false,
          keep: 2,
          place: { type: "directory", path: "/srv/www/k" },
        },
      },
    ]);
    const checked = published(`${KERNEL}  check: {boot: {expect: UP}}\n`).found;
    expect(checked).toMatchObject([{ checked: true }]);
  });

  it("has a name that no image is published under", () => {
    const image = { "images/k.yaml": `${head("Image", "k")}  root: r\n  publish: {directory: /srv/www/i}\n` };
    expect(published(KERNEL, image).told).toEqual([
      "9:12: cannot publish KernelConfig k: Image k is published under that name: give one of the two another name",
    ]);
  });

  it("has nothing of the images that are not in it", () => {
    const image = {
      "images/a.yaml": `${head("Image", "a")}  root: r\n  overlays: [secret-sauce/x]\n`,
      "overlays/secret-sauce/x/etc/key": "hush",
    };
    const { found, problems } = published(KERNEL.replace("  initramfs: a\n", ""), image);
    expect([problems, found]).toEqual([[], [expect.objectContaining({ embedded: undefined, secret: false })]]);
  });

  it("is refused with a secret overlay in its image, unless that is said", () => {
    const image = {
      "images/a.yaml": `${head("Image", "a")}  root: r\n  overlays: [secret-sauce/x]\n`,
      "overlays/secret-sauce/x/etc/key": "hush",
    };
    expect(published(KERNEL, image).problems).toEqual([
      "cannot publish KernelConfig k: overlay secret-sauce/x in it is secret",
    ]);
    const said = published(KERNEL.replace("keep: 2", "keep: 2, secret: true"), image);
    expect([said.problems, said.found]).toEqual([[], [expect.objectContaining({ secret: true })]]);
  });
});

it("a kernel whose modules are in the image that is embedded in it has these made first, from the same source", () => {
  const image = { "images/a.yaml": `${head("Image", "a")}  root: r\n  modules: {kernel: k}\n` };
  const { resources, problems } = published(
    "  source: {volume: {name: v, path: linux}}\n  initramfs: a\n  needs: add\n  modules: {}\n",
    image,
  );
  expect(problems).toEqual([]);
  const needs = new Map(resources.map(({ id, dependsOn }) => [id, dependsOn]));
  expect(needs.get("kernel/k@modules")).toEqual(["volume/v"]);
  expect(needs.get("artifact/a")).toEqual(["kernel/k@modules", "tree/r"]);
  expect(needs.get("kernel/k")).toEqual(["artifact/a", "volume/v"]);
  expect(resources.find(({ id }) => id === "kernel/k@modules")).toMatchObject({
    ...{ path: "/state/kernels/k@modules", identity: "path:/state/kernels/k@modules" },
  });
});
