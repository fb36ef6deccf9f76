import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type FileTree, makeSite, type Site } from "../kit.ts";
import { whyNotMount } from "./private-namespace.ts";
import { document, imageOf, leftovers, type PlanJson, small } from "./small-site.ts";
import { runAllowed, toyFiles, writeToy } from "./toy-kernel.ts";

let site: Site;
beforeEach(() => expect(whyNotMount()).toBeUndefined());
afterEach(() => site.remove());

const image = (spec: object): FileTree => ({
  "desired/images/a.yaml": document("Image", "a", { root: "small", ...spec }),
});
const applied = (): string => {
  const ran = runAllowed(site, "apply");
  expect(ran.exitCode, ran.stdout + ran.stderr).toBe(0);
  return ran.stdout;
};
const failed = (): string => {
  const ran = runAllowed(site, "apply");
  expect(ran.exitCode, ran.stdout + ran.stderr).toBe(1);
  return ran.stdout;
};
const step = (id: string): PlanJson["steps"][number] | undefined =>
  (JSON.parse(runAllowed(site, "plan", "--json").stdout) as PlanJson).steps.find((each) => each.id === id);
/** What an image holds below a folder, unpacked by cpio. */
function held(folder: string): Readonly<Record<string, string>> {
  const into = join(site.directory, "unpacked");
  rmSync(into, { recursive: true, force: true });
  mkdirSync(into);
  execFileSync("sh", ["-c", 'gzip -dc "$0" | cpio --quiet -idm "$1*" 2>/dev/null', imageOf(site), folder], {
    cwd: into,
  });
  const found = execFileSync("find", [folder, "!", "-type", "d"], { cwd: into, encoding: "utf8" });
  const names = found.split("\n").filter((name) => name !== "");
  return Object.fromEntries(
    names.sort().map((name) => [name.slice(folder.length + 1), readFileSync(join(into, name), "latin1")]),
  );
}
const modulesIn = (): readonly string[] => Object.keys(held("lib/modules")).filter((name) => name.endsWith(".ko"));

