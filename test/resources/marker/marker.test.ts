import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  identityOf,
  type Marker,
  ownership,
  readMarker,
  sameObject,
  writeMarker,
} from "../../../src/resources/marker.ts";
import { Machine } from "../machine.ts";

let machine: Machine;
let path = "";
const marker: Marker = {
  version: 1,
  instance: "a".repeat(32),
  kind: "tree",
  name: "debian",
  identity: { filesystem: "uuid:1", inode: 12 },
  runId: "r-1",
  createdAt: "2026-11-21T08:00:00.000Z",
  inputs: { source: "sha256:1" },
  details: {},
};

beforeEach(() => {
  machine = new Machine();
  path = join(machine.top, "marker.json");
});
afterEach(() => machine.close());

test("a marker reads back as it was written", () => {
  writeMarker(machine.host.files, path, marker);
  expect(readMarker(machine.host.files, path)).toEqual(marker);
});

test("no file is no marker", () => {
  expect(readMarker(machine.host.files, path)).toBeUndefined();
});

test.each(["", "{", "[]", "null", '{"version":2}', JSON.stringify({ ...marker, identity: null })])(
  "%j is an invalid marker, not a missing one",
  (text) => {
    writeFileSync(path, text);
    expect(readMarker(machine.host.files, path)).toBe("invalid");
  },
);

test("a directory in a marker's place is an invalid marker", () => {
  mkdirSync(path);
  expect(readMarker(machine.host.files, path)).toBe("invalid");
});

test.each([
  ["with our instance, inode and filesystem", marker, 12, "uuid:1", "ours"],
  ["of another installation", { ...marker, instance: "b".repeat(32) }, 12, "uuid:1", "foreign"],
  ["that was copied within its filesystem", marker, 13, "uuid:1", "foreign"],
  ["that was copied to another filesystem", marker, 12, "uuid:2", "foreign"],
  ["that cannot be read", "invalid", 12, "uuid:1", "foreign"],
  ["that is missing", undefined, 12, "uuid:1", "foreign"],
] as const)("an object with a marker %s is judged", (_name, found, inode, filesystem, verdict) => {
  expect(ownership(found, "a".repeat(32), inode, filesystem).verdict).toBe(verdict);
});

test("where a filesystem has no uuid, another mount id after a boot does not make an object foreign", () => {
  const unnamed = { ...marker, identity: { filesystem: "mount:31", inode: 12 } };
  expect(ownership(unnamed, marker.instance, 12, "mount:77").verdict).toBe("ours");
  expect(ownership(unnamed, marker.instance, 13, "mount:77").verdict).toBe("foreign");
});

test("a directory made anew is not the old one, though it got the same inode number", () => {
  const { files } = machine.host;
  const object = join(machine.top, "object");
  mkdirSync(object);
  const identity = identityOf(files, object);
  expect(sameObject(identity, identityOf(files, object))).toBe(true);
  renameSync(object, join(machine.top, "moved"));
  expect(sameObject(identity, identityOf(files, join(machine.top, "moved")))).toBe(true);
  mkdirSync(object);
  expect(sameObject(identity, { ...identityOf(files, object), inode: identity.inode })).toBe(false);
  const { born: _, ...unknown } = identity;
  expect(sameObject(unknown, identity)).toBe(true);
});
