import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { makeSite, type Ran, type Site, sha256Of } from "../kit.ts";
import { openPublisher, type Publisher } from "./publisher.ts";
import { changesOf, document, leftovers, rootOf, small, tarball } from "./small-site.ts";

let publisher: Publisher;
let site: Site;
let sha256 = "";
let sha512 = "";
const compressed = new Map<string, Buffer>();

beforeAll(async () => {
  publisher = await openPublisher();
  for (const [ending, tool] of Object.entries(TOOLS))
    compressed.set(ending, tool === "" ? readFileSync(tarball) : execFileSync(tool, ["-c", tarball], BIG));
  for (const [ending, bytes] of compressed) publisher.publish(`stage.tar${ending}`, bytes);
  sha256 = sha256Of(join(publisher.folder, "stage.tar.xz"));
  sha512 = sumOf("sha512sum", "stage.tar.xz");
}, 120_000);
afterAll(() => publisher.remove());
afterEach(() => site.remove());

const TOOLS = { "": "", ".gz": "gzip", ".xz": "xz", ".zst": "zstd", ".bz2": "bzip2" };
const BIG = { maxBuffer: 1 << 26 };
const sumOf = (tool: string, name: string) =>
  execFileSync(tool, [join(publisher.folder, name)], { encoding: "utf8" }).split(" ")[0] ?? "";
const stage = () => join(publisher.folder, "stage.tar.xz");

function makeSiteOf(source: object, keys = publisher.keyring("release"), host: object = {}): void {
  site = makeSite({
    "desired/host.yaml": document("Host", "host", host),
    "desired/volumes/small.yaml": small["desired/volumes/small.yaml"],
    "desired/roots/small.yaml": rootFrom(source),
    "desired/keys/release.asc": keys,
  });
  publisher.requests();
}
const rootFrom = (source: object) => document("Root", "small", { volume: "small", source: { tarball: source } });
const run = (...words: readonly string[]): Ran => site.run("--ca-file", publisher.caFile, ...words);

function applied(...words: readonly string[]): void {
  const ran = run(...words, "apply");
  expect(ran.exitCode, ran.stdout + ran.stderr).toBe(0);
  expect(existsSync(rootOf(site, "bin/busybox")) || existsSync(rootOf(site, "usr/bin/busybox"))).toBe(true);
}

function refused(expected: RegExp, ...words: readonly string[]): void {
  const ran = run(...words, "apply");
  expect([ran.exitCode, ran.stdout + ran.stderr]).toEqual([1, expect.stringMatching(expected)]);
  expect(existsSync(rootOf(site))).toBe(false);
  expect(leftovers(site)).toEqual([]);
}

/** SourceVerified of the root, as `status --json` shows it. */
function verdict(): string | undefined {
  const { conditions } = JSON.parse(run("status", "--json").stdout) as { conditions: readonly Condition[] };
  const found = conditions.find(({ object, type }) => object === "tree/small" && type === "SourceVerified");
  return found === undefined ? undefined : `${found.status}: ${found.message}`;
}
interface Condition {
  readonly object: string;
  readonly type: string;
  readonly status: string;
  readonly message: string;
}
const filesOf = (name: string) => (existsSync(join(site.cache, name)) ? readdirSync(join(site.cache, name)) : []);

describe("a stage tarball on this host", () => {
  it.each(Object.keys(TOOLS))("is extracted when it is compressed as stage.tar%s", (ending) => {
    const path = join(publisher.folder, `stage.tar${ending}`);
    makeSiteOf({ url: `file://${path}`, sha256: sha256Of(path) });
    applied();
    expect(changesOf(site)).toEqual([]);
    expect(verdict()).toBe("True: checked by sha256");
  });

  it("is checked by its sha512, and not extracted when that is another", () => {
    makeSiteOf({ path: stage(), sha512 });
    applied();
    expect(verdict()).toBe("True: checked by sha512");
    const other = sha512.replace(/^./, (digit) => (digit === "0" ? "1" : "0"));
    site.commit({ "desired/roots/small.yaml": rootFrom({ path: stage(), sha512: other }) });
    const ran = run("apply", "--yes");
    expect([ran.exitCode, ran.stdout]).toEqual([1, expect.stringMatching(/sha512 of .* is [0-9a-f]{128}/)]);
    expect(verdict()).toMatch(/^False: cannot use the source of tree small: sha512/);
    // Asked by a person it is tried again, and is as wrong as before.
    run("apply", "--yes");
    expect(verdict()).toMatch(/^False/);
  });
});

