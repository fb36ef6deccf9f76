import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile/compile.ts";
import { kernelConfigKey } from "../../src/compile/kernels.ts";
import { type Files, head, inputOf, overlayYaml } from "./written.ts";

/** Every place where one document names another. */
const FILES: Files = {
  "volumes/v.yaml": `${head("Volume", "v")}  backend: directory\n`,
  "volumes/w.yaml": `${head("Volume", "w")}  backend: directory\n`,
  "volumes/x.yaml": `${head("Volume", "x")}  backend: directory\n`,
  "targets/t.yaml": `${head("ArchTarget", "t")}  cpu: x86_64\n`,
  "roots/r.yaml": `${head("Root", "r")}  volume: v\n  source: {mmdebstrap: {suite: s}}
  mounts: [{target: /w, type: bind, volume: w}, {target: /b, type: bind, image: b}]\n`,
  "roots/c.yaml": `${head("Root", "c")}  volume: w\n  source: {clone: {root: r}}\n`,
  "roots/k.yaml": `${head("Root", "k")}  volume: v\n  path: k\n  source: {mmdebstrap: {suite: s}}\n`,
  "kernels/k.kconfig": "CONFIG_A=y\n",
  "kernels/k.yaml": `${head("KernelConfig", "k")}  config: k.kconfig\n  source: {volume: {name: x}}
  target: t\n  initramfs: e\n  buildIn: r\n  modules: {}\n`,
  "overlays/common/x": "x",
  "overlays/hardware/h/y": "y",
  "overlays/hardware/h/overlay.yaml": overlayYaml("  into: root\n  roots: [k]\n"),
  "images/b.yaml": `${head("Image", "b")}  root: k\n  kernelImage: {kernel: k}\n  modules: {kernel: k}
  firmware: {volume: {name: x}, files: [a]}\n`,
  "images/e.yaml": `${head("Image", "e")}  root: c\n  kernelImage: {root: r}\n  modules: {root: r}
  firmware: {root: r, files: [a]}\n  boot: {form: uki, microcode: "root:lib/ucode"}\n  publish: {directory: /srv/www}\n`,
};

describe("a document that others name and nobody declares", () => {
  const written = inputOf(FILES);
  const merged = new Map([[kernelConfigKey("k"), { sha256: "", size: 0, content: "" }]]);
  const { documents } = written;
  /** Of the rest without it: what is there, and what each needs of it. */
  const compiled = (gone: string) => {
    const left = documents.filter(({ kind, name }) => `${kind}/${name}` !== gone);
    return compile({ ...written, merged, documents: left });
  };

  it.each(documents.map(({ kind, name }) => `${kind}/${name}`))(
    "%s: the rest is compiled, and names only what is there",
    (gone) => {
      const { resources } = compiled(gone).graph;
      const ids = new Set(resources.map(({ id }) => id));
      expect(resources.flatMap(({ dependsOn }) => dependsOn).filter((id) => !ids.has(id))).toEqual([]);
    },
  );

  it("Root/r: a copy of it is of no place", () => {
    const copy = compiled("Root/r").graph.resources.find(({ id }) => id === "tree/c");
    expect(copy).toMatchObject({ source: { type: "clone", tree: "tree/r", path: "", volumePath: "" } });
  });

  it.each([
    ["Root/r", ["tree/r", "mount/r:/b", "mount/r:/w"]],
    ["Root/k", ["tree/k", "overlay/hardware/h@k", "artifact/b"]],
    ["Volume/w", ["volume/w", "tree/c", "artifact/e", "publish/e"]],
    ["KernelConfig/k", ["kernel/k"]],
    ["Image/e", ["artifact/e", "publish/e"]],
    ["Overlay/hardware/h", ["overlay/hardware/h@k"]],
  ])("%s: nothing is said of it again, and what cannot be without it is left out", (gone, missing) => {
    const { graph, problems } = compiled(gone);
    expect(problems.filter(({ message }) => !message.startsWith("cannot order"))).toEqual([]);
    const ids = new Set(graph.resources.map(({ id }) => id));
    const all = compiled("").graph.resources.map(({ id }) => id);
    expect(all.filter((id) => !ids.has(id))).toEqual(missing);
  });
});