describe("modules of a built kernel in an image", () => {
  const CONFIG = ["BLK_DEV_INITRD", "RD_GZIP", "BINFMT_ELF", "DEVTMPFS"].map((name) => `CONFIG_${name}=y\n`).join("");
  const kernel = (spec: object = {}, config = "CONFIG_MODULES=y\nCONFIG_PARENT=y\n"): FileTree => ({
    "desired/kernels/toy.kconfig": config,
    "desired/kernels/toy.yaml": document("KernelConfig", "toy", {
      ...{ config: "toy.kconfig", source: { directory: join(site.directory, "linux") }, modules: {}, ...spec },
    }),
  });
  const begin = (spec: object, more: FileTree = {}): void => {
    site = makeSite(small);
    writeToy(join(site.directory, "linux"), toyFiles());
    site.commit({ ...kernel(), ...image({ modules: { kernel: "toy", ...spec } }), ...more });
  };

  it("are those that it picks with what they depend on, with an index of just these, in one pass; the second is all keep, and from nothing the same bytes come", () => {
    begin({ only: ["top", "within"] });
    applied();
    const found = held("lib/modules");
    expect(modulesIn()).toEqual(["0.1.0/kernel/lib/helper.ko", "0.1.0/kernel/lib/top.ko"]);
    expect(found["0.1.0/modules.dep"]).toBe("kernel/lib/helper.ko:\nkernel/lib/top.ko: kernel/lib/helper.ko\n");
    expect(Object.keys(found)).toEqual(expect.arrayContaining(["0.1.0/modules.dep.bin", "0.1.0/modules.builtin"]));
    expect(Object.keys(found)).not.toContain("0.1.0/build");
    expect(step("artifact/a")?.action).toBe("keep");
    const [generation, bytes] = [readlinkSync(join(site.state, "artifacts/a/current")), readFileSync(imageOf(site))];
    for (const path of [site.cache, join(site.state, "artifacts/a")]) rmSync(path, { recursive: true });
    applied();
    expect(readlinkSync(join(site.state, "artifacts/a/current"))).toBe(generation);
    expect(readFileSync(imageOf(site)).equals(bytes)).toBe(true);
    expect(leftovers(site)).toEqual([]);
  });

  it("are all of them where none is named; another choice or another kernel packs it anew; what the kernel does not have is refused", () => {
    begin({});
    applied();
    expect(modulesIn()).toHaveLength(3);
    site.commit(image({ modules: { kernel: "toy", only: ["oth*"] } }));
    expect(step("artifact/a")).toMatchObject({
      cause: "intentional",
      reason: expect.stringMatching(/^modules changed/),
    });
    applied();
    expect(modulesIn()).toEqual(["0.1.0/kernel/lib/other.ko"]);
    site.commit(image({ modules: { kernel: "toy", only: ["top", "missing"] } }));
    expect(failed()).toContain("cannot pack a: kernel 0.1.0 has no module missing");
    const halves = readdirSync(join(site.cache, "picked/a/modules")).filter((name) => name.startsWith("."));
    expect(halves).toEqual([]);
    site.commit({ ...kernel({ modules: { strip: true } }), ...image({ modules: { kernel: "toy", only: ["other"] } }) });
    const [before] = Object.values(held("lib/modules")).map((text) => text.length);
    applied();
    expect(Object.values(held("lib/modules"))[0]?.length).toBeLessThan(before ?? 0);
  });

  it("that were changed in the kernel's generation are built anew, and those changed in the cache are taken anew", () => {
    begin({ only: ["other"] });
    applied();
    const whole = readFileSync(imageOf(site));
    const cached = join(site.cache, "picked/a/modules");
    const [id = ""] = readdirSync(cached).filter((name) => !name.endsWith(".json"));
    appendFileSync(join(cached, id, "lib/modules/0.1.0/kernel/lib/other.ko"), "evil");
    expect(step("artifact/a")?.action).toBe("keep");
    appendFileSync(join(site.state, "kernels/toy/current/modules/0.1.0/kernel/lib/other.ko"), "evil");
    expect(step("kernel/toy")).toMatchObject({ cause: "corrective", action: "update" });
    applied();
    expect(readFileSync(imageOf(site)).equals(whole)).toBe(true);
  });

  it("are made before the image that is embedded in the same kernel, which is then only linked, and again when that image changed", () => {
    begin({ only: ["top"] }, { "desired/kernels/toy.kconfig": `${CONFIG}CONFIG_MODULES=y\n` });
    site.commit(kernel({ initramfs: "a" }, `${CONFIG}CONFIG_MODULES=y\n`));
    applied();
    const built = (): string => readFileSync(join(site.state, "kernels/toy/current/kernel"), "latin1");
    expect(modulesIn()).toEqual(["0.1.0/kernel/lib/helper.ko", "0.1.0/kernel/lib/top.ko"]);
    expect(built().endsWith(readFileSync(imageOf(site), "latin1"))).toBe(true);
    const log = (name: string): string => {
      const folder = join(site.state, "logs/kernel", name);
      return readFileSync(join(folder, readdirSync(folder).sort().at(-1) ?? ""), "utf8");
    };
    expect(log("toy@modules")).toContain("compiled");
    for (const id of ["artifact/a", "kernel/toy", "kernel/toy@modules"]) expect(step(id)?.action).toBe("keep");
    site.commit({ "desired/overlays/common/etc/motd": "another\n" });
    expect(step("kernel/toy@modules")?.action).toBe("keep");
    applied();
    expect(built().endsWith(readFileSync(imageOf(site), "latin1"))).toBe(true);
    expect(leftovers(site)).toEqual([]);
  });

  it("are refused where the kernel makes none", () => {
    begin({}, { "desired/kernels/toy.kconfig": "CONFIG_PARENT=y\n" });
    expect(failed()).toContain("CONFIG_MODULES: y is wanted, it is not set");
    site.commit(kernel({ modules: undefined }));
    expect(site.run("validate").stdout).toContain(
      "cannot take the modules of kernel toy into Image a: they are not made",
    );
  });
});

