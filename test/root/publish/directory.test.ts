import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { type FileTree, fingerprint, makeSite, type Site, sha256Of } from "../../kit.ts";
import { changesOf, document, imageOf, leftovers, type PlanJson, small } from "../small-site.ts";

let site: Site;
afterEach(() => site.remove());

const place = (...names: readonly string[]): string => join(site.state, "published/a", ...names);
const offered = (): readonly string[] => readdirSync(place("current"));
const images = (): readonly string[] => offered().filter((name) => name.endsWith(".cpio.gz"));
const publish = (more: object = {}, image: object = {}): FileTree => ({
  "desired/images/a.yaml": document("Image", "a", {
    ...{ root: "small", overlays: ["hardware/one"], publish: { directory: place(), ...more } },
    ...image,
  }),
});
const conf = (text: string): FileTree => ({ "desired/overlays/hardware/one/etc/one.conf": text });
const apply = (): string => {
  const ran = site.run("apply");
  expect(ran.exitCode, ran.stdout + ran.stderr).toBe(0);
  return ran.stdout;
};
const step = () => site.json<PlanJson>("plan").steps.find(({ id }) => id === "publish/a");
/** As a machine that pulls it would: every file that the list names is there, and nothing half. */
const whole = (): void => {
  execFileSync("sha256sum", ["--check", "--strict", "--quiet", "SHA256SUMS"], { cwd: place("current") });
};

function published(more: object = {}, image: object = {}): void {
  site = makeSite(small);
  mkdirSync(join(site.state, "published"), { recursive: true });
  site.commit(publish(more, image));
  apply();
}

describe("publishing to a directory", () => {
  it("offers the current generation with its list and provenance, and finds nothing to do the second time", () => {
    site = makeSite(small);
    mkdirSync(join(site.state, "published"), { recursive: true });
    site.commit(publish());
    expect(changesOf(site)).toContain("create publish/a");
    const said = apply();
    const generation = readlinkSync(join(site.state, "artifacts/a/current"));
    const [image = ""] = images();
    expect(image).toMatch(new RegExp(`^a_\\d{14}-${generation}\\.initramfs\\.cpio\\.gz$`));
    expect(said).toContain(`uploaded: ${image}`);
    expect(sha256Of(place("current", image))).toBe(sha256Of(imageOf(site)));
    const version = image.slice(2, 2 + 31);
    expect(offered()).toEqual([`${image}`, `a_${version}.provenance.json`, "SHA256SUMS"].sort());
    const provenance = JSON.parse(readFileSync(place("current", `a_${version}.provenance.json`), "utf8"));
    expect(provenance).toMatchObject({
      ...{ version: 1, image: "a", imageVersion: version, files: [{ name: image, sha256: sha256Of(imageOf(site)) }] },
      build: { generation, revision: expect.stringMatching(/^[0-9a-f]{40}$/), tools: { packer: expect.any(String) } },
      inputs: { "root/small": expect.stringMatching(/^[0-9a-f]{64}$/), compression: "gzip 5" },
    });
    whole();
    expect(changesOf(site)).toEqual([]);
    const before = fingerprint(site.state);
    apply();
    expect(fingerprint(site.state)).toBe(before);
    expect(leftovers(site)).toEqual([]);
  });

  it("offers as many versions as are kept, the newest being the current generation, also after a rollback", () => {
    published({ keep: 2 });
    const [first = ""] = images();
    site.commit(conf("two\n"));
    const said = step();
    expect(said).toMatchObject({ cause: "intentional", reason: "artifact/a changes in this pass" });
    apply();
    expect(images()).toHaveLength(2);
    expect(images()[0]).toBe(first);
    site.commit(conf("three\n"));
    apply();
    whole();
    expect(images()).toHaveLength(2);
    expect(images()).not.toContain(first);
    expect(readdirSync(place("releases"))).toHaveLength(1);
    const generation = first.slice(17, 33);
    const inode = readFileSync(place("current/SHA256SUMS"), "utf8");
    expect(site.run("rollback", "image/a", generation).exitCode).toBe(0);
    apply();
    whole();
    const newest = images().at(-1) ?? "";
    expect(newest.slice(17, 33)).toBe(generation);
    expect(newest > first).toBe(true);
    expect(readFileSync(place("current/SHA256SUMS"), "utf8")).not.toBe(inode);
  });

  it("corrects a damaged or missing file, an edited list, a pointer that is gone and a directory that is gone", () => {
    published();
    const file = (): string => place("current", images()[0] ?? "");
    const damages: readonly (readonly [() => void, RegExp])[] = [
      [() => appendFileSync(file(), "x"), /initramfs\.cpio\.gz differs/],
      [() => rmSync(file()), /initramfs\.cpio\.gz is missing/],
      [() => appendFileSync(place("current/SHA256SUMS"), "x\n"), /SHA256SUMS is not the one/],
      [() => rmSync(place("current")), /current names no release/],
      [() => rmSync(place(), { recursive: true }), /nothing is published in .* any more/],
    ];
    for (const [damage, reason] of damages) {
      damage();
      expect(step()).toMatchObject({ cause: "corrective", reason: expect.stringMatching(reason) });
      apply();
      whole();
      expect(images()).toHaveLength(1);
    }
    expect(changesOf(site)).toEqual([]);
  });

  it("offers an older version no more that is not whole, and says so", () => {
    published();
    const [first = ""] = images();
    appendFileSync(place("current", first), "x");
    site.commit(conf("two\n"));
    expect(apply()).toContain(`not whole there, and not offered any more: version ${first.slice(2, 33)}`);
    expect(images()).toHaveLength(1);
    whole();
  });

  it("sends nothing where it would not fit, with figures", () => {
    site = makeSite(small);
    mkdirSync(join(site.state, "published"), { recursive: true });
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=1400k", "tmpfs", join(site.state, "published")]);
    try {
      site.commit(publish());
      const ran = site.run("apply");
      expect(ran.exitCode).toBe(1);
      expect(ran.stdout).toMatch(/cannot publish a: \S+ has [\d.]+ [KM]iB free, about [\d.]+ MiB are needed/);
      expect(existsSync(place("current"))).toBe(false);
    } finally {
      execFileSync("umount", [join(site.state, "published")]);
    }
  });

  it("never changes what somebody else has there", () => {
    site = makeSite(small);
    mkdirSync(place(), { recursive: true });
    writeFileSync(place("index.html"), "mine\n");
    site.commit(publish());
    expect(step()?.blocked).toMatchObject({
      condition: "Refused",
      message: `cannot publish a to ${place()}: it is not made by Rootloom`,
    });
    expect(site.run("apply").exitCode).toBe(1);
    expect(readdirSync(place())).toEqual(["index.html"]);
    rmSync(place("index.html"));
    apply();
    writeFileSync(place("current/notes.txt"), "mine\n");
    const [kept = ""] = readdirSync(place("releases"));
    site.commit(conf("two\n"));
    expect(apply()).toContain(`left there, since Rootloom did not put it there: releases/${kept}`);
    expect(readdirSync(place("releases", kept))).toEqual(["notes.txt"]);
    site.commit({ "desired/images/a.yaml": document("Image", "a", { root: "small" }) });
    expect(changesOf(site)).toContain("forget publish/a");
    const before = fingerprint(place());
    apply();
    expect(fingerprint(place())).toBe(before);
  });

  it("is refused outside the host's limits, and with a secret overlay in it unless that is said", () => {
    site = makeSite({ ...small, "desired/overlays/secret-sauce/demo/etc/key": "hush\n" });
    mkdirSync(join(site.state, "published"), { recursive: true });
    site.commit(publish({ directory: "/srv/not-allowed" }));
    expect(step()?.blocked?.message).toContain("this host's limits do not allow it");
    site.commit(publish({}, { overlays: ["secret-sauce/demo"] }));
    expect(site.run("validate").stdout).toContain("overlay secret-sauce/demo in it is secret");
    site.commit(publish({ secret: true }, { overlays: ["secret-sauce/demo"] }));
    apply();
    expect(execFileSync("stat", ["-c", "%a", place("current", images()[0] ?? ""), place()], { encoding: "utf8" })).toBe(
      "600\n700\n",
    );
  });
});

