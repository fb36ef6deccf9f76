import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type ConfigurationInput, durationSeconds, readConfiguration } from "../../src/configuration.ts";
import { createFiles } from "../../src/host/real/files.ts";

const files = createFiles({ mountNamespace: "/proc/self/ns/mnt" });
let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "rootloom-configuration-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

function read(more: Partial<ConfigurationInput> = {}): ReturnType<typeof readConfiguration> {
  return readConfiguration({
    files,
    flags: {},
    environment: {},
    directory: "/work-here",
    environmentFile: join(directory, "rootloom.env"),
    limitsFile: join(directory, "limits.yaml"),
    ...more,
  });
}

function writeEnvironment(...lines: readonly string[]): void {
  writeFileSync(join(directory, "rootloom.env"), `${lines.join("\n")}\n`);
}

describe("the configuration", () => {
  it("has defaults below the working directory", () => {
    expect(read()).toMatchObject({
      state: "/work-here/state",
      cache: "/work-here/.cache/rootloom",
      source: { desired: "/work-here/desired", ref: "HEAD", repository: undefined, remote: undefined, worktree: false },
      mountNamespace: "/proc/1/ns/mnt",
      logLevel: "info",
      limits: { paths: [], file: "" },
    });
  });

  it("takes flags before variables, variables before the file, the file before defaults", () => {
    writeEnvironment(
      "# where things are",
      "ROOTLOOM_STATE=/file",
      "ROOTLOOM_CACHE='/file cache'",
      'ROOTLOOM_REF="release"',
    );
    const environment = { ROOTLOOM_STATE: "/variable", ROOTLOOM_CACHE: "/variable-cache" };
    const found = read({ environment, flags: { state: "/flag" } });
    expect([found.state, found.cache, found.source.ref]).toEqual(["/flag", "/variable-cache", "release"]);
    expect(read().cache).toBe("/file cache");
  });

  it("is offline by the flag, or by a variable that says yes; a variable that says neither is an error", () => {
    const offline = (text: string, flags = {}) =>
      read({ flags, environment: { ROOTLOOM_OFFLINE: text } }).network?.offline;
    expect([read().network?.offline, offline("0"), offline("1"), offline("yes")]).toEqual([false, false, true, true]);
    expect(offline("0", { offline: true })).toBe(true);
    writeEnvironment("ROOTLOOM_OFFLINE=1");
    expect([read().network?.offline, offline("no")]).toEqual([true, false]);
    expect(() => offline("maybe")).toThrow('cannot read ROOTLOOM_OFFLINE: "maybe" is neither yes nor no');
  });

  it("trusts certificates of a file that only its owner, or root, can write to, and that everybody can read", () => {
    const caFile = join(directory, "authority.pem");
    const refused = (why: RegExp) => expect(() => read({ flags: { caFile } })).toThrow(why);
    refused(/cannot use the certificates in .*authority.pem: it is no file/);
    writeFileSync(caFile, "");
    chmodSync(caFile, 0o644);
    expect(read({ flags: { caFile } }).network?.caFile).toBe(caFile);
    symlinkSync(caFile, join(directory, "link"));
    expect(read({ environment: { ROOTLOOM_CA_FILE: join(directory, "link") } }).network?.caFile).toBe(caFile);
    chmodSync(caFile, 0o664);
    refused(/others can write to it/);
    chmodSync(caFile, 0o600);
    refused(/curl, which runs as nobody, cannot read it/);
    if (process.geteuid?.() !== 0) return;
    chmodSync(caFile, 0o644);
    chownSync(caFile, 65534, 65534);
    refused(/it belongs to user 65534/);
  });

  it("makes every path absolute", () => {
    const found = read({ flags: { state: "s", desired: "./d", cache: "../c", repository: "r.git", path: "/a/b/" } });
    expect([found.state, found.source.desired, found.cache, found.source.repository, found.source.path]).toEqual([
      "/work-here/s",
      "/work-here/d",
      "/c",
      "/work-here/r.git",
      "a/b",
    ]);
  });

  it("goes to a cache of the user's own where the configured one is somebody else's, unless the user named it", () => {
    chmodSync(directory, 0o755);
    writeEnvironment(`ROOTLOOM_CACHE=${directory}/cache`);
    const environment = { HOME: "/nowhere-here" };
    const cacheOf = (userId: number, more: Partial<ConfigurationInput> = {}) =>
      read({ userId, environment, ...more }).cache;
    const owner = process.geteuid?.() ?? 0;
    const stranger = 4_000_000;
    expect(cacheOf(owner)).toBe(`${directory}/cache`);
    expect(cacheOf(stranger)).toBe(`/tmp/rootloom-cache-${stranger}`);
    expect(cacheOf(stranger, { environment: { HOME: tmpdir() } })).toBe(`${tmpdir()}/.cache/rootloom`);
    expect(cacheOf(stranger, { environment: { HOME: tmpdir(), XDG_CACHE_HOME: "/tmp" } })).toBe("/tmp/rootloom");
    expect(cacheOf(stranger, { flags: { cache: `${directory}/cache` } })).toBe(`${directory}/cache`);
    // What another user may write to is no cache for root either.
    mkdirSync(`${directory}/cache`);
    if (owner === 0) chownSync(`${directory}/cache`, stranger, stranger);
    if (owner === 0) expect(cacheOf(0)).toBe("/nowhere-here/.cache/rootloom");
  });

  it("keeps one mirror a remote, in the cache", () => {
    const mirror = (remote: string) => read({ flags: { remote, cache: "/c" } }).source.remote;
    expect(mirror("https://example.org/a.git")).toMatchObject({
      branch: "main",
      mirror: expect.stringMatching(/^\/c\/mirrors\/\w{16}\.git$/),
    });
    expect(mirror("https://example.org/a.git")?.mirror).not.toBe(mirror("https://example.org/b.git")?.mirror);
  });

  it("refuses a misspelt variable in the file, and a line that is none", () => {
    writeEnvironment("ROOTLOOM_STAET=/x");
    expect(() => read()).toThrow("rootloom.env:1: there is no variable ROOTLOOM_STAET");
    writeEnvironment("", "export X");
    expect(() => read()).toThrow("rootloom.env:2: it is not NAME=value");
  });

  it("refuses an unknown log level and what is no duration", () => {
    expect(() => read({ flags: { logLevel: "loud" } })).toThrow("cannot log at level loud");
    expect(["90", "1.5m", "2h", "1d"].map((text) => durationSeconds(text, "it"))).toEqual([90, 90, 7200, 86_400]);
    expect(() => durationSeconds("soon", "--until")).toThrow('cannot read --until: "soon" is no duration');
  });
});

describe("the limits file", () => {
  it("is read when it is root's alone", () => {
    writeFileSync(join(directory, "limits.yaml"), "paths: [/srv/builds]\nmaxDeletions: 1\n");
    expect(read().limits).toMatchObject({
      paths: ["/srv/builds"],
      maxDeletions: 1,
      file: join(directory, "limits.yaml"),
    });
  });

  it("is refused when others can write to it", () => {
    writeFileSync(join(directory, "limits.yaml"), "paths: [/srv]\n");
    chmodSync(join(directory, "limits.yaml"), 0o664);
    expect(() => read()).toThrow("others than root can write to it");
  });

  it.runIf(process.getuid?.() === 0)("is refused when it is not root's", () => {
    writeFileSync(join(directory, "limits.yaml"), "paths: [/srv]\n");
    chownSync(join(directory, "limits.yaml"), 1000, 1000);
    expect(() => read()).toThrow("it belongs to user 1000");
  });

  it("is refused when it is a link", () => {
    symlinkSync("/dev/null", join(directory, "limits.yaml"));
    expect(() => read()).toThrow("it is a symlink, not a file");
  });
});
