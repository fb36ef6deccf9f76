import { lstatSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { makeSite, type Site, sha256Of } from "../kit.ts";
import { changesOf, document, imageOf, rootOf, small, tarballRoot } from "./small-site.ts";

let site: Site;
afterEach(() => site.remove());

const current = (): string => readlinkSync(join(site.state, "artifacts/a/current"));
const said = (...words: readonly string[]): string => {
  const ran = site.run(...words);
  expect(ran.exitCode, ran.stdout + ran.stderr).toBe(0);
  return ran.stdout;
};
const conf = (text: string) => ({ "desired/overlays/hardware/one/etc/one.conf": text });

/** Three generations, the last one current. */
function madeThree(): readonly string[] {
  site = makeSite({ ...small, "desired/roots/small.yaml": tarballRoot({ content: "live" }) });
  return ["one\n", "two\n", "three\n"].map((text) => {
    site.commit(conf(text));
    said("apply");
    return current();
  });
}

describe("rollback of an image", () => {
  it("points current at the generation before, stays there through passes and edits of the root, and says so in every report", () => {
    const [, second] = madeThree();
    const inode = lstatSync(join(site.state, `artifacts/a/${second}/initramfs.cpio.gz`)).ino;
    const rolled = said("rollback", "image/a", "--why", "three is broken");
    expect(rolled).toContain(`artifact/a is rolled back to generation ${second}`);
    expect(current()).toBe(second);
    expect(lstatSync(imageOf(site)).ino).toBe(inode);
    writeFileSync(rootOf(site, "opt/new"), "edited\n");
    site.commit({ "desired/host.yaml": document("Host", "host", { budget: { jobs: 1 } }) });
    for (const text of [rolled, said("apply"), said("apply"), said("report"), site.run("status").stdout])
      expect(text).toContain(`rolled back to generation ${second} until a commit changes the image: three is broken`);
    expect(current()).toBe(second);
    expect(said("explain", "image/a")).toMatch(new RegExp(`generation +${second} .*\\(current\\)`));
  });

  it("ends with the next commit that changes the image", () => {
    const [, second] = madeThree();
    said("rollback", "image/a");
    expect(current()).toBe(second);
    site.commit(conf("four\n"));
    expect(changesOf(site)).toEqual(["update artifact/a"]);
    said("apply");
    expect(current()).not.toBe(second);
    expect(site.run("status").stdout).not.toContain("rolled back");
    expect(changesOf(site)).toEqual([]);
  });

  it("goes to any generation that is named, and `resume` ends it without packing again", () => {
    const [first = "", , third = ""] = madeThree();
    const digest = sha256Of(imageOf(site));
    said("rollback", "image/a", first.slice(0, 8));
    expect(current()).toBe(first);
    said("resume", "image/a");
    expect(current()).toBe(third);
    expect(sha256Of(imageOf(site))).toBe(digest);
    expect(changesOf(site)).toEqual([]);
  });

  it("refuses what is not there, what is damaged and what is ambiguous, and changes nothing", () => {
    const [first = "", second = "", third = ""] = madeThree();
    const refused = (...words: readonly string[]): string => {
      const ran = site.run("rollback", ...words);
      expect(ran.exitCode).toBe(1);
      expect(current()).toBe(third);
      return ran.stderr;
    };
    expect(refused("image/a", "zzzz")).toContain("it has no generation zzzz");
    writeFileSync(join(site.state, `artifacts/a/${second}/initramfs.cpio.gz`), "damaged");
    expect(refused("image/a", second)).toContain("it is not whole");
    expect(site.run("status").stdout).not.toContain("suspend");
    site.commit({ "desired/images/small.yaml": document("Image", "small", { root: "small" }) });
    expect(refused("small")).toContain("say which: tree/small, artifact/small");
    said("apply");
    site.run("rollback", "image/a", first);
    expect(site.run("rollback", "image/a").stderr).toContain("it has no older generation that is healthy");
  });
});
