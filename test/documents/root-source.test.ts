import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile/compile.ts";
import type { Resource, TreeResource } from "../../src/core/resource.ts";
import { loadDocuments } from "../../src/documents/load.ts";
import { sha256, snapshotOf, type Written } from "./snapshot.ts";

const head = (kind: string, name: string): string =>
  `apiVersion: rootloom/v1\nkind: ${kind}\nmetadata:\n  name: ${name}\nspec:\n`;
const VOLUME = { "volumes/a.yaml": `${head("Volume", "a")}  backend: directory\n` };
/** The source begins on line 7, its fields on line 9. */
const root = (source: string): Record<string, Written> => ({
  ...VOLUME,
  "roots/a.yaml": `${head("Root", "a")}  volume: a\n  source:\n${source.replace(/^/gm, "    ")}\n`,
});
const HASH = "a".repeat(64);

function problemsOf(files: Readonly<Record<string, Written>>, baseDirectory: string | undefined = "/srv/desired") {
  const snapshot = snapshotOf(files);
  const loaded = loadDocuments(snapshot);
  const defaults = { jobs: 2, memory_bytes: 1024 };
  const compiled = compile({
    ...loaded,
    files: snapshot.files,
    state: "/state",
    baseDirectory,
    defaults,
    digest: sha256,
  });
  const all = loaded.problems.length > 0 ? loaded.problems : compiled.problems;
  return { lines: all.map((it) => `${it.line}:${it.column}: ${it.message}: ${it.hint}`), graph: compiled.graph };
}
const told = (source: string) => problemsOf(root(source)).lines;

function sourceOf(files: Readonly<Record<string, Written>>): TreeResource["source"] | undefined {
  const { lines, graph } = problemsOf(files);
  expect(lines).toEqual([]);
  const isTree = (resource: Resource): resource is TreeResource => resource.kind === "tree";
  return graph.resources.filter(isTree).find(({ name }) => name === "a")?.source;
}

