import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type FileTree, fingerprint, fixtures, makeSite, type Ran, type Site, sha256Of } from "../kit.ts";
import { whyNotMount } from "./private-namespace.ts";
import { openPublisher } from "./publisher.ts";
import { document, leftovers, type PlanJson, processesOf, small } from "./small-site.ts";
import { runAllowed, toyFiles, writeToy } from "./toy-kernel.ts";

let site: Site;
beforeEach(() => expect(whyNotMount()).toBeUndefined());
afterEach(async () => {
  const left = processesOf(site);
  await site.remove();
  expect(left).toEqual([]);
});

const empty: FileTree = { "desired/host.yaml": document("Host", "host", { budget: { jobs: 2 } }) };
const config = "CONFIG_PARENT=y\nCONFIG_CHILD=y\n";
const kernel = (spec: object): string => document("KernelConfig", "toy", { config: "toy.kconfig", ...spec });
const files = (spec: object, extra: FileTree = {}): FileTree => ({
  "desired/kernels/toy.yaml": kernel(spec),
  "desired/kernels/toy.kconfig": config,
  ...extra,
});

/** A site with a toy's source in a directory beside it. */
function makeToySite(spec: object = {}, extra: FileTree = {}): string {
  site = makeSite(empty);
  const source = writeToy(join(site.directory, "linux"), toyFiles());
  site.commit(files({ source: { directory: source }, ...spec }, extra));
  return source;
}

/** make and its libraries, beside busybox. */
const ROOT_WITH_MAKE = `mkdir "$0"
tar -xf "$1" -C "$0"
mkdir -p "$0/usr/bin"
for name in $(busybox --list); do [ "$name" = busybox ] || ln -s busybox "$0/bin/$name"; done
for file in $(command -v make) $(ldd "$(command -v make)" | grep -o '/[^ ]*'); do
  real=$(realpath "$file")
  mkdir -p "$0$(dirname "$real")" && cp "$real" "$0$real"
  case $file in */ld-linux*) mkdir -p "$0/lib64"; cp "$real" "$0/lib64/$(basename "$file")";; *.so*) cp "$real" "$0$(dirname "$real")/$(basename "$file")";; esac
done
mkdir -m 777 "$0/usr/open"
mkdir -p "$0/mnt" "$0/proc" "$0/dev" "$0/tmp"`;

const applied = (...words: readonly string[]): string => {
  const ran = runAllowed(site, "apply", ...words);
  expect(ran.exitCode, ran.stdout + ran.stderr).toBe(0);
  return ran.stdout;
};
const failed = (): Ran => {
  const ran = runAllowed(site, "apply");
  expect(ran.exitCode, ran.stdout + ran.stderr).toBe(1);
  return ran;
};
const place = (): string => join(site.state, "kernels/toy");
const built = (file = "kernel"): string => readFileSync(join(place(), "current", file), "utf8");
const generations = (): readonly string[] => readdirSync(place()).filter((name) => /^[0-9a-f]{16}$/.test(name));
const planned = (): PlanJson["steps"][number] | undefined => {
  const plan = JSON.parse(runAllowed(site, "plan", "--json").stdout) as PlanJson;
  return plan.steps.find(({ id }) => id === "kernel/toy");
};
const lastLog = (): string => {
  const folder = join(site.state, "logs/kernel/toy");
  return readFileSync(join(folder, readdirSync(folder).sort().at(-1) ?? ""), "utf8");
};

