import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile/compile.ts";
import type { PublishResource } from "../../src/core/resource.ts";
import { type Files, head, inputOf, overlayYaml, problemsOf, resourcesOf } from "./written.ts";

const FILES: Files = {
  "volumes/v.yaml": `${head("Volume", "v")}  backend: directory\n`,
  "roots/r.yaml": `${head("Root", "r")}  volume: v\n  source: {mmdebstrap: {suite: s}}\n`,
  "overlays/common/x": "x",
  "overlays/hardware/h/x": "x",
  "overlays/secret-sauce/s/key": "k",
};
const files = (publish: string, more = ""): Files => ({
  ...FILES,
  "images/i.yaml": `${head("Image", "i")}  root: r\n${more}  publish: ${publish}\n`,
});
const published = (publish: string, more = ""): PublishResource =>
  resourcesOf(files(publish, more)).get("publish/i") as PublishResource;

const DIRECTORY = "{directory: /srv/www/i}";
const SSH =
  "host: mirror.example.org, user: rootloom, path: /srv/www/i, identityFile: /etc/k/id, knownHosts: /etc/k/known";
const usual = {
  ...{ id: "publish/i", kind: "publish", name: "i", dependsOn: ["artifact/i"], artifact: "artifact/i" },
  ...{ origin: { document: "Image/i", file: "desired/images/i.yaml", line: 7, column: 12 } },
  ...{
    protect: false,
    onDelete: "retain",
    images: "/state/artifacts/i",
    embedded: undefined,
    keep: 3,
    sign: undefined,
  },
  ...{ checked: false, secret: false, timeout_s: 3600, recheck_s: 86_400 },
};

describe("what is published of an image", () => {
  it("is nothing unless that is declared", () => {
    const image = { "images/i.yaml": `${head("Image", "i")}  root: r\n` };
    expect([...resourcesOf({ ...FILES, ...image }).keys()]).toEqual(["volume/v", "tree/r", "artifact/i"]);
  });

  it("stands in a directory of the host, known by its path, behind the image", () => {
    expect(published(DIRECTORY)).toStrictEqual({
      ...{ ...usual, identity: "path:/srv/www/i", place: { type: "directory", path: "/srv/www/i" } },
    });
  });

  it("stands on another machine, known by its name, port and path", () => {
    const place = {
      ...{ type: "ssh", host: "mirror.example.org", user: "rootloom", port: 22, path: "/srv/www/i" },
      ...{ identityFile: "/etc/k/id", knownHosts: "/etc/k/known" },
    };
    expect(published(`{ssh: {${SSH}}}`)).toStrictEqual({
      ...{ ...usual, identity: "ssh:mirror.example.org:22:/srv/www/i", place },
    });
    expect(published(`{ssh: {${SSH}, port: 2222}}`)).toMatchObject({
      ...{ identity: "ssh:mirror.example.org:2222:/srv/www/i", place: { ...place, port: 2222 } },
    });
  });

  it("stands in a volume behind that one, but on another machine behind none of this host", () => {
    const www = { "volumes/www.yaml": `${head("Volume", "www")}  backend: directory\n  path: /srv/www\n` };
    const needs = (place: string) => resourcesOf({ ...files(place), ...www }).get("publish/i")?.dependsOn;
    expect(needs(DIRECTORY)).toEqual(["artifact/i", "volume/www"]);
    expect(needs(`{ssh: {${SSH}}}`)).toEqual(["artifact/i"]);
  });

  it("is kept, sent and looked at as it declares", () => {
    expect(published("{directory: /srv/www/i, keep: 9, timeout: 90s, recheck: 2h}")).toMatchObject({
      ...{ keep: 9, timeout_s: 90, recheck_s: 7200 },
    });
  });

  it.each([
    ["gpg", "/etc/keys/gpg.asc", { tool: "gpg", key: "/etc/keys/gpg.asc" }],
    ["minisign", "/etc/keys/mini.key", { tool: "minisign", key: "/etc/keys/mini.key" }],
  ])("is signed by %s with a key of the host", (tool, key, sign) => {
    expect(published(`{directory: /srv/www/i, sign: {${tool}: ${key}}}`).sign).toEqual(sign);
  });

  it.each(["gpg", "minisign"])("is signed by no key of %s that lies in the folder of the documents", (tool) => {
    const key = "/srv/config/desired/keys/k";
    expect(problemsOf(files(`{directory: /srv/www/i, sign: {${tool}: ${key}}}`))).toEqual([
      [
        `desired/images/i.yaml:7:${tool === "gpg" ? 48 : 53}: cannot use the key \`${key}\`: it lies in the folder of the documents`,
        "move it to a place that is not in git, and make another: this one may have been seen",
      ],
    ]);
    const input = inputOf(files(`{directory: /srv/www/i, sign: {${tool}: ${key}}}`));
    // Documents of a bare repository lie in no folder of the host.
    expect(compile({ ...input, baseDirectory: undefined }).problems).toEqual([]);
  });

  it("is logged in for by no key that lies in the folder of the documents", () => {
    const ssh = "host: h, user: u, path: /p, identityFile: /srv/config/desired/id, knownHosts: /etc/known";
    expect(problemsOf(files(`{ssh: {${ssh}}}`)).map(([message]) => message)).toEqual([
      "desired/images/i.yaml:7:61: cannot use the key `/srv/config/desired/id`: it lies in the folder of the documents",
    ]);
  });

  it("waits for the boot check where there is one", () => {
    const boot = "  kernelImage: {path: /k}\n  check: {boot: {expect: OK}}\n";
    expect(published(DIRECTORY, boot).checked).toBe(true);
  });
});

describe("an image with a secret overlay", () => {
  const LAYERS = "  overlays: [hardware/h, secret-sauce/s]\n";
  const refused = (line: number, overlay: string) => [
    `desired/images/i.yaml:${line}:12: cannot publish Image i: overlay ${overlay} in it is secret`,
    "leave the overlay out, or say that it may be seen there: `secret: true`",
  ];
  const into = { "overlays/secret-sauce/s/overlay.yaml": overlayYaml("  into: root\n  roots: [r]\n") };

  it("is published only where that is said, readable by its owner alone", () => {
    expect(problemsOf(files(DIRECTORY, LAYERS))).toEqual([refused(8, "secret-sauce/s")]);
    expect(problemsOf(files("{directory: /srv/www/i, secret: false}", LAYERS))).toEqual([refused(8, "secret-sauce/s")]);
    expect(published("{directory: /srv/www/i, secret: true}", LAYERS).secret).toBe(true);
  });

  it("is one, too, whose root has it", () => {
    const laid = { ...files(DIRECTORY), ...into };
    expect(problemsOf(laid)).toEqual([refused(7, "secret-sauce/s")]);
    const said = { ...files("{directory: /srv/www/i, secret: true}"), ...into };
    expect(resourcesOf(said).get("publish/i")).toMatchObject({ secret: true });
  });

  it("is none without one, whatever is said", () => {
    expect(published("{directory: /srv/www/i, secret: true}", "  overlays: [hardware/h]\n").secret).toBe(false);
  });
});