describe("modules and firmware of a root in an image", () => {
  const lay = (name: string, text: string): void => {
    const path = join(site.directory, "desired/overlays/hardware/live/lib", name);
    mkdirSync(dirname(path), { recursive: true });
    appendFileSync(path, text);
  };
  const compile = (name: string): void => {
    const path = join(site.directory, "desired/overlays/hardware/live/lib/modules/6.1.0/kernel", `${name}.ko`);
    mkdirSync(dirname(path), { recursive: true });
    execFileSync("gcc", ["-c", "-o", path, "-x", "c", "-"], { input: toyFiles()[`${name}.c`] ?? "" });
  };

  it("are those that it picks, of the newest release, and nothing else that the root has of them", () => {
    site = makeSite(small);
    for (const name of ["helper", "top", "other"]) compile(name);
    lay("modules/6.1.0/modules.dep", "kernel/top.ko: kernel/helper.ko\nkernel/helper.ko:\nkernel/other.ko:\n");
    lay("modules/5.10.0/modules.dep", "kernel/old.ko:\n");
    for (const name of ["nic/one.bin", "nic/two.bin", "other.bin", "target.bin"]) lay(`firmware/${name}`, `${name}\n`);
    site.commit({
      "desired/overlays/hardware/live/lib/firmware/nic/link.bin": { link: "../target.bin" },
      ...image({ modules: { only: ["top"] }, firmware: { files: ["nic/*"] } }),
    });
    applied();
    expect(modulesIn()).toEqual(["6.1.0/kernel/helper.ko", "6.1.0/kernel/top.ko"]);
    expect(Object.keys(held("lib/modules")).filter((name) => !name.startsWith("6.1.0/"))).toEqual([]);
    expect(Object.keys(held("lib/firmware"))).toEqual(["nic/link.bin", "nic/one.bin", "nic/two.bin", "target.bin"]);
    expect(step("artifact/a")?.action).toBe("keep");
    site.commit(image({ firmware: { files: ["nic/one.bin", "misspelt/*"] } }));
    expect(failed()).toContain("cannot pack a: there is no firmware misspelt/*");
    site.commit(image({ firmware: { files: ["nic/one.bin"] } }));
    applied();
    expect(Object.keys(held("lib/firmware"))).toEqual(["nic/one.bin"]);
    expect(statSync(imageOf(site)).size).toBeGreaterThan(0);
  });

  it("come from a folder of a volume, too, and are picked anew when they change there", () => {
    const volume = document("Volume", "blobs", { backend: "directory" });
    const firmware = { volume: { name: "blobs", path: "fw" }, files: ["**/*.bin"] };
    site = makeSite({ ...small, "desired/volumes/blobs.yaml": volume, ...image({ firmware }) });
    expect(runAllowed(site, "apply").stdout).toContain("fw is not there");
    const folder = join(site.state, "volumes/blobs/fw/deep");
    mkdirSync(folder, { recursive: true });
    appendFileSync(join(folder, "a.bin"), "one");
    applied();
    expect(held("lib/firmware")).toEqual({ "deep/a.bin": "one" });
    appendFileSync(join(folder, "a.bin"), " more");
    expect(step("artifact/a")).toMatchObject({
      cause: "corrective",
      reason: expect.stringContaining("firmware changed on the host"),
    });
    applied();
    expect(held("lib/firmware")).toEqual({ "deep/a.bin": "one more" });
    const picked = join(site.cache, "picked/a");
    expect([runAllowed(site, "gc").exitCode, existsSync(picked)]).toEqual([0, true]);
    site.commit(image({}));
    expect(runAllowed(site, "gc").stdout).toContain("1 sources, builds and picked modules of nothing declared removed");
    expect(existsSync(picked)).toBe(false);
  });
});