describe("a tarball", () => {
  it.each([
    [
      "no place",
      `tarball:\n  sha256: ${HASH}`,
      "9:7: cannot find the tarball: neither `path` nor `url` says where it is: write either",
    ],
    [
      "two places",
      `tarball:\n  path: /a\n  url: https://a.org/a\n  sha256: ${HASH}`,
      "9:7: cannot find the tarball: both",
    ],
    [
      "an address as path",
      `tarball:\n  path: https://a.org/a\n  sha256: ${HASH}`,
      "9:13: cannot use an address as path: it is an address: write `url:`",
    ],
    ["a path as address", `tarball:\n  url: /a\n  sha256: ${HASH}`, "9:12: cannot fetch the tarball: it is a path"],
    [
      "another protocol",
      `tarball:\n  url: ftp://a.org/a\n  sha256: ${HASH}`,
      "9:12: cannot fetch the tarball: ftp: is not fetched",
    ],
    [
      "an address of a folder",
      `tarball:\n  url: https://a.org/\n  sha256: ${HASH}`,
      "9:12: cannot fetch the tarball: it names no file",
    ],
    [
      "a crooked file address",
      `tarball:\n  url: file://host/a\n  sha256: ${HASH}`,
      "9:12: cannot fetch the tarball: a file: address names a host",
    ],
    [
      "nothing to check it by",
      "tarball:\n  path: /a",
      "9:7: cannot use the tarball: nothing says that it is the right one: add `sha256:`",
    ],
    [
      "a short sha512",
      `tarball:\n  path: /a\n  sha512: ${HASH}`,
      "10:15: cannot use the tarball's sha512: it is not 128 hex digits",
    ],
    [
      "a signature and no keyring",
      "tarball:\n  path: /a\n  signature: /a.asc",
      "10:18: cannot check the signature: no `keyring` says who",
    ],
    [
      "a keyring and nothing signed",
      `tarball:\n  path: /a\n  sha256: ${HASH}\n  keyring: k.asc`,
      "11:16: cannot use the keyring: nothing that is signed",
    ],
    [
      "a keyring elsewhere",
      "tarball:\n  path: /a\n  signature: /a.asc\n  keyring: /etc/k",
      "11:16: cannot use the keyring `/etc/k`: it is absolute",
    ],
    [
      "a keyring that is not there",
      "tarball:\n  path: /a\n  signature: /a.asc\n  keyring: k.asc",
      "11:16: cannot find the keyring `k.asc` in the folder",
    ],
    [
      "a size that is none",
      `tarball:\n  path: /a\n  sha256: ${HASH}\n  maxSize: big`,
      "11:16: cannot read the size `big`",
    ],
    [
      "http: and digests alone",
      "tarball:\n  url: http://a.org/a\n  digests: https://a.org/d",
      "9:12: cannot trust the tarball: http: lets anybody",
    ],
    [
      "digests by http:",
      "tarball:\n  url: https://a.org/a\n  digests: http://a.org/d",
      "10:16: cannot trust the digests: http: lets anybody",
    ],
  ])("with %s is told with its place", (_name, source, problem) => {
    expect(told(source)).toEqual([expect.stringContaining(problem)]);
  });

  it("may come over http: where a hash of the commit, or a signature, says that it is right", () => {
    const keys = { "k.asc": "keys" };
    expect(told(`tarball: {url: "http://a.org/a", sha256: ${HASH}}`)).toEqual([]);
    const signed = root('tarball: {url: "http://a.org/a", signature: "http://a.org/s", keyring: k.asc}');
    expect(problemsOf({ ...signed, ...keys }).lines).toEqual([]);
  });

  it.each(["url", "digests", "signature"])(
    "with a password in its %s is refused, and the password is not told",
    (field) => {
      const place = field === "url" ? "" : "  url: https://a.org/a\n";
      const lines = told(`tarball:\n  sha256: ${HASH}\n${place}  ${field}: https://me:secret@a.org/a\n  keyring: k`);
      expect(lines).toContainEqual(expect.stringContaining("it holds a user name or a password"));
      expect(lines.join("\n")).not.toContain("secret");
    },
  );

  it("becomes a source with absolute places, its keyring by content, and only what was declared", () => {
    const text =
      "tarball: {path: ../s/a.tar.xz, digests: 'https://a.org/D', keyring: keys/k.asc, maxSize: 1M, sourceDate: 7}";
    expect(sourceOf({ ...root(text), "keys/k.asc": "keys" })).toEqual({
      type: "tarball",
      location: "/srv/s/a.tar.xz",
      digests: "https://a.org/D",
      keyring: { path: "keys/k.asc", sha256: sha256("keys"), content: "/cache/blobs/keys/k.asc" },
      maxSize_bytes: 1 << 20,
      sourceDate_s: 7,
    });
    expect(sourceOf(root(`tarball: {url: "file:///s/a%20b.tar", sha256: ${HASH}}`))).toMatchObject({
      location: "/s/a b.tar",
    });
  });

  it("with a relative place needs a checkout", () => {
    const { lines } = problemsOf(root(`tarball: {path: a.tar, sha256: ${HASH}, digests: D}`), "");
    expect(lines).toEqual([]);
    const without = snapshotOf(root(`tarball: {path: a.tar, sha256: ${HASH}, digests: D}`));
    const loaded = loadDocuments(without);
    const { problems } = compile({
      ...loaded,
      state: "/state",
      defaults: { jobs: 1, memory_bytes: 1 },
      digest: sha256,
    });
    expect(problems.map(({ message }) => message)).toEqual([
      "cannot find the tarball `a.tar`: the documents come from no checkout",
      "cannot find the digests `D`: the documents come from no checkout",
    ]);
  });

  it("that is only packed is a file of this host with its sha256", () => {
    const packed = (tarball: string) =>
      problemsOf({ "roots/a.yaml": `${head("Root", "a")}  source:\n    tarball: ${tarball}\n` }).lines;
    expect(packed(`{path: /a, sha256: ${HASH}}`)).toEqual([]);
    expect(packed(`{url: "file:///a", sha256: ${HASH}}`)).toEqual([]);
    expect(packed(`{path: /a, maxSize: 1GiB, sha256: ${HASH}}`)).toEqual([]);
    expect(packed(`{url: "https://a.org/a", sha256: ${HASH}}`)).toEqual([
      expect.stringContaining("cannot use `url`: the root has no volume, its tarball is only packed"),
    ]);
    expect(packed(`{path: /a, sha512: ${HASH}${HASH}}`)).toEqual([
      expect.stringContaining("cannot pack a tarball whose `sha256` is not declared"),
    ]);
  });
});