describe("digests", () => {
  const gentoo = (hash = sha512) =>
    `# BLAKE2B HASH\n${"0".repeat(128)}  stage.tar.xz\n# SHA512 HASH\n${hash}  stage.tar.xz\n# SHA512 HASH\n${"1".repeat(128)}  stage.tar.xz.CONTENTS.gz\n`;
  const wrong = "f".repeat(128);

  it("in sections by algorithm name the tarball by its last name", () => {
    publisher.publish("stage.tar.xz.DIGESTS", gentoo());
    makeSiteOf({ path: stage(), digests: `${stage()}.DIGESTS` });
    applied();
    expect(verdict()).toBe("True: checked by digests");
  });

  it("that say otherwise keep the tarball from being extracted", () => {
    publisher.publish("stage.tar.xz.DIGESTS", gentoo(wrong));
    makeSiteOf({ path: stage(), digests: `${stage()}.DIGESTS` });
    refused(/sha512 of .* is .*, f{128} is in .*DIGESTS/s);
  });

  it("that are clearsigned count only as far as they are signed, and the signature counts for the tarball", () => {
    const signed = publisher.clearsign("release", gentoo(wrong));
    publisher.publish("stage.tar.xz.DIGESTS", `# SHA512 HASH\n${sha512}  stage.tar.xz\n${signed}`);
    makeSiteOf({ path: stage(), digests: `${stage()}.DIGESTS`, keyring: "keys/release.asc" });
    refused(/f{128} is in/);
    publisher.publish("stage.tar.xz.DIGESTS", publisher.clearsign("release", gentoo()));
    const ran = run("trigger", "tree/small");
    expect(ran.exitCode, ran.stdout + ran.stderr).toBe(0);
    expect(verdict()).toBe(`True: checked by digests signed by ${publisher.fingerprint("release")}`);
    expect(leftovers(site)).toEqual([]);
  });

  it("may be signed beside, as SHA256SUMS often are, and be fetched", () => {
    const sums = `${"0".repeat(64)} *other.tar.xz\n${sha256} *stage.tar.xz\n`;
    publisher.publish("SHA256SUMS", sums);
    publisher.publish("SHA256SUMS.asc", publisher.sign("release", sums));
    const at = (name: string) => `${publisher.http}/${name}`;
    const places = { url: at("stage.tar.xz"), digests: at("SHA256SUMS"), signature: at("SHA256SUMS.asc") };
    makeSiteOf({ ...places, keyring: "keys/release.asc" });
    applied();
    expect(filesOf("downloads")).toEqual([]);
  });

  it("that nobody of the keyring signed are refused", () => {
    publisher.publish("stage.tar.xz.DIGESTS", gentoo());
    makeSiteOf({ path: stage(), digests: `${stage()}.DIGESTS`, keyring: "keys/release.asc" });
    refused(/cannot trust the digests .*: there is no signature in it/);
  });
});

