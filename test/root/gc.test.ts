import { appendFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { makeSite, type Site } from "../kit.ts";
import { document, small, tarball, tarballRoot } from "./small-site.ts";

describe("rootloom gc", () => {
  let site: Site;
  afterEach(() => site.remove());
  const kept = () => join(site.state, "volumes/small/.rootloom/kept");

  function replaced(): void {
    site = makeSite(small);
    expect(site.run("apply").exitCode).toBe(0);
    const other = join(site.directory, "other.tar");
    writeFileSync(other, readFileSync(tarball));
    appendFileSync(other, Buffer.alloc(10_240));
    site.commit({ "desired/roots/small.yaml": tarballRoot({}, other) });
    expect(site.run("apply", "--yes").exitCode).toBe(0);
    expect(readdirSync(kept())).toHaveLength(1);
  }

  it("lists a replaced root with its size, and removes it only when that was asked for and confirmed", () => {
    replaced();
    const listed = site.run("gc");
    expect(listed.exitCode).toBe(0);
    expect(listed.stdout).toMatch(
      /\.rootloom\/kept\/small-\S+ \(a replaced root\): \d+ entries, [\d.]+ MiB, kept \(remove it with --kept-roots\)/,
    );
    const asked = site.run("gc", "--kept-roots");
    expect(asked.exitCode).toBe(1);
    expect(asked.stdout).toContain("rootloom gc --kept-roots --yes");
    expect(readdirSync(kept())).toHaveLength(1);
    const dry = site.run("gc", "--kept-roots", "--yes", "--dry-run");
    expect(dry.stdout).toContain("would be removed");
    expect(readdirSync(kept())).toHaveLength(1);
    const done = site.run("gc", "--kept-roots", "--yes");
    expect(done.exitCode, done.stdout + done.stderr).toBe(0);
    expect(readdirSync(kept())).toHaveLength(0);
    expect(site.run("plan").exitCode).toBe(0);
  });

  it("removes generations beyond a number that a commit lowered, never the current one, and nothing the next pass needs", () => {
    site = makeSite(small);
    for (const text of ["one\n", "two\n", "three\n"]) {
      site.commit({ "desired/overlays/hardware/one/etc/one.conf": text });
      expect(site.run("apply").exitCode).toBe(0);
    }
    const generations = () =>
      readdirSync(join(site.state, "artifacts/a")).filter((name) => /^[0-9a-f]{16}$/.test(name));
    expect(generations()).toHaveLength(3);
    site.commit({ "desired/host.yaml": document("Host", "host", { retention: { generations: 1 } }) });
    expect(site.run("apply").exitCode).toBe(0);
    expect(site.run("gc", "--dry-run").stdout).toMatch(
      /artifact\/a: generation [0-9a-f]{16} of \S+, .* would be removed/,
    );
    expect(site.run("gc", "--size", "1").exitCode).toBe(0);
    expect(generations()).toHaveLength(1);
    expect(existsSync(join(site.state, "artifacts/a/current/initramfs.cpio.gz"))).toBe(true);
    const after = site.run("plan");
    expect(after.exitCode, after.stdout + after.stderr).toBe(0);
    expect(site.run("explain", "artifact/a").stdout).toContain(generations()[0]);
  });
});
