import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readSections } from "../../../src/boot/pe.ts";
import type { ArtifactResource, BootForm } from "../../../src/core/resource.ts";
import { artifactExecutors, artifactObserver, artifactPlanner } from "../../../src/resources/artifact/index.ts";
import { fixtures, project, sha256Of } from "../../kit.ts";
import { openWorkshop, type Workshop } from "../../resources/overlay/workshop.ts";

const artifact = { observer: artifactObserver, planner: artifactPlanner, executors: artifactExecutors };
const stub = join(fixtures, "systemd-boot-efi/linuxx64.efi.stub");

let shop: Workshop;
const at = (...names: readonly string[]): string => join(shop.directory, ...names);
const path = (): string => at("state/artifacts/tiny");
const inBoot = (...names: readonly string[]): string => join(path(), "current/boot", ...names);
beforeEach(() => {
  shop = openWorkshop();
  mkdirSync(at("volume/root/boot"), { recursive: true });
  writeFileSync(at("volume/root/init"), "#!/bin/sh\n");
  chmodSync(at("volume/root/init"), 0o755);
  copyFileSync(join(fixtures, "vmlinuz"), at("volume/root/boot/vmlinuz"));
});
afterEach(() => shop.close());

function resource(boot: Partial<BootForm>): ArtifactResource {
  const top = at("volume/root");
  return {
    ...{ id: "artifact/tiny", kind: "artifact", name: "tiny", identity: `path:${path()}`, dependsOn: ["tree/tiny"] },
    ...{ origin: { document: "Image/tiny", file: "i.yaml", line: 1, column: 1 }, protect: false, onDelete: "destroy" },
    ...{ format: "initramfs", path: path(), file: "initramfs.cpio.gz", overlays: [], excludes: ["boot"], nodes: [] },
    base: { type: "tree", tree: "tree/tiny", path: top, volumePath: at("volume"), sourceDate_s: 0, content: "live" },
    ...{ init: "/init", compression: { codec: "gzip", level: 1 }, sourceDate_s: 0, packPolicy: "onChange" },
    ...{ generations: 2, target: "x64", kernel: { type: "tree", tree: "tree/tiny", top, path: "" } },
    boot: { form: "uki", cmdline: "quiet", stub, ...boot },
  };
}

function section(file: string, name: string): Buffer {
  const image = readFileSync(file);
  const { offset = 0, size_bytes = 0 } = readSections(image).get(name) ?? {};
  return image.subarray(offset, offset + size_bytes);
}

const program = (): string => inBoot("EFI/Linux", readdirSync(inBoot("EFI/Linux"))[0] ?? "");

