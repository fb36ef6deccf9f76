import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createFiles } from "../../../src/host/real/files.ts";
import { checkHostPath, checkPath, checkPlace, NO_LIMITS, parseLimits } from "../../../src/resources/limits.ts";

const limits = { ...NO_LIMITS, paths: ["/srv/build", "/tools-i686", "/root/work"], file: "/etc/rootloom/limits.yaml" };
const STATE = "/var/lib/rootloom";

describe("a path that may be used", () => {
  test.each(["/srv/build", "/srv/build/a/b", "/tools-i686", "/root/work/x", `${STATE}/volumes/debian`])(
    "%s: it is listed or below the state directory",
    (path) => {
      expect(checkPath(path, limits, STATE)).toBeUndefined();
    },
  );
});

describe("a path that is refused", () => {
  test.each([
    "/",
    "/etc",
    "/etc/x",
    "/usr/local/x",
    "/boot",
    "/dev/shm",
    "/proc/1",
    "/sys",
    "/bin",
    "/sbin/x",
    "/lib64",
    "/run/x",
    "/root",
    "/home",
    "/var",
    "/var/lib/dpkg/info",
    "/var/log",
  ])("%s belongs to the system, whatever the file says", (path) => {
    expect(checkPath(path, { ...limits, paths: ["/"] }, STATE)?.message).toContain("belongs to the system");
  });

  test.each(["/srv/builder", "/srv", "/root/other", "/tools-x86_64"])("%s is not listed", (path) => {
    expect(checkPath(path, limits, STATE)?.message).toBe(`cannot use ${path}: this host's limits do not allow it`);
  });

  test.each(["srv/build", "/srv/build/../../etc", "/srv//build", "/srv/build/"])("%s is crooked", (path) => {
    expect(checkPath(path, limits, STATE)?.message).toContain("not an absolute path in its shortest form");
  });

  test("the state directory itself", () => {
    expect(checkPath(STATE, limits, STATE)?.message).toContain("state directory itself");
  });

  test.each([
    "rootloom.db",
    "rootloom.db-journal",
    "lock",
    "leases/debian.lock",
    "control.sock",
    "instance",
    "reports",
  ])("%s in the state directory, where our own notes are", (name) => {
    expect(checkPath(`${STATE}/${name}`, limits, STATE)?.message).toContain("keeps its own notes there");
  });

  test("one that the state directory lies in, though the file lists it", () => {
    const wide = { ...limits, paths: ["/srv"] };
    expect(checkPath("/srv/site", wide, "/srv/site/state")?.message).toContain("the state directory lies in it");
    expect(checkPath("/srv/site/work", wide, "/srv/site/state")).toBeUndefined();
  });

  test("says which file to change", () => {
    expect(checkPath("/mnt/x", limits, STATE)?.hint).toBe("add it or a parent to `paths` in /etc/rootloom/limits.yaml");
  });
});

describe("a path through a link", () => {
  let top = "";
  beforeEach(() => {
    top = mkdtempSync("/tmp/rootloom-limits-");
    mkdirSync(join(top, "state/volumes"), { recursive: true });
    mkdirSync(join(top, "elsewhere"));
  });
  afterEach(() => rmSync(top, { recursive: true }));

  test("is refused when the link leads out of what is allowed", () => {
    symlinkSync(join(top, "elsewhere"), join(top, "state/out"));
    const refused = checkHostPath(
      createFiles({ mountNamespace: "/proc/self/ns/mnt" }),
      join(top, "state/out/x"),
      NO_LIMITS,
      join(top, "state"),
    );
    expect(refused?.message).toContain(`a link in it leads to ${top}/elsewhere/x`);
  });

  test("is refused when a missing directory stands below such a link", () => {
    symlinkSync("/etc", join(top, "state/out"));
    expect(
      checkHostPath(
        createFiles({ mountNamespace: "/proc/self/ns/mnt" }),
        join(top, "state/out/a/b/c"),
        NO_LIMITS,
        join(top, "state"),
      ),
    ).toBeDefined();
  });

  test("is allowed when the link stays inside, or the state directory itself is reached through one", () => {
    symlinkSync(join(top, "state/volumes"), join(top, "state/inside"));
    symlinkSync(join(top, "state"), join(top, "alias"));
    expect(
      checkHostPath(
        createFiles({ mountNamespace: "/proc/self/ns/mnt" }),
        join(top, "state/inside/x"),
        NO_LIMITS,
        join(top, "state"),
      ),
    ).toBeUndefined();
    expect(
      checkHostPath(
        createFiles({ mountNamespace: "/proc/self/ns/mnt" }),
        join(top, "alias/x"),
        NO_LIMITS,
        join(top, "alias"),
      ),
    ).toBeUndefined();
  });
});

describe("the limits file", () => {
  test("lists what is allowed", () => {
    const text =
      "paths: [/srv/build/]\npools: [tank]\nvolumeGroups: [vg00]\ndevices: []\npublishHosts: [images.example.org]\nmaxDeletions: 2\nhostCommands: true\n";
    expect(parseLimits(text, "limits.yaml")).toEqual({
      paths: ["/srv/build"],
      pools: ["tank"],
      volumeGroups: ["vg00"],
      devices: [],
      publishHosts: ["images.example.org"],
      maxDeletions: 2,
      hostCommands: true,
      emulation: false,
      file: "limits.yaml",
    });
  });

  test("that is empty allows nothing but the state directory", () => {
    expect(parseLimits("", "limits.yaml")).toEqual({ ...NO_LIMITS, file: "limits.yaml" });
  });

  test.each([
    ["path: [/srv]\n", "path: no such limit"],
    ["paths: /srv\n", "paths: not a list of names"],
    ["paths: [srv]\n", "paths: srv is not an absolute path"],
    ["paths: [/srv/../etc]\n", "paths: /srv/../etc is not an absolute path"],
    ["maxDeletions: -1\n", "maxDeletions: not a whole number, 0 or more"],
    ["hostCommands: perhaps\n", "hostCommands: neither true nor false"],
    ["- /srv\n", "it is not a list of keys and values"],
    ["paths: [\n", "cannot use the limits in limits.yaml"],
  ])("%j is refused", (text, why) => {
    expect(() => parseLimits(text, "limits.yaml")).toThrow(why);
  });
});

describe("a place of storage", () => {
  const given = { ...NO_LIMITS, pools: ["tank/roots"], volumeGroups: ["vg0"], file: "limits.yaml" };

  test("that is listed may be used, and so may a dataset below a listed one", () => {
    expect(checkPlace("pool", "tank/roots", given)).toBeUndefined();
    expect(checkPlace("pool", "tank/roots/debian", given)).toBeUndefined();
    expect(checkPlace("volumeGroup", "vg0", given)).toBeUndefined();
  });

  test.each([
    ["pool", "tank", "cannot use pool tank", "pools"],
    ["pool", "tank/roots2", "cannot use pool tank/roots2", "pools"],
    ["volumeGroup", "vg0/x", "cannot use volume group vg0/x", "volumeGroups"],
    ["device", "/dev/sda", "cannot use device /dev/sda", "devices"],
    ["publishHost", "elsewhere", "cannot use machine elsewhere", "publishHosts"],
  ] as const)("%s %s is refused, and says what to add where", (type, value, what, list) => {
    const refused = checkPlace(type, value, given);
    expect(refused?.message).toBe(`${what}: this host's limits do not allow it`);
    expect(refused?.hint).toBe(`add it to \`${list}\` in limits.yaml`);
  });
});
