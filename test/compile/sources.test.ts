import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile/compile.ts";
import type { ArtifactResource, TreeResource } from "../../src/core/resource.ts";
import { sha256 } from "../documents/snapshot.ts";
import { type Files, head, inputOf, problemsOf, resourcesOf } from "./written.ts";

const hash = "a".repeat(64);
const keys = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n";
const volume = (name: string): Files => ({
  [`${name}.yaml`]: `${head("Volume", name)}  backend: directory\n  path: /srv/${name}\n`,
});
const files = (source: string, more = "  volume: v\n"): Files => ({
  ...volume("v"),
  "keys/release.asc": keys,
  "r.yaml": `${head("Root", "r")}  source: {${source}}\n${more}`,
});
const tree = (source: string): TreeResource => resourcesOf(files(source)).get("tree/r") as TreeResource;
const keyring = { path: "keys/release.asc", sha256: sha256(keys), content: "/cache/blobs/keys/release.asc" };

describe("a tarball", () => {
  it("of the web is named by its address, with what proves it", () => {
    const source = `tarball: {url: "https://example.invalid/s.tar.xz", sha512: ${"b".repeat(128)},
      digests: "https://example.invalid/s.DIGESTS", signature: keys/s.asc, keyring: keys/release.asc, maxSize: 1GiB}`;
    expect(tree(source).source).toEqual({
      ...{ type: "tarball", location: "https://example.invalid/s.tar.xz", sha512: "b".repeat(128) },
      ...{ digests: "https://example.invalid/s.DIGESTS", signature: "/srv/config/desired/keys/s.asc", keyring },
      ...{ maxSize_bytes: 1024 ** 3, sourceDate_s: 0 },
    });
  });

  it("at a file: address is that path", () => {
    expect(tree(`tarball: {url: "file:///media/s.tar", sha256: ${hash}}`).source).toEqual({
      ...{ type: "tarball", location: "/media/s.tar", sha256: hash, sourceDate_s: 0 },
    });
  });

  it("whose keyring is not committed is refused, and so is any place that a bare repository cannot tell", () => {
    const source = `tarball: {path: s.tar, digests: s.DIGESTS, signature: s.asc, keyring: nowhere.asc}`;
    const input = inputOf(files(source));
    const refused = (column: number, message: string, hint: string) => ({
      ...{ file: "desired/r.yaml", line: 6, column, message, hint },
    });
    const missing = refused(
      82,
      "cannot find the keyring `nowhere.asc` in the folder of the documents",
      "commit the file of public keys there",
    );
    expect(compile(input).problems).toEqual([missing]);
    const placeless = (column: number, what: string, path: string) =>
      refused(
        column,
        `cannot find the ${what} \`${path}\`: the documents come from no checkout`,
        "write its absolute path",
      );
    expect(compile({ ...input, baseDirectory: undefined }).problems).toEqual([
      ...[placeless(28, "tarball", "s.tar"), placeless(44, "digests", "s.DIGESTS")],
      ...[placeless(66, "signature", "s.asc"), missing],
    ]);
  });
});

describe("a bootstrap", () => {
  it("by debootstrap has all that was written, its lists sorted", () => {
    const written = "suite: s, variant: buildd, include: [b, a], exclude: [d, c], keyring: keys/release.asc";
    expect(tree(`debootstrap: {${written}, mirror: "file:///m"}`).source).toEqual({
      ...{ type: "debootstrap", suite: "s", variant: "buildd", include: ["a", "b"], architecture: undefined },
      ...{ mirror: "file:///m", components: ["main"], keyring, exclude: ["c", "d"] },
    });
    expect(tree("debootstrap: {suite: s}").source).toEqual({
      ...{ type: "debootstrap", suite: "s", variant: "minbase", include: [], architecture: undefined },
      ...{ mirror: undefined, components: ["main"], exclude: [] },
    });
  });

  it("by mmdebstrap excludes nothing, and names where its keyring is missing", () => {
    expect(tree("mmdebstrap: {suite: s, keyring: keys/release.asc}").source).toEqual({
      ...{ type: "mmdebstrap", suite: "s", variant: "minbase", include: [], architecture: undefined },
      ...{ mirror: undefined, components: ["main"], keyring },
    });
    expect(problemsOf(files("mmdebstrap: {suite: s, keyring: keys}"))).toEqual([
      [
        "desired/r.yaml:6:44: cannot find the keyring `keys` in the folder of the documents",
        "commit the file of public keys there",
      ],
    ]);
  });

  it("cannot have a keyring that is read as a document: no tool could open it", () => {
    const written = { ...files("debootstrap: {suite: s, keyring: keys/release.kconfig}"), "keys/release.kconfig": "" };
    expect(problemsOf(written)).toEqual([
      [
        expect.stringContaining(
          "cannot use the keyring `keys/release.kconfig`: files with this ending are read as documents",
        ),
        "rename it: keys/release.asc",
      ],
    ]);
  });
});

describe("a clone", () => {
  const clone = (name: string, of: string): Files => ({
    ...volume(name),
    [`root-${name}.yaml`]: `${head("Root", name)}  volume: ${name}\n  source: {clone: {root: ${of}}}\n`,
    [`image-${name}.yaml`]: `${head("Image", name)}  root: ${name}\n  common: false\n`,
  });
  const dateOf = (origin: string): unknown => {
    const resources = resourcesOf({ ...files(origin), ...clone("c", "r"), ...clone("d", "c") });
    return (resources.get("artifact/d") as ArtifactResource & { base: { sourceDate_s: unknown } }).base.sourceDate_s;
  };

  it("is filled from another root, on which it depends", () => {
    const made = resourcesOf({ ...files("mmdebstrap: {suite: s}"), ...clone("c", "r") }).get("tree/c");
    expect(made).toMatchObject({
      ...{ path: "/srv/c/root", content: "managed", dependsOn: ["tree/r", "volume/c"] },
      source: { type: "clone", tree: "tree/r", path: "/srv/v/root", volumePath: "/srv/v" },
    });
  });

  it("has the date of what it was copied from, through any number of copies", () => {
    expect(dateOf(`tarball: {path: /s.tar, sha256: ${hash}, sourceDate: 60}`)).toBe(60);
    expect(dateOf("debootstrap: {suite: s}")).toBe("release");
    expect(dateOf("existing: {}")).toBeUndefined();
  });

  it("of a clone of itself is a cycle, and is named as one", () => {
    expect(problemsOf({ ...clone("c", "d"), ...clone("d", "c") })[0]?.[0]).toBe(
      "desired/root-c.yaml:1:1: cannot order the resources: tree/c needs tree/d needs tree/c",
    );
  });
});