describe("a kernel", () => {
  it("is made from its source and configuration as nobody, without a network, reproducibly; the second pass is all keep and writes nothing", () => {
    makeToySite({ require: { CHILD: true } });
    expect(applied()).toMatch(/kernel toy has been built as generation [0-9a-f]{16}/);
    expect(built()).toBe(`x86_64  rootloom Thu, 01 Jan 1970 00:00:00 GMT\n${toyFiles()["main.c"]}${config}`);
    expect(built("defconfig")).toBe("CONFIG_CHILD=y\nCONFIG_PARENT=y\n");
    expect(lastLog()).toContain(" CC=ccache gcc ");
    expect(readdirSync(join(site.cache, "ccache")).length).toBeGreaterThan(0);
    const tree = join(site.cache, "kernels/builds/toy/tree");
    expect(readFileSync(join(tree, "who"), "utf8")).toBe("65534\n");
    expect(readFileSync(join(tree, "networks"), "utf8")).toBe("lo\n");
    expect(statSync(tree).uid).toBe(65534);
    const before = fingerprint(site.state);
    expect(planned()?.action).toBe("keep");
    applied();
    expect(fingerprint(site.state)).toBe(before);
    expect(runAllowed(site, "drift").exitCode).toBe(0);
    expect(leftovers(site)).toEqual([]);
    const [first, bytes] = [generations(), built()];
    rmSync(site.cache, { recursive: true });
    rmSync(place(), { recursive: true });
    applied();
    expect([generations(), built()]).toEqual([first, bytes]);
  });

  it("is refused where the host's limits do not allow commands, and nothing runs", () => {
    makeToySite();
    const ran = site.run("apply");
    expect(ran.stdout).toContain("this host's limits do not allow that");
    expect(existsSync(place())).toBe(false);
  });

  it("whose symbols do not hold is reported with symbol, wanted, got and what stopped it; nothing is shipped and the older stays", () => {
    const source = makeToySite();
    applied();
    const before = readlinkSync(join(place(), "current"));
    site.commit({
      ...files({ source: { directory: source }, require: { CHILD: true, MISSING: "m", PARENT: true } }),
      "desired/kernels/toy.kconfig": "CONFIG_CHILD=y\n",
    });
    const { stdout } = failed();
    expect(stdout).toContain("CONFIG_CHILD: y is wanted, it is not set: it depends on PARENT, which is n");
    expect(stdout).toContain("CONFIG_MISSING: m is wanted, it is not set: this kernel has no such symbol");
    expect(stdout).toContain("CONFIG_PARENT: y is wanted, it is not set: the configuration does not set it");
    expect(readlinkSync(join(place(), "current"))).toBe(before);
    expect(generations()).toEqual([before]);
    expect(planned()?.blocked?.condition).toBe("Stalled");
    site.commit(files({ source: { directory: source }, require: { CHILD: true } }));
    applied();
  });

  it("that does not compile ships nothing: the report shows the first error and the log", () => {
    const source = makeToySite();
    writeFileSync(join(source, "main.c"), "int one\n#error broken here\n#error and here\n");
    const { stdout } = failed();
    expect(stdout).toMatch(/cannot build kernel toy: main\.c:2:2: error: #error broken here/);
    expect(stdout).toMatch(/log: .*logs\/kernel\/toy\/.*-build\.log/);
    expect(existsSync(join(place(), "current"))).toBe(false);
    expect(leftovers(site)).toEqual([]);
    writeToy(source, toyFiles());
    applied();
  });

  it("is compiled again only where something changed; a changed source is drift, and a fragment is the commit's", () => {
    const source = makeToySite({ fragments: [] });
    applied();
    expect(lastLog()).toContain("compiled");
    writeFileSync(join(source, "NOTES"), "nothing that is compiled\n");
    expect(planned()).toMatchObject({ action: "update", cause: "corrective", reason: "source changed" });
    applied();
    expect(built()).toContain("CONFIG_CHILD=y");
    site.commit({
      ...files({ source: { directory: source }, fragments: ["less.kconfig"] }),
      "desired/kernels/less.kconfig": "# CONFIG_CHILD is not set\n",
    });
    expect(planned()).toMatchObject({ action: "update", cause: "intentional", reason: "config changed" });
    applied();
    expect(built()).toContain("# CONFIG_CHILD is not set");
  });

  it("that was damaged, or whose link was moved, is put right; what was built before is found again and not made", () => {
    const source = makeToySite();
    applied();
    const [generation = ""] = generations();
    const whole = built();
    appendFileSync(join(place(), "current/kernel"), "x");
    expect(planned()).toMatchObject({ cause: "corrective", reason: "kernel differs from what was built" });
    applied();
    expect(built()).toBe(whole);
    rmSync(join(place(), "current"));
    expect(planned()?.cause).toBe("corrective");
    expect(applied()).toContain(`found built as generation ${generation}`);
    site.commit({ "desired/kernels/toy.kconfig": "CONFIG_PARENT=y\n" });
    applied();
    site.commit(files({ source: { directory: source } }));
    expect(applied()).toContain(`found built as generation ${generation}`);
    expect(leftovers(site)).toEqual([]);
  });

  it("keeps as many versions as are declared, and goes with its declaration only where that is said", () => {
    const source = makeToySite({ retention: { generations: 2 }, onDelete: "destroy" });
    for (const text of [config, "CONFIG_PARENT=y\n", "CONFIG_CHILD=n\n"]) {
      site.commit({ "desired/kernels/toy.kconfig": text });
      applied();
    }
    expect(generations()).toHaveLength(2);
    const told = runAllowed(site, "explain", "kernel/toy").stdout;
    for (const generation of generations())
      expect(told).toMatch(new RegExp(`generation +${generation} of .*, Linux 0.1.0`));
    expect(told).toContain("Linux 0.1.0 (current)");
    site.commit(files({ source: { directory: source }, retention: { generations: 1 }, onDelete: "destroy" }));
    expect(runAllowed(site, "gc").stdout).toMatch(/kernel\/toy: generation [0-9a-f]{16} of .*, removed/);
    expect(generations()).toHaveLength(1);
    site.commit({ "desired/kernels/toy.yaml": undefined, "desired/kernels/toy.kconfig": undefined });
    expect(planned()?.blocked?.condition).toBe("ApprovalRequired");
    applied("--yes");
    expect(existsSync(place())).toBe(false);
    expect(existsSync(join(site.cache, "kernels/builds/toy"))).toBe(false);
    expect(existsSync(join(source, "Makefile"))).toBe(true);
  });

  it("is refused where somebody else's directory stands in its place, which stays as it is", () => {
    makeToySite();
    execFileSync("mkdir", ["-p", place()]);
    writeFileSync(join(place(), "mine"), "mine\n");
    const ran = runAllowed(site, "apply");
    expect(ran.stdout).toContain("not made by Rootloom");
    expect(readdirSync(place())).toEqual(["mine"]);
  });
});

describe("a kernel's source", () => {
  const pack = (text = "one"): string => {
    const folder = writeToy(join(site.directory, `toy-${text}`), toyFiles(text));
    const file = join(site.directory, `toy-${text}.tar.xz`);
    execFileSync("tar", ["-cJf", file, "-C", site.directory, `toy-${text}`]);
    rmSync(folder, { recursive: true });
    return file;
  };
  const patch = (from: string, to: string): string =>
    ["--- a/main.c", "+++ b/main.c", "@@ -1 +1 @@", `-${toyFiles(from)["main.c"]}+${toyFiles(to)["main.c"]}`].join(
      "\n",
    );

  it("is a tarball that its hash vouches for, with the patches of the commit in their order", () => {
    site = makeSite(empty);
    const path = pack();
    const tarballOf = (sha256: string): object => ({ source: { tarball: { path, sha256 } } });
    const patches = {
      "desired/patches/1.patch": patch("one", "two"),
      "desired/patches/2.patch": patch("two", "three"),
    };
    const ordered = { ...tarballOf(sha256Of(path)), patches: ["patches/1.patch", "patches/2.patch"] };
    site.commit(files(ordered, patches));
    applied();
    expect(built()).toContain('version = "three"');
    expect(planned()?.action).toBe("keep");
    site.commit(files({ ...ordered, patches: ["patches/2.patch", "patches/1.patch"] }));
    expect(planned()).toMatchObject({ cause: "intentional", reason: "patches changed" });
    expect(failed().stdout).toContain("the patch patches/2.patch does not apply");
    expect(built()).toContain('version = "three"');
    site.commit(files(tarballOf("0".repeat(64))));
    expect(failed().stdout).toContain("cannot use the source of kernel toy: sha256 of");
    expect(leftovers(site)).toEqual([]);
  });

  it("is vouched for by the signature of the archive before it was compressed, as kernels are signed", async () => {
    const publisher = await openPublisher();
    try {
      site = makeSite(empty);
      const path = pack();
      const signature = path.replace(/\.xz$/, ".sign");
      const signed = execFileSync("xz", ["-dc", path]);
      const keys = { "desired/keys/release.asc": publisher.keyring("release") };
      writeFileSync(signature, publisher.sign("other", signed));
      site.commit(files({ source: { tarball: { path, signature, keyring: "keys/release.asc" } } }, keys));
      expect(failed().stdout).toContain("is not in the keyring");
      writeFileSync(signature, publisher.sign("release", readFileSync(path)));
      expect(runAllowed(site, "trigger", "kernel/toy").stdout).toContain("is not of this content");
      writeFileSync(signature, publisher.sign("release", signed));
      expect(runAllowed(site, "trigger", "kernel/toy").stdout).toContain("kernel toy has been built");
    } finally {
      await publisher.remove();
    }
  });

  it("that was changed in the cache is unpacked anew", () => {
    site = makeSite(empty);
    const path = pack();
    site.commit(files({ source: { tarball: { path, sha256: sha256Of(path) } } }));
    applied();
    const unpacked = join(site.cache, "kernels/sources");
    const [top = ""] = readdirSync(unpacked).filter((name) => !name.endsWith(".json"));
    writeFileSync(join(unpacked, top, "main.c"), toyFiles("evil")["main.c"] ?? "");
    site.commit({ "desired/kernels/toy.kconfig": "CONFIG_PARENT=y\n" });
    applied();
    expect(built()).toContain('version = "one"');
  });

  it("stands in a volume, and the kernel waits until it is there", () => {
    site = makeSite(empty);
    const source = { volume: { name: "sources", path: "linux" } };
    const volume = document("Volume", "sources", { backend: "directory" });
    site.commit(files({ source }, { "desired/volumes/sources.yaml": volume }));
    expect(runAllowed(site, "apply").stdout).toContain("is no kernel source: it is not there");
    expect(planned()?.blocked).toMatchObject({ condition: "Waiting" });
    writeToy(join(site.state, "volumes/sources/linux"), toyFiles("of a volume"));
    applied();
    expect(built()).toContain('version = "of a volume"');
  });
});

describe("a kernel with an image in it", () => {
  it("is made behind the image in one pass, again when the image changed, and not otherwise; the image's codec is demanded or added", () => {
    const source = makeToySite({}, small);
    const spec = { source: { directory: source }, initramfs: "a" };
    site.commit(files(spec));
    const { stdout } = failed();
    expect(stdout).toContain("CONFIG_RD_GZIP: y is wanted, it is not set");
    site.commit(files({ ...spec, needs: "add" }, { "desired/kernels/toy.kconfig": "CONFIG_BINFMT_ELF=y\n" }));
    applied();
    const image = (): string => readFileSync(join(site.state, "artifacts/a/current/initramfs.cpio.gz"), "latin1");
    const kernelBytes = (): string => readFileSync(join(place(), "current/kernel"), "latin1");
    expect(kernelBytes().endsWith(image())).toBe(true);
    expect(planned()?.action).toBe("keep");
    site.commit({ "desired/overlays/hardware/one/etc/one.conf": "another\n" });
    expect(planned()).toMatchObject({ action: "update", reason: "artifact/a changes in this pass" });
    applied();
    expect(kernelBytes().endsWith(image())).toBe(true);
    expect(planned()?.action).toBe("keep");
    const mode = (): number => statSync(join(place(), "current")).mode & 0o777;
    expect(mode()).toBe(0o755);
    site.commit({
      "desired/overlays/secret-sauce/key/etc/key": "hush\n",
      "desired/images/a.yaml": document("Image", "a", { root: "small", overlays: ["secret-sauce/key"] }),
    });
    applied();
    expect([kernelBytes().endsWith(image()), mode()]).toEqual([true, 0o700]);
  });
});

describe("a size that is the most", () => {
  it("keeps an image from being embedded before anything is compiled, and what came out larger from being current", () => {
    const source = makeToySite({ maxSize: 100 }, small);
    expect(failed().stdout).toMatch(/cannot take kernel toy: it has \d+ bytes, and its maxSize is 100/);
    expect([existsSync(join(place(), "current")), leftovers(site)]).toEqual([false, []]);
    const spec = { source: { directory: source }, initramfs: "a", needs: "add", maxSize: "1KiB" };
    site.commit(files(spec, { "desired/kernels/toy.kconfig": "CONFIG_BINFMT_ELF=y\n" }));
    expect(failed().stdout).toMatch(/the image to embed alone has \d+ bytes, and its maxSize is 1024/);
    expect(lastLog()).not.toContain("bzImage");
    site.commit(files({ ...spec, maxSize: "64MiB" }, { "desired/kernels/toy.kconfig": "CONFIG_BINFMT_ELF=y\n" }));
    applied();
    const image = { root: "small", overlays: ["hardware/one"] };
    const [before] = readdirSync(join(site.state, "artifacts/a")).filter((name) => /^[0-9a-f]{16}$/.test(name));
    const smaller = document("Image", "a", { ...image, maxSize: "1KiB", init: "/bin/busybox" });
    site.commit({ "desired/images/a.yaml": smaller });
    expect(failed().stdout).toMatch(/cannot take image a: it has \d+ bytes, and its maxSize is 1024/);
    expect(readlinkSync(join(site.state, "artifacts/a/current"))).toBe(before);
  });
});

describe("a kernel that a root builds", () => {
  /** A root with a shell and make, and a compiler of its own, which only says that it was there. */
  function rootWithTools(tools: readonly string[]): string {
    const [folder, path] = [join(site.directory, "tools"), join(site.directory, "tools.tar")];
    execFileSync("sh", ["-ec", ROOT_WITH_MAKE, folder, join(fixtures, "busybox-bookworm.tar")]);
    const compiler =
      '#!/bin/sh\ncase $1 in -dumpmachine) echo x86_64-linux-gnu; exit;; --version) echo "gcc of the root"; exit;; esac\n' +
      "if touch /usr/open/written 2>/dev/null; then echo error: the root can be written; exit 1; fi\n" +
      'while [ "$1" != -o ]; do shift; done\necho object > "$2"\nls -l /dev/null /proc/self/exe > /mnt/build/seen\n';
    for (const name of tools) writeFileSync(join(folder, "usr/bin", name), compiler, { mode: 0o755 });
    execFileSync("tar", ["-cf", path, "-C", folder, "."]);
    return document("Root", "tools", { volume: "tools", source: { tarball: { path, sha256: sha256Of(path) } } });
  }
  const begin = (tools: readonly string[]): void => {
    site = makeSite({ ...empty, "desired/volumes/tools.yaml": document("Volume", "tools", { backend: "directory" }) });
    const source = writeToy(join(site.directory, "linux"), toyFiles());
    const root = { "desired/roots/tools.yaml": rootWithTools(tools) };
    site.commit(files({ source: { directory: source }, buildIn: "tools" }, root));
  };

  it("is made by the root's programs, in one pass with it, as nobody, with the root only to be read, where the host allows no commands", () => {
    begin(["gcc", "flex", "bison", "bc"]);
    const ran = site.run("apply");
    expect(ran.exitCode, ran.stdout + ran.stderr).toBe(0);
    expect(built()).toContain("CONFIG_CHILD=y");
    const tree = join(site.cache, "kernels/builds/toy/tree");
    expect(readFileSync(join(tree, "main.o"), "utf8")).toBe("object\n");
    expect([readFileSync(join(tree, "who"), "utf8"), readFileSync(join(tree, "networks"), "utf8")]).toEqual([
      "65534\n",
      "lo\n",
    ]);
    expect(readFileSync(join(tree, "seen"), "utf8")).toContain("/dev/null");
    const report = JSON.parse(built("report.json")) as { readonly inputs: { readonly compiler: string } };
    expect(report.inputs.compiler).toBe("tree/tools: gcc: gcc of the root");
    expect(lastLog()).toContain(" CC=gcc ");
    expect(existsSync(join(site.state, "volumes/tools/root/usr/open/written"))).toBe(false);
    const before = fingerprint(site.state);
    expect(site.run("apply").exitCode).toBe(0);
    expect(fingerprint(site.state)).toBe(before);
    expect(leftovers(site)).toEqual([]);
  });

  it("waits for a program that the root does not have, and says which", () => {
    begin(["gcc", "flex"]);
    expect(site.run("apply").stdout).toContain("cannot build kernel toy: bison is not installed in tree/tools");
    expect(existsSync(join(place(), "current"))).toBe(false);
  });
});

describe("`rootloom kernel-config update`", () => {
  it("shows what becomes of a configuration with the source of now, rewrites the file only when asked, and then shows nothing", () => {
    const source = makeToySite();
    site.commit({ "desired/kernels/toy.kconfig": "CONFIG_CHILD=y\nCONFIG_OTHER=m\n" });
    const file = join(site.directory, "desired/kernels/toy.kconfig");
    const [before, all] = [readFileSync(file, "utf8"), fingerprint(source)];
    const shown = runAllowed(site, "kernel-config", "update", "toy");
    expect([shown.exitCode, shown.stdout.split("\n")[0]]).toEqual([2, "- CHILD=y"]);
    expect(readFileSync(file, "utf8")).toBe(before);
    expect(runAllowed(site, "kernel-config", "update", "toy", "--write").exitCode).toBe(0);
    expect(readFileSync(file, "utf8")).toBe("CONFIG_OTHER=m\n");
    const again = runAllowed(site, "kernel-config", "update", "toy");
    expect([again.exitCode, again.stdout]).toEqual([0, `${file} is as Kconfig writes it: nothing changes\n`]);
    expect(existsSync(join(place(), "current"))).toBe(false);
    expect(fingerprint(source)).toBe(all);
    expect(runAllowed(site, "gc").stdout).toContain(
      "cache kernels: 1 sources, builds and picked modules of nothing declared removed",
    );
  });

  it("carries a whole answer to a newer kernel: what that knows is added, what it no longer knows goes", () => {
    const source = makeToySite();
    const whole = `#\n# Automatically generated file; DO NOT EDIT.\n${config}CONFIG_GONE=y\n`;
    site.commit({ "desired/kernels/toy.kconfig": whole });
    const newer =
      "sed -i '/^CONFIG_GONE=/d' $(O)/.config; grep -q CONFIG_NEWER $(O)/.config || echo CONFIG_NEWER=y >> $(O)/.config";
    const { Makefile = "" } = toyFiles();
    writeToy(source, { Makefile: Makefile.replace("olddefconfig:\n", `olddefconfig:\n\t@${newer}\n`) });
    const shown = runAllowed(site, "kernel-config", "update", "toy", "--write");
    expect(shown.stdout.split("\n").slice(0, 2)).toEqual(["- GONE=y", "+ NEWER=y"]);
    const written = readFileSync(join(site.directory, "desired/kernels/toy.kconfig"), "utf8");
    expect(written).toBe(whole.replace("CONFIG_GONE", "CONFIG_NEWER"));
    const again = runAllowed(site, "kernel-config", "update", "toy");
    expect([again.exitCode, again.stdout]).toEqual([0, expect.stringContaining("nothing changes")]);
  });
});