describe("a bootstrap", () => {
  it("by debootstrap has its own variants, and packages to leave out", () => {
    const text = "debootstrap: {suite: trixie, exclude: [vim, nano], keyring: k.gpg, architecture: arm64}";
    expect(sourceOf({ ...root(text), "k.gpg": "keys" })).toEqual({
      type: "debootstrap",
      suite: "trixie",
      variant: "minbase",
      include: [],
      exclude: ["nano", "vim"],
      architecture: "arm64",
      mirror: undefined,
      components: ["main"],
      keyring: { path: "k.gpg", sha256: sha256("keys"), content: "/cache/blobs/k.gpg" },
    });
    expect(told("debootstrap:\n  suite: trixie\n  variant: extract")).toEqual([
      expect.stringContaining('10:16: cannot use `spec.source.debootstrap.variant`: "extract" is none of its values'),
    ]);
  });

  it("takes no word that reads as an option, and no mirror with a password", () => {
    expect(told("debootstrap:\n  suite: trixie\n  exclude: [--foreign]")).toEqual([
      expect.stringContaining("10:17: cannot use `--foreign`: write one word"),
    ]);
    const lines = told('mmdebstrap:\n  suite: trixie\n  mirror: "https://me:secret@a.org"');
    expect(lines).toEqual([expect.stringContaining("10:15: cannot use the mirror: it holds a password")]);
    expect(lines.join()).not.toContain("secret");
  });
});

describe("a clone", () => {
  const clone = (name: string, origin: string) => ({
    [`volumes/${name}.yaml`]: `${head("Volume", name)}  backend: directory\n`,
    [`roots/${name}.yaml`]: `${head("Root", name)}  volume: ${name}\n  source:\n    clone:\n      root: ${origin}\n`,
  });
  const ORIGIN = root(`tarball: {path: /a, sha256: ${HASH}, sourceDate: 9}`);

  it("depends on its origin, and its images have the origin's date", () => {
    const image = { "images/b.yaml": `${head("Image", "b")}  root: b\n`, "overlays/common/init": "x" };
    const { lines, graph } = problemsOf({ ...ORIGIN, ...clone("b", "a"), ...image });
    expect(lines).toEqual([]);
    expect(graph.resources.find(({ id }) => id === "tree/b")).toMatchObject({
      dependsOn: ["tree/a", "volume/b"],
      source: { type: "clone", tree: "tree/a", path: "/state/volumes/a/root", volumePath: "/state/volumes/a" },
    });
    expect(graph.resources.find(({ id }) => id === "artifact/b")).toMatchObject({ base: { sourceDate_s: 9 } });
  });

  it("of a root that is not declared, or that has no volume, is told with its place", () => {
    expect(problemsOf(clone("b", "nobody")).lines).toEqual([
      expect.stringContaining("9:13: cannot find Root `nobody`, which Root b names"),
    ]);
    const packed = { "roots/a.yaml": `${head("Root", "a")}  source: {tarball: {path: /a, sha256: ${HASH}}}\n` };
    expect(problemsOf({ ...packed, ...clone("b", "a") }).lines).toEqual([
      expect.stringContaining("9:13: cannot clone Root a: it has no volume"),
    ]);
  });

  it("of itself, or round about, is a cycle that is named", () => {
    expect(problemsOf(clone("b", "b")).lines).toEqual([
      expect.stringContaining("cannot order the resources: tree/b needs tree/b"),
    ]);
    const { lines } = problemsOf({ ...clone("b", "c"), ...clone("c", "b") });
    expect(lines).toEqual([expect.stringMatching(/cannot order the resources: tree\/(b|c) needs tree\/(c|b) needs/)]);
  });
});
