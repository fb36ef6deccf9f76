import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { type FileTree, makeSite, type Site, sha256Of } from "../kit.ts";
import { changesOf, document, leftovers, type PlanJson, rootOf, small } from "./small-site.ts";

const long = `${"n".repeat(120)}/${"m".repeat(120)}`;
const image = (format: string, more: object = {}): string =>
  document("Image", format, { root: "small", format, ...more });
const live: FileTree = {
  ...small,
  "desired/images/a.yaml": undefined,
  "desired/images/squashfs.yaml": image("squashfs", { exclude: ["proc/*", "usr/share"] }),
  "desired/images/erofs.yaml": image("erofs", { exclude: ["proc/*", "usr/share"] }),
  "desired/overlays/common/overlay.yaml": document("Overlay", "common", {
    rules: [{ path: "etc/owned", owner: "12:34", mode: "4750" }],
    nodes: [{ path: "dev/odd", type: "block", major: 7, minor: 3, mode: "0640" }],
    delete: ["etc/services"],
  }),
  "desired/overlays/common/etc/owned": "mine\n",
  [`desired/overlays/common/${long}`]: "deep\n",
  "desired/overlays/common/sp ace\\x": "odd\n",
  "desired/overlays/common/link": { link: "sp ace\\x" },
};
const kept: FileTree = Object.fromEntries(Object.entries(live).filter(([, content]) => content !== undefined));

/** What the kernel sees in an image: attributes and contents of every entry, inodes as numbers in order of paths. */
function mounted(format: string, file: string, directory: string): readonly string[] {
  const target = join(directory, `seen-${format}`);
  mkdirSync(target);
  const list = `mount -t ${format} -o ro,loop "$1" "$2" && cd "$2" && find . -printf '%P\\t%y %m %U:%G %Ts %n %l\\n' && find . -type f -exec sha256sum {} +`;
  const options = ["--mount", "--propagation", "private", "--", "sh", "-c", list, "sh", file, target];
  return execFileSync("unshare", options, { encoding: "utf8" }).trim().split("\n").sort();
}

describe("an image of another format", () => {
  let site: Site;
  afterEach(() => site.remove());

  const fileOf = (format: string): string => join(site.state, "artifacts", format, `current/root.${format}`);
  const apply = (): void => {
    const ran = site.run("apply");
    expect(ran.exitCode, ran.stdout + ran.stderr).toBe(0);
  };

  it("holds what the layers come to, as the kernel sees it: links, owners, nodes, odd names, nothing left out or deleted", () => {
    site = makeSite(kept);
    apply();
    execFileSync("ln", [rootOf(site, "bin/busybox"), rootOf(site, "bin/second")]);
    site.commit({
      "desired/roots/small.yaml": small["desired/roots/small.yaml"]
        ?.toString()
        .replace('"volume"', '"content":"live","volume"'),
    });
    apply();
    const seen = {
      squashfs: mounted("squashfs", fileOf("squashfs"), site.directory),
      erofs: mounted("erofs", fileOf("erofs"), site.directory),
    };
    const withoutTop = (lines: readonly string[]) => lines.filter((line) => !line.startsWith("\td "));
    expect(withoutTop(seen.squashfs)).toEqual(withoutTop(seen.erofs));
    const text = seen.erofs.join("\n");
    expect(text).toContain("etc/owned\tf 4750 12:34 0 1 ");
    expect(text).toContain("dev/odd\tb 640 0:0 0 1 ");
    expect(text).toContain("dev/console\tc 600 0:0 0 1 ");
    expect(text).toMatch(/^bin\/second\tf 755 0:0 \d+ 2 $/m);
    expect(text).toMatch(/^bin\/busybox\tf 755 0:0 \d+ 2 $/m);
    expect(text).toContain(`${long}\tf 644 0:0 0 1 `);
    expect(text).toContain("link\tl 777 0:0 0 1 sp ace\\x");
    expect(text).toContain(`${createHash("sha256").update("deep\n").digest("hex")}  ./${long}`);
    expect(text).not.toMatch(/^(usr\/share|etc\/services)\b/m);
    expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(site.directory);
    expect(leftovers(site)).toEqual([]);
  });

  it("is packed again only when an input changed, with the same bytes for the same inputs", () => {
    site = makeSite(kept);
    apply();
    const first = ["squashfs", "erofs"].map((format) => sha256Of(fileOf(format)));
    expect(changesOf(site)).toEqual([]);
    const generation = readlinkSync(join(site.state, "artifacts/erofs/current"));
    site.commit({ "desired/overlays/common/etc/owned": "yours\n" });
    expect(changesOf(site)).toEqual(["update artifact/erofs", "update artifact/squashfs"]);
    apply();
    expect(["squashfs", "erofs"].map((format) => sha256Of(fileOf(format)))).not.toEqual(first);
    expect(readlinkSync(join(site.state, "artifacts/erofs/current"))).not.toBe(generation);
    // Gone with all generations and caches: made anew, they are the same.
    for (const path of [join(site.state, "artifacts"), site.cache]) rmSync(path, { recursive: true });
    site.commit({ "desired/overlays/common/etc/owned": "mine\n" });
    apply();
    expect(["squashfs", "erofs"].map((format) => sha256Of(fileOf(format)))).toEqual(first);
  });

  it("is refused before any work where its tool is missing, and says which package has it", () => {
    site = makeSite(kept);
    const hidden = ["mksquashfs", "mkfs.erofs"];
    // Covered where only this test sees it.
    const script = `for tool in ${hidden.join(" ")}; do mount --bind /dev/null "$(command -v $tool)"; done; exec "$@"`;
    const flags = ["--desired", join(site.directory, "desired"), "--state", site.state, "--cache", site.cache];
    const command = [new URL("../../src/rootloom", import.meta.url).pathname, ...flags, "plan", "--json"];
    const options = ["--mount", "--propagation", "private", "--", "sh", "-c", script, "sh", ...command];
    let text = "";
    try {
      text = execFileSync("unshare", options, { encoding: "utf8" });
    } catch (thrown) {
      text = String((thrown as { stdout?: string }).stdout);
    }
    const plan = JSON.parse(text) as PlanJson;
    const blocked = plan.steps.filter((step) => step.id.startsWith("artifact/")).map((step) => step.blocked);
    expect(blocked).toEqual([
      expect.objectContaining({
        condition: "Refused",
        message: "cannot pack erofs as erofs: mkfs.erofs is not installed",
        hint: "apt-get install erofs-utils",
      }),
      expect.objectContaining({
        condition: "Refused",
        message: "cannot pack squashfs as squashfs: mksquashfs is not installed",
        hint: "apt-get install squashfs-tools",
      }),
    ]);
  });

  it.each([
    ["squashfs", { codec: "gzip", level: 1 }],
    ["squashfs", { codec: "xz" }],
    ["squashfs", { codec: "lz4" }],
    ["squashfs", { codec: "none" }],
    ["erofs", { codec: "lz4" }],
    ["erofs", { codec: "none" }],
  ])("%s is made with %o", (format, compression) => {
    const only = Object.entries(kept).filter(([name]) => !/images\/(squashfs|erofs)/.test(name));
    site = makeSite({ ...Object.fromEntries(only), "desired/images/x.yaml": image(format, { compression }) });
    apply();
    expect(mounted(format, fileOf(format), site.directory).length).toBeGreaterThan(20);
    writeFileSync(fileOf(format), "damaged");
    expect(changesOf(site)).toEqual([`update artifact/${format}`]);
  });
});
