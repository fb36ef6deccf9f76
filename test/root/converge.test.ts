import {
  appendFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { eventually, type FileTree, fingerprint, fixtures, makeSite, type Site, sha256Of } from "../kit.ts";

const tarball = join(fixtures, "busybox-bookworm.tar");

function document(kind: string, name: string, spec: object): string {
  return JSON.stringify({ apiVersion: "rootloom/v1", kind, metadata: { name }, spec });
}

function tarballRoot(extra: object = {}, location = tarball): string {
  const source = { tarball: { path: location, sha256: sha256Of(location) } };
  return document("Root", "small", { volume: "small", source, ...extra });
}

/** One volume, one managed root from a tarball, two images: `a` uses hardware/one, `b` does not. */
const small: FileTree = {
  "desired/host.yaml": document("Host", "host", { budget: { jobs: 2 } }),
  "desired/volumes/small.yaml": document("Volume", "small", { backend: "directory" }),
  "desired/roots/small.yaml": tarballRoot(),
  "desired/images/a.yaml": document("Image", "a", { root: "small", overlays: ["hardware/one", "secret-sauce/demo"] }),
  "desired/images/b.yaml": document("Image", "b", { root: "small" }),
  "desired/overlays/common/init": { text: "#!/bin/busybox sh\necho hello\n", executable: true },
  "desired/overlays/hardware/one/etc/one.conf": "one\n",
  "desired/overlays/secret-sauce/demo/etc/secret.conf": "hush\n",
  "desired/overlays/secret-sauce/demo/overlay.yaml": document("Overlay", "secret-sauce/demo", {
    rules: [{ path: "etc/secret.conf", mode: "0600" }],
  }),
  "desired/overlays/hardware/live/opt/tool.conf": "a = 1\nb = 2\n",
  "desired/overlays/hardware/live/overlay.yaml": document("Overlay", "hardware/live", {
    into: "root",
    roots: ["small"],
  }),
};

interface PlanJson {
  readonly revision: string;
  readonly steps: readonly { id: string; action: string; cause: string; reason: string; destroys: string | null }[];
  readonly summary: Record<string, number>;
  readonly problems: readonly unknown[];
}

function changes(plan: PlanJson): readonly string[] {
  return plan.steps.filter((step) => step.action !== "keep").map((step) => `${step.action} ${step.id} ${step.cause}`);
}

describe("converging a small root", () => {
  let site: Site;
  afterEach(() => site.remove());

  const image = (name: string): string => join(site.state, "artifacts", name, "current/initramfs.cpio.gz");
  const rootFile = (path: string): string => join(site.state, "volumes/small/root", path);

  function converged(): void {
    const ran = site.run("apply");
    expect(ran.stderr + ran.stdout).toContain("small");
    expect(ran.exitCode, ran.stdout + ran.stderr).toBe(0);
  }

  it("plans everything, makes it, and finds nothing to do the second time, nor writes a byte", () => {
    site = makeSite(small);
    const before = site.json<PlanJson>("plan");
    expect(changes(before)).toEqual([
      "create volume/small intentional",
      "create tree/small intentional",
      "create overlay/hardware/live@small intentional",
      "create artifact/a intentional",
      "create artifact/b intentional",
    ]);
    expect(existsSync(site.state)).toBe(false);
    converged();
    expect(site.run("plan").exitCode).toBe(0);
    const written = fingerprint(site.state);
    const again = site.run("apply");
    expect(again.exitCode).toBe(0);
    expect(again.stdout).toMatch(/nothing to do/i);
    expect(fingerprint(site.state)).toBe(written);
    expect(site.run("status").exitCode).toBe(0);
    expect(site.run("drift").exitCode).toBe(0);
    expect(fingerprint(site.state)).toBe(written);
  });

  it("says that an edit is uncommitted and changes nothing until it is committed", () => {
    site = makeSite(small);
    converged();
    const digest = sha256Of(image("a"));
    site.write({ "desired/overlays/hardware/one/etc/one.conf": "two\n" });
    const plan = site.run("plan");
    expect(plan.stdout).toContain("uncommitted");
    expect(plan.exitCode).toBe(0);
    expect(site.run("plan", "--worktree").exitCode).toBe(2);
    site.run("apply");
    expect(sha256Of(image("a"))).toBe(digest);
  });

  it("repacks only the images that use a changed overlay, and says why", () => {
    site = makeSite(small);
    converged();
    const b = lstatSync(image("b")).ino;
    const before = { a: sha256Of(image("a")), b: sha256Of(image("b")) };
    site.commit({ "desired/overlays/hardware/one/etc/one.conf": "two\n" });
    expect(changes(site.json<PlanJson>("plan"))).toEqual(["update artifact/a intentional"]);
    const ran = site.run("apply");
    expect(ran.exitCode, ran.stdout + ran.stderr).toBe(0);
    expect(ran.stdout).toContain("hardware/one");
    expect(sha256Of(image("a"))).not.toBe(before.a);
    expect([sha256Of(image("b")), lstatSync(image("b")).ino]).toEqual([before.b, b]);
  });

  it("leaves an image's bytes alone when a commit does not touch its inputs", () => {
    site = makeSite(small);
    converged();
    const digest = sha256Of(image("a"));
    site.commit({ "desired/overlays/hardware/unused/etc/x": "x\n" });
    expect(site.run("apply").exitCode).toBe(0);
    expect(sha256Of(image("a"))).toBe(digest);
  });

  it("finds a laid file and an artifact that were changed by hand, and corrects both", () => {
    site = makeSite(small);
    converged();
    const good = sha256Of(image("a"));
    writeFileSync(rootFile("opt/tool.conf"), "a = 1\nb = 3\n");
    appendFileSync(image("a"), "junk");
    const drift = site.run("drift");
    expect(drift.exitCode).toBe(2);
    expect(drift.stdout).toContain("opt/tool.conf");
    expect(drift.stdout).toMatch(/-b = 3|\+b = 2|-b = 2|\+b = 3/);
    expect(drift.stdout).toContain("artifact");
    const plan = site.json<PlanJson>("plan");
    expect(
      plan.steps.filter((step) => step.cause === "corrective" && step.action !== "keep").map((step) => step.id),
    ).toEqual(expect.arrayContaining(["overlay/hardware/live@small", "artifact/a"]));
    expect(site.run("apply").exitCode).toBe(0);
    expect(readFileSync(rootFile("opt/tool.conf"), "utf8")).toBe("a = 1\nb = 2\n");
    expect(sha256Of(image("a"))).toBe(good);
    expect(site.run("drift").exitCode).toBe(0);
  });

  it("restores a file of a managed root that was edited by hand", () => {
    site = makeSite(small);
    converged();
    const path = readdirSync(rootFile("usr/share/doc/busybox-static"))[0] ?? "";
    const file = rootFile(join("usr/share/doc/busybox-static", path));
    const content = readFileSync(file);
    writeFileSync(file, "edited");
    expect(changes(site.json<PlanJson>("plan"))).toContain("update tree/small corrective");
    expect(site.run("apply").exitCode).toBe(0);
    expect(readFileSync(file).equals(content)).toBe(true);
    expect(site.run("plan").exitCode).toBe(0);
  });

  it("repacks the image of a live root that was changed by hand, and leaves the root alone", () => {
    site = makeSite({ ...small, "desired/roots/small.yaml": tarballRoot({ content: "live" }) });
    converged();
    const before = sha256Of(image("b"));
    writeFileSync(rootFile("usr/local-tool"), "installed by hand\n");
    const drift = site.run("drift");
    expect(drift.exitCode).toBe(2);
    expect(drift.stdout).toContain("usr/local-tool");
    expect(site.run("apply").exitCode).toBe(0);
    expect(readFileSync(rootFile("usr/local-tool"), "utf8")).toBe("installed by hand\n");
    expect(sha256Of(image("b"))).not.toBe(before);
    expect(site.run("plan").exitCode).toBe(0);
  });

  it("waits for approval before a populated root gives way to another source, then swaps and keeps the old", () => {
    site = makeSite(small);
    converged();
    const other = join(site.directory, "other.tar");
    writeFileSync(other, readFileSync(tarball));
    appendFileSync(other, Buffer.alloc(10_240));
    writeFileSync(rootFile("opt/mine"), "kept\n");
    site.commit({ "desired/roots/small.yaml": tarballRoot({}, other) });
    const waits = site.run("apply");
    expect(waits.exitCode).toBe(1);
    expect(waits.stdout).toContain("rootloom approve tree/small");
    expect(existsSync(rootFile("opt/mine"))).toBe(true);
    expect(site.run("approve", "root/small", "--why", "new stage").exitCode).toBe(0);
    const ran = site.run("apply");
    expect(ran.exitCode, ran.stdout + ran.stderr).toBe(0);
    expect(existsSync(rootFile("opt/mine"))).toBe(false);
    const kept = join(site.state, "volumes/small/.rootloom/kept");
    const [old] = readdirSync(kept);
    expect(existsSync(join(kept, old ?? "", "opt/mine")) || existsSync(join(kept, old ?? "", "root/opt/mine"))).toBe(
      true,
    );
    expect(site.run("plan").exitCode).toBe(0);
  });

  it("plans nothing for an invalid tree and names every problem with its place", () => {
    site = makeSite(small);
    converged();
    const written = fingerprint(site.state);
    site.commit({
      "desired/images/a.yaml":
        "apiVersion: rootloom/v1\nkind: Image\nmetadata: {name: a}\nspec:\n  root: smal\n  colour: red\n",
    });
    const ran = site.run("validate");
    expect(ran.exitCode).toBe(1);
    expect(ran.stdout + ran.stderr).toMatch(/desired\/images\/a\.yaml:6:3: .*colour/);
    expect(site.run("plan").exitCode).toBe(1);
    expect(fingerprint(site.state)).toBe(written);
  });

  it("deletes nothing when the desired tree is emptied: what is retained is forgotten, its data stays", () => {
    site = makeSite(small);
    converged();
    const gone = Object.fromEntries(
      Object.keys(small)
        .filter((name) => name !== "desired/host.yaml")
        .map((name) => [name, undefined]),
    );
    site.commit(gone);
    expect(site.run("apply").exitCode).toBe(0);
    expect(existsSync(rootFile("bin/busybox")) || existsSync(rootFile("usr/bin/busybox"))).toBe(true);
    expect(existsSync(image("a"))).toBe(true);
  });

  it("refuses a foreign directory where a volume should be, and adopts it when told to", () => {
    site = makeSite(small);
    const place = join(site.state, "volumes/small");
    mkdirSync(place, { recursive: true });
    writeFileSync(join(place, "precious"), "mine\n");
    const refused = site.run("apply");
    expect(refused.exitCode).toBe(1);
    expect(refused.stdout + refused.stderr).toContain("rootloom adopt volume/small");
    expect(readdirSync(place)).toEqual(["precious"]);
    expect(site.run("adopt", "volume/small", "--why", "it is ours").exitCode).toBe(0);
    expect(site.run("apply").exitCode).toBe(0);
    expect(readFileSync(join(place, "precious"), "utf8")).toBe("mine\n");
  });

  it("says that the store is corrupt, keeps it aside, and finds everything again by its markers", () => {
    site = makeSite(small);
    converged();
    const before = { image: sha256Of(image("a")), inode: lstatSync(rootFile("")).ino };
    writeFileSync(join(site.state, "rootloom.db"), "this is no database, it is a text\n".repeat(100));
    expect(site.run("plan").exitCode).toBe(1);
    const ran = site.run("apply");
    expect(ran.stdout + ran.stderr).toMatch(/corrupt/);
    expect(ran.exitCode, ran.stdout + ran.stderr).toBe(0);
    expect(readdirSync(site.state).some((name) => name.startsWith("rootloom.db.corrupt-"))).toBe(true);
    expect({ image: sha256Of(image("a")), inode: lstatSync(rootFile("")).ino }).toEqual(before);
    expect(site.run("plan").exitCode).toBe(0);
  });

  it("swaps current atomically: a wrong link is put back without packing again", () => {
    site = makeSite(small);
    converged();
    const link = join(site.state, "artifacts/a/current");
    const generation = readlinkSync(link);
    const inode = lstatSync(image("a")).ino;
    renameSync(link, `${link}.away`);
    expect(site.run("apply").exitCode).toBe(0);
    expect(readlinkSync(link)).toBe(generation);
    expect(lstatSync(image("a")).ino).toBe(inode);
  });
});

describe("the daemon", () => {
  let site: Site;
  afterEach(() => site.remove());

  it("notices a commit by itself, repacks, and stops on SIGTERM within seconds", async () => {
    site = makeSite(small);
    const image = join(site.state, "artifacts/a/current/initramfs.cpio.gz");
    const daemon = site.start("daemon");
    await eventually("the first pass", 60_000, () => (existsSync(image) ? true : undefined));
    await eventually("ready", 20_000, () => (site.run("status").exitCode === 0 ? true : undefined));
    const before = sha256Of(image);
    site.commit({ "desired/overlays/hardware/one/etc/one.conf": "three\n" });
    await eventually("the repack", 10_000, () => (sha256Of(image) !== before ? true : undefined));
    const begun = Date.now();
    const ended = new Promise((resolve) => daemon.once("exit", resolve));
    daemon.kill("SIGTERM");
    expect(await ended).toBe(0);
    expect(Date.now() - begun).toBeLessThan(20_000);
  });

  it("takes commands over its socket while it holds the host", async () => {
    site = makeSite(small);
    site.start("daemon");
    await eventually("ready", 60_000, () => (site.run("status").exitCode === 0 ? true : undefined));
    expect(site.run("suspend", "image/a", "--why", "a test").exitCode).toBe(0);
    site.commit({ "desired/overlays/hardware/one/etc/one.conf": "four\n" });
    await eventually("the suspension to show", 10_000, () => {
      const { stdout } = site.run("status");
      return stdout.includes("a test") || stdout.includes("Suspended") ? true : undefined;
    });
    expect(site.run("resume", "image/a").exitCode).toBe(0);
    await eventually("ready again", 20_000, () => (site.run("status").exitCode === 0 ? true : undefined));
  });
});