describe("the signature of what is published", () => {
  let home: string;
  const gpg = (...words: readonly string[]): string =>
    execFileSync("gpg", ["--homedir", home, "--batch", "--quiet", "--no-tty", ...words], { encoding: "utf8" });

  it("is made by the given key over the list, for each list, and made again when it is gone", () => {
    home = mkdtempSync(join(tmpdir(), "rl-gpg-"));
    try {
      gpg("--passphrase", "", "--quick-generate-key", "publisher@example.org", "ed25519", "sign", "never");
      const key = join(home, "key.asc");
      writeFileSync(key, gpg("--armor", "--export-secret-keys"));
      chmodSync(key, 0o644);
      site = makeSite(small);
      mkdirSync(join(site.state, "published"), { recursive: true });
      site.commit(publish({ sign: { gpg: key } }));
      expect(step()?.blocked?.message).toBe(`cannot use the key ${key}: others may read it`);
      chmodSync(key, 0o600);
      const verified = (): string => {
        const words = ["--status-fd", "1", "--verify", place("current/SHA256SUMS.gpg"), place("current/SHA256SUMS")];
        return execFileSync("gpg", ["--homedir", home, "--batch", ...words], { encoding: "utf8", stdio: "pipe" });
      };
      expect(site.run("apply").stdout + readFileSync(place("current/SHA256SUMS"), "utf8")).not.toContain("PRIVATE KEY");
      expect(verified()).toContain("GOODSIG");
      expect(changesOf(site)).toEqual([]);
      site.commit(conf("two\n"));
      apply();
      expect(verified()).toContain("GOODSIG");
      rmSync(place("current/SHA256SUMS.gpg"));
      expect(step()).toMatchObject({ cause: "corrective", reason: expect.stringContaining("is missing") });
      apply();
      expect(verified()).toContain("GOODSIG");
      renameSync(key, `${key}.away`);
      expect(step()?.blocked?.message).toContain("it is not there");
    } finally {
      spawnKill(home);
      rmSync(home, { recursive: true, force: true });
    }
  });
});

/** The agent that gpg started for this test's own home. */
function spawnKill(home: string): void {
  execFileSync("gpgconf", ["--homedir", home, "--kill", "all"]);
}
