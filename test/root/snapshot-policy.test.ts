import { execFileSync } from "node:child_process";
import { appendFileSync, copyFileSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { makeSite, type Site } from "../kit.ts";
import { whyNotMount } from "./private-namespace.ts";
import { changesOf, leftovers, rootOf, small, tarball, tarballRoot } from "./small-site.ts";

let site: Site;
beforeEach(() => expect(whyNotMount()).toBeUndefined());
afterEach(() => site.remove());

interface Listed {
  readonly name: string;
  readonly reason: string;
}

const listed = (): readonly Listed[] =>
  site.json<{ readonly snapshots: readonly Listed[] }>("snapshots", "small").snapshots;

function done(...words: readonly string[]): string {
  const ran = site.run(...words);
  expect(ran.exitCode, ran.stdout + ran.stderr).toBe(0);
  return ran.stdout;
}

it("takes a snapshot before each change that the policy names, keeps the newest, and never removes a person's, nor one that is mounted", () => {
  const snapshots = { before: ["replace", "restore"], keep: 1 };
  site = makeSite({ ...small, "desired/roots/small.yaml": tarballRoot({ snapshots }) });
  done("apply");
  expect(listed()).toEqual([]);
  done("snapshot", "small");
  writeFileSync(rootOf(site, "etc/mine"), "edited\n");
  expect(done("apply")).toMatch(/\S+-small was taken before/);
  expect(listed().map(({ reason }) => reason)).toEqual(["person", "restore"]);

  const [, first] = listed();
  const [own, place] = [join(site.state, "volumes/small/.rootloom/root-snapshots"), join(site.directory, "seen")];
  mkdirSync(place);
  execFileSync("mount", ["--bind", join(own, String(first?.name), "root"), place]);
  const other = join(site.directory, "other.tar");
  copyFileSync(tarball, other);
  appendFileSync(other, Buffer.alloc(10_240));
  writeFileSync(rootOf(site, "etc/mine"), "before the new source\n");
  site.commit({ "desired/roots/small.yaml": tarballRoot({ snapshots }, other) });
  expect(done("apply", "--yes")).toContain(`snapshot ${first?.name} stays: `);
  execFileSync("umount", [place]);
  expect(listed().map(({ reason }) => reason)).toEqual(["person", "restore", "replace"]);
  expect(existsSync(rootOf(site, "etc/mine"))).toBe(false);

  writeFileSync(rootOf(site, "etc/mine"), "edited again\n");
  expect(done("apply")).toContain("was removed: 1 are kept");
  const after = listed();
  expect(after.map(({ reason }) => reason)).toEqual(["person", "restore"]);
  expect(existsSync(rootOf(site, "etc/mine"))).toBe(false);
  expect([changesOf(site), leftovers(site)]).toEqual([[], []]);

  done("rollback", "small", String(after[1]?.name), "--yes");
  expect(existsSync(rootOf(site, "etc/mine"))).toBe(true);
  expect(listed().map(({ reason }) => reason)).toEqual(["person", "restore", "rollback"]);
}, 240_000);