describe("what is signed for Secure Boot", () => {
  const sign = () => ({ key: at("db.key"), certificate: at("db.pem") });
  const verify = (file: string): string =>
    execFileSync("sbverify", ["--cert", at("db.pem"), file], { encoding: "utf8", stdio: "pipe" });

  function makeKey(): void {
    const words = ["req", "-new", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=test", "-days", "30"];
    execFileSync("openssl", [...words, "-keyout", at("db.key"), "-out", at("db.pem")], { stdio: "pipe" });
    chmodSync(at("db.key"), 0o600);
  }

  it("is the EFI program, whose generation is another one for another certificate; and the kernel of an entry", async () => {
    makeKey();
    await shop.apply(artifact, resource({ sign: sign() }));
    expect(verify(program())).toContain("Signature verification OK");
    expect(section(program(), ".initrd").equals(readFileSync(join(path(), "current/initramfs.cpio.gz")))).toBe(true);
    expect((await shop.plan(artifact, resource({ sign: sign() }))).operation).toBe("keep");
    makeKey();
    const again = await shop.apply(artifact, resource({ sign: sign() }));
    expect(again.draft).toMatchObject({ cause: "corrective", reason: "certificate changed on the host" });
    expect(verify(program())).toContain("Signature verification OK");
    await shop.apply(artifact, resource({ sign: sign(), form: "entry" }));
    const kernel = inBoot(`tiny-x64-${readlinkSync(join(path(), "current"))}`, "vmlinuz");
    expect(verify(kernel)).toContain("Signature verification OK");
    expect(shop.records.get("artifact/tiny")?.details.files).toContainEqual(
      expect.objectContaining({ path: expect.stringMatching(/vmlinuz$/), sha256: sha256Of(kernel) }),
    );
  });

  it("waits for a key that is its owner's alone and belongs to the certificate; what stood stays", async () => {
    makeKey();
    chmodSync(at("db.key"), 0o644);
    const refused = await shop.plan(artifact, resource({ sign: sign() }));
    expect(refused.blocked?.message).toBe(`cannot use the key ${at("db.key")}: others may read it`);
    makeKey();
    await shop.apply(artifact, resource({}));
    const before = readlinkSync(join(path(), "current"));
    copyFileSync(at("db.pem"), at("other.pem"));
    makeKey();
    const mixed = { key: at("db.key"), certificate: at("other.pem") };
    await expect(shop.apply(artifact, resource({ sign: mixed }))).rejects.toThrow(/cannot sign boot\/EFI\/Linux/);
    expect(readlinkSync(join(path(), "current"))).toBe(before);
    expect(readdirSync(path()).filter((name) => name.startsWith(".build"))).toEqual([]);
  });
});

describe("microcode", () => {
  const intel = Buffer.alloc(2048, 7);
  intel.writeUInt32LE(1, 0);
  const amd = Buffer.from("DMA\0and what AMD has behind it");
  const listed = (file: string): readonly string[] =>
    execFileSync("cpio", ["-t", "--quiet"], { input: readFileSync(file), encoding: "utf8" })
      .trim()
      .split("\n");

  beforeEach(() => {
    mkdirSync(at("volume/root/lib/firmware/amd-ucode"), { recursive: true });
    writeFileSync(at("volume/root/lib/firmware/amd-ucode/microcode_amd_fam17h.bin"), amd);
    writeFileSync(at("volume/root/lib/firmware/amd-ucode/README"), "no microcode\n");
    writeFileSync(at("06-8e-0c"), intel);
  });
  const both = (): NonNullable<BootForm["microcode"]> => [
    { type: "tree", tree: "tree/tiny", top: at("volume/root"), path: "lib/firmware/amd-ucode" },
    { type: "host", path: at("06-8e-0c") },
  ];

  it("stands uncompressed in front of the initramfs of an EFI program, where the kernel looks for it", async () => {
    await shop.apply(artifact, resource({ microcode: both() }));
    const initrd = section(program(), ".initrd");
    const initramfs = readFileSync(join(path(), "current/initramfs.cpio.gz"));
    expect(initrd.subarray(-initramfs.length).equals(initramfs)).toBe(true);
    const early = at("early.cpio");
    writeFileSync(early, initrd.subarray(0, -initramfs.length));
    expect(listed(early)).toEqual([
      ...["kernel", "kernel/x86", "kernel/x86/microcode"],
      ...["kernel/x86/microcode/AuthenticAMD.bin", "kernel/x86/microcode/GenuineIntel.bin"],
    ]);
    const out = at("unpacked");
    mkdirSync(out);
    execFileSync("cpio", ["-i", "--quiet"], { cwd: out, input: readFileSync(early) });
    expect(readFileSync(join(out, "kernel/x86/microcode/AuthenticAMD.bin")).equals(amd)).toBe(true);
    expect(readFileSync(join(out, "kernel/x86/microcode/GenuineIntel.bin")).equals(intel)).toBe(true);
    expect((await shop.plan(artifact, resource({ microcode: both() }))).operation).toBe("keep");
    const said = execFileSync(join(project, "src/rootloom"), ["ls", program()], { encoding: "utf8", cwd: at() });
    expect(said).toContain("kernel/x86/microcode/AuthenticAMD.bin");
    expect(said).toMatch(/ \/?init$/m);
  });

  it("is the first initrd of an entry, is listed by `rootloom ls`, and its change makes another generation", async () => {
    const wanted = { form: "entry", microcode: both() } as const;
    await shop.apply(artifact, resource(wanted));
    const name = `tiny-x64-${readlinkSync(join(path(), "current"))}`;
    expect(readFileSync(inBoot("loader/entries", `${name}.conf`), "utf8")).toContain(
      `initrd /${name}/microcode.cpio\ninitrd /${name}/initramfs.cpio.gz\n`,
    );
    const words = ["ls", inBoot(name, "microcode.cpio")];
    const said = execFileSync(join(project, "src/rootloom"), words, { encoding: "utf8", cwd: shop.directory });
    expect(said).toContain("kernel/x86/microcode/AuthenticAMD.bin");
    writeFileSync(at("06-8e-0c"), Buffer.concat([intel, intel]));
    const { draft } = await shop.apply(artifact, resource(wanted));
    expect(draft).toMatchObject({ cause: "corrective", reason: "microcode changed on the host" });
  });

  it.each<[string, () => string, RegExp]>([
    ["is not there", () => at("nowhere"), /the microcode .*nowhere: it is not there/],
    ["is something else", () => at("volume/root/init"), /neither AMD's nor Intel's, nor an early archive/],
    ["is a folder without any", () => at("volume/root/boot"), /there is none in it/],
  ])("is refused where it %s", async (_what, place, message) => {
    const { blocked } = await shop.plan(artifact, resource({ microcode: [{ type: "host", path: place() }] }));
    expect(blocked?.message).toMatch(message);
  });
});

describe("an EFI program for arm64", () => {
  /** A stub and a kernel with the headers of that architecture: nothing here can start them. */
  function writeArm64(): string {
    const bytes = readFileSync(stub);
    bytes.writeUInt16LE(0xaa64, bytes.readUInt32LE(0x3c) + 4);
    writeFileSync(at("linuxaa64.efi.stub"), bytes);
    const kernel = Buffer.alloc(0x3000);
    kernel.write("MZ", 0);
    kernel.writeUInt32LE(0x644d5241, 0x38);
    kernel.write("Linux version 6.1.0-arm (x@y)\0", 0x1000);
    writeFileSync(at("volume/root/boot/vmlinuz"), kernel);
    return at("linuxaa64.efi.stub");
  }

  it("is put together from the stub of that architecture, which is asked for where it is missing", async () => {
    const given = writeArm64();
    const missing = await shop.plan(artifact, resource({ stub: "" }));
    expect(missing.blocked?.message).toMatch(/there is no EFI stub at .*linuxaa64\.efi\.stub/);
    expect(missing.blocked?.hint).toContain("boot.stub");
    const wrong = await shop.plan(artifact, resource({}));
    expect(wrong.blocked?.message).toContain("linuxx64.efi.stub is not for arm64");
    await shop.apply(artifact, resource({ stub: given }));
    expect(section(program(), ".uname").toString()).toBe("6.1.0-arm");
    expect(section(program(), ".linux").equals(readFileSync(at("volume/root/boot/vmlinuz")))).toBe(true);
    expect(section(program(), ".initrd").equals(readFileSync(join(path(), "current/initramfs.cpio.gz")))).toBe(true);
  });
});