describe("an OpenPGP signature", () => {
  const signedBy = (key: string, content: Uint8Array = compressed.get(".xz") as Uint8Array, ...more: string[]) => {
    publisher.publish("stage.tar.xz.asc", publisher.sign(key, content, ...more));
    return { url: `file://${stage()}`, signature: `${stage()}.asc`, keyring: "keys/release.asc" };
  };

  it("by a key of the keyring is enough, and leaves neither a home nor an agent behind", () => {
    makeSiteOf(signedBy("release"));
    const before = readdirSync("/tmp");
    applied();
    const made = readdirSync("/tmp").filter((name) => !before.includes(name) && /gnupg|home/.test(name));
    expect(made).toEqual([]);
    expect(agentsOf(site.directory)).toEqual([]);
    expect(verdict()).toBe(`True: checked by signature of ${publisher.fingerprint("release")}`);
    expect(changesOf(site)).toEqual([]);
  });

  it("of other content is refused, with the key", () => {
    makeSiteOf(signedBy("release", Buffer.from("something else")));
    refused(/the signature of key [0-9A-F]{16} is not of this content .*keyring keys\/release.asc/);
    expect(verdict()).toMatch(/^False/);
  });

  it("by a key that is not in the keyring is refused, with the key's id", () => {
    makeSiteOf(signedBy("other"));
    refused(new RegExp(`key ${publisher.fingerprint("other").slice(-16)} is not in the keyring`));
  });

  it("by an expired key is refused, with the key's id", () => {
    const source = signedBy("old", undefined, "--faked-system-time", "20200101T120000!");
    makeSiteOf(source, publisher.keyring("release", "old"));
    refused(new RegExp(`key ${publisher.fingerprint("old").slice(-16)} is expired`));
  });

  it("by a revoked key is refused, with the key's id", () => {
    const source = signedBy("stolen");
    publisher.revoke("stolen");
    makeSiteOf(source, publisher.keyring("release", "stolen"));
    refused(new RegExp(`key ${publisher.fingerprint("stolen").slice(-16)} is revoked`));
  });

  it("that is none, and a keyring that is none, are told apart", () => {
    makeSiteOf(signedBy("release"));
    publisher.publish("stage.tar.xz.asc", "not a signature\n");
    refused(/there is no signature in it/);
    site.commit({ "desired/keys/release.asc": "not a key\n" });
    refused(/gpg cannot read the keyring keys\/release.asc/);
  });
});

describe("a stage tarball of the web", () => {
  const from = (path: string, more: object = { sha256 }) => ({ url: `${publisher.https}/${path}`, ...more });
  /** What curl is to find of an earlier try. */
  const partial = () => join(site.cache, "downloads", `sha256-${sha256}.partial`);

  it("is fetched once: a second pass, a second root and a restored file need no network", () => {
    makeSiteOf(from("stage.tar.xz"));
    applied();
    expect(publisher.requests()).toEqual(["/stage.tar.xz whole"]);
    expect(filesOf("downloads")).toEqual([]);
    site.commit({
      "desired/volumes/second.yaml": document("Volume", "second", { backend: "directory" }),
      "desired/roots/second.yaml": document("Root", "second", {
        volume: "second",
        source: { tarball: from("moved/elsewhere.tar.xz") },
      }),
    });
    const edited = rootOf(site, "bin/busybox");
    const before = sha256Of(edited);
    writeFileSync(edited, "changed\n");
    applied("--offline");
    expect(sha256Of(edited)).toBe(before);
    expect(run("gc", "--size", "1").exitCode).toBe(0);
    expect(changesOf(site)).toEqual([]);
    expect(filesOf("sources")).toContain(`sha256-${sha256}.tar`);
    expect(publisher.requests()).toEqual([]);
  });

  it("goes on where an interrupted run stopped", () => {
    makeSiteOf(from("cut/stage.tar.xz"));
    refused(/cannot fetch https:.*: curl ended with 18/);
    const { size } = statSync(partial());
    expect(size).toBeGreaterThan(0);
    site.commit({ "desired/roots/small.yaml": rootFrom(from("stage.tar.xz")) });
    publisher.requests();
    applied();
    expect(publisher.requests()).toEqual([`/stage.tar.xz bytes=${size}-`]);
  });

  it("begins anew where the server knows no ranges, or the part was of another file", () => {
    makeSiteOf(from("cut/stage.tar.xz"));
    refused(/curl ended with 18/);
    site.commit({ "desired/roots/small.yaml": rootFrom(from("plain/stage.tar.xz")) });
    applied();
    writeFileSync(partial(), "x".repeat(1000), { mode: 0o600 });
    execFileSync("rm", [join(site.cache, "sources", `sha256-${sha256}.tar`)]);
    site.commit({
      "desired/volumes/second.yaml": document("Volume", "second", { backend: "directory" }),
      "desired/roots/second.yaml": document("Root", "second", {
        volume: "second",
        source: { tarball: from("stage.tar.xz") },
      }),
    });
    publisher.requests();
    applied();
    expect(publisher.requests()).toEqual(["/stage.tar.xz bytes=1000-", "/stage.tar.xz whole"]);
  });

  it("is tried again when the server is busy, and not when it has no such file", () => {
    makeSiteOf(from("busy/stage.tar.xz"));
    applied();
    expect(publisher.requests()).toEqual(["/busy/stage.tar.xz whole", "/busy/stage.tar.xz whole"]);
    const other = "0".repeat(64);
    site.commit({ "desired/roots/small.yaml": rootFrom(from("gone.tar.xz", { sha256: other })) });
    const ran = run("apply", "--yes");
    expect([ran.exitCode, ran.stdout]).toEqual([1, expect.stringMatching(/the server answers 404/)]);
    expect(publisher.requests()).toEqual(["/gone.tar.xz whole"]);
  });

  it("is refused when the server's certificate is not vouched for, or the way leads to http:", () => {
    makeSiteOf(from("stage.tar.xz"));
    const strange = site.run("apply");
    expect([strange.exitCode, strange.stdout]).toEqual([1, expect.stringMatching(/could not prove its name \(TLS\)/)]);
    site.commit({ "desired/roots/small.yaml": rootFrom(from("down/stage.tar.xz")) });
    refused(/leads on to an address that is not allowed/);
  });

  it("is refused when it is larger than allowed, before all of it was fetched", () => {
    makeSiteOf(from("stage.tar.xz", { sha256, maxSize: "64K" }));
    refused(/it is larger than 65536 bytes/);
    expect(statSync(partial(), { throwIfNoEntry: false })?.size ?? 0).toBeLessThanOrEqual(65_536);
  });

  it("that is not what was declared is removed, and no root is made", () => {
    const other = "0".repeat(64);
    makeSiteOf(from("stage.tar.xz", { sha256: other }));
    refused(new RegExp(`sha256 of https://.* is ${sha256}, ${other} is declared`));
    expect(filesOf("downloads")).toEqual([]);
    expect(verdict()).toMatch(/^False/);
  });

  it("is not fetched offline, by the option or the Host; a file that was put into the cache is used", () => {
    makeSiteOf(from("stage.tar.xz"), undefined, { offline: true });
    refused(/this host is offline by its configuration/);
    site.commit({ "desired/host.yaml": document("Host", "host", {}) });
    refused(/run once without --offline/, "--offline");
    expect(publisher.requests()).toEqual([]);
    execFileSync("install", ["-D", "-m", "600", stage(), join(site.cache, "sources", `sha256-${sha256}.tar`)]);
    applied("--offline");
    expect(publisher.requests()).toEqual([]);
  });

  it("is fetched by nobody, without any capability", () => {
    const folder = mkdtempSync(join(tmpdir(), "rootloom-curl-"));
    const path = process.env.PATH;
    const facts = join(folder, "facts");
    const script = `#!/bin/sh\n{ id -u; id -G; grep -E "^(CapEff|CapPrm|CapBnd|NoNewPrivs):" /proc/self/status; } >${facts}\nexec /usr/bin/curl "$@"\n`;
    writeFileSync(join(folder, "curl"), script, { mode: 0o755 });
    chmodSync(folder, 0o777);
    process.env.PATH = `${folder}:${path}`;
    try {
      makeSiteOf(from("stage.tar.xz"));
      applied();
      const none = "0000000000000000";
      expect(readFileSync(facts, "utf8").split(/\s+/).slice(0, -1)).toEqual([
        "65534",
        "65534",
        "CapPrm:",
        none,
        "CapEff:",
        none,
        "CapBnd:",
        none,
        "NoNewPrivs:",
        "1",
      ]);
    } finally {
      process.env.PATH = path;
      rmSync(folder, { recursive: true });
    }
  });
});

/** gpg-agents that were started below a directory. */
function agentsOf(directory: string): readonly string[] {
  return readdirSync("/proc").flatMap((pid) => {
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, "utf8");
      return line.includes("gpg-agent") && (line.includes(directory) || line.includes("/tmp/home")) ? [line] : [];
    } catch {
      return [];
    }
  });
}
