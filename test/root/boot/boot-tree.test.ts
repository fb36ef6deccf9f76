import { createHash } from "node:crypto";
import { chmodSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readSections } from "../../../src/boot/pe.ts";
import type { ArtifactResource, BootForm } from "../../../src/core/resource.ts";
import { artifactExecutors, artifactObserver, artifactPlanner } from "../../../src/resources/artifact/index.ts";
import { fixtures } from "../../kit.ts";
import { openWorkshop, type Workshop } from "../../resources/overlay/workshop.ts";

const artifact = { observer: artifactObserver, planner: artifactPlanner, executors: artifactExecutors };
const stub = join(fixtures, "systemd-boot-efi/linuxx64.efi.stub");

let shop: Workshop;
let path: string;
beforeEach(() => {
  shop = openWorkshop();
  path = join(shop.directory, "state/artifacts/tiny");
  const root = join(shop.directory, "volume/root");
  for (const folder of ["boot", "usr/lib"]) mkdirSync(join(root, folder), { recursive: true });
  writeFileSync(join(root, "init"), "#!/bin/sh\n");
  chmodSync(join(root, "init"), 0o755);
  writeFileSync(join(root, "usr/lib/os-release"), 'ID=tiny\nPRETTY_NAME="Tiny 1"\nIMAGE_ID=other\n');
  writeKernel("6.1.0-tiny");
});
afterEach(() => shop.close());

/** The header of a kernel, and some of what is behind it. */
function writeKernel(release: string, hasEfiStub = true): Buffer {
  const bytes = Buffer.alloc(0x3000, "k");
  if (hasEfiStub) bytes.write("MZ", 0);
  bytes.writeUInt16LE(0xaa55, 0x1fe);
  bytes.write("HdrS", 0x202);
  bytes.writeUInt16LE(0x20f, 0x206);
  bytes.writeUInt16LE(0xe00, 0x20e);
  bytes.writeUInt16LE(1, 0x236);
  bytes.write(`${release} (x@y)\0`, 0x1000);
  writeFileSync(join(shop.directory, "volume/root/boot/vmlinuz-tiny"), bytes);
  return bytes;
}

function resource(boot: Partial<BootForm>, more: Partial<ArtifactResource> = {}): ArtifactResource {
  const volumePath = join(shop.directory, "volume");
  const top = join(volumePath, "root");
  return {
    ...{ id: "artifact/tiny", kind: "artifact", name: "tiny", identity: `path:${path}`, dependsOn: ["tree/tiny"] },
    ...{ origin: { document: "Image/tiny", file: "i.yaml", line: 1, column: 1 }, protect: false, onDelete: "destroy" },
    ...{ format: "initramfs", path, file: "initramfs.cpio.gz", overlays: [], excludes: ["boot"], nodes: [] },
    base: { type: "tree", tree: "tree/tiny", path: top, volumePath, sourceDate_s: 0, content: "live" },
    ...{ init: "/init", compression: { codec: "gzip", level: 6 }, sourceDate_s: 0, packPolicy: "onChange" },
    ...{ generations: 2, target: "x64" },
    kernel: { type: "tree", tree: "tree/tiny", top, path: "" },
    boot: { form: "uki", cmdline: "console=ttyS0 quiet", stub, ...boot },
    ...more,
  };
}

const current = (): string => readlinkSync(join(path, "current"));
const inBoot = (...names: readonly string[]): string => join(path, "current/boot", ...names);
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

function section(image: Buffer, name: string): Buffer {
  const { offset = 0, size_bytes = 0 } = readSections(image).get(name) ?? {};
  return image.subarray(offset, offset + size_bytes);
}

describe("the boot tree of an image", () => {
  it("is a unified kernel image that is named by image, target and generation, and holds all parts", async () => {
    const { outcome } = await shop.apply(artifact, resource({}));
    const name = `tiny-x64-${current()}.efi`;
    expect(readdirSync(inBoot("EFI/Linux"))).toEqual([name]);
    const image = readFileSync(inBoot("EFI/Linux", name));
    expect(section(image, ".initrd").equals(readFileSync(join(path, "current/initramfs.cpio.gz")))).toBe(true);
    expect(section(image, ".linux").equals(writeKernel("6.1.0-tiny"))).toBe(true);
    expect(section(image, ".cmdline").toString()).toBe("console=ttyS0 quiet");
    expect(section(image, ".uname").toString()).toBe("6.1.0-tiny");
    expect(section(image, ".osrel").toString()).toBe(
      `ID=tiny\nPRETTY_NAME="Tiny 1"\nIMAGE_ID=tiny\nIMAGE_VERSION=${current()}\n`,
    );
    expect(outcome?.notes).toContain(`for the system partition: ${path}/current/boot`);
    expect(outcome?.record?.details.files).toEqual([
      { path: `boot/EFI/Linux/${name}`, sha256: sha256(image), size_bytes: image.length },
    ]);
    expect((await shop.plan(artifact, resource({}))).operation).toBe("keep");
  });

  it("is kernel and initramfs side by side, with an entry whose paths are there", async () => {
    await shop.apply(artifact, resource({ form: "entry" }));
    const name = `tiny-x64-${current()}`;
    expect(readFileSync(inBoot("loader/entries", `${name}.conf`), "utf8")).toBe(
      [
        `title Tiny 1 (tiny ${current()})`,
        "version 6.1.0-tiny",
        "sort-key tiny",
        "options console=ttyS0 quiet",
        `linux /${name}/vmlinuz`,
        `initrd /${name}/initramfs.cpio.gz\n`,
      ].join("\n"),
    );
    expect(readFileSync(inBoot(name, "vmlinuz")).equals(writeKernel("6.1.0-tiny"))).toBe(true);
    expect(readFileSync(inBoot(name, "initramfs.cpio.gz"))).toEqual(
      readFileSync(join(path, "current/initramfs.cpio.gz")),
    );
    expect((await shop.plan(artifact, resource({ form: "entry" }))).operation).toBe("keep");
  });

  it("has the same bytes for the same inputs, and another generation for another command line, form or kernel", async () => {
    await shop.apply(artifact, resource({}));
    const first = readFileSync(inBoot("EFI/Linux", `tiny-x64-${current()}.efi`));
    const names = new Set([current()]);
    await shop.remove(artifact, "artifact/tiny");
    await shop.apply(artifact, resource({}));
    expect(readFileSync(inBoot("EFI/Linux", `tiny-x64-${current()}.efi`)).equals(first)).toBe(true);
    const command = await shop.apply(artifact, resource({ cmdline: "debug" }));
    expect(command.draft).toMatchObject({ cause: "intentional", reason: "cmdline changed" });
    names.add(current());
    await shop.apply(artifact, resource({ cmdline: "debug", form: "entry" }));
    names.add(current());
    writeKernel("6.1.0-newer");
    const kernel = await shop.apply(artifact, resource({ cmdline: "debug", form: "entry" }));
    expect(kernel.draft).toMatchObject({
      cause: "corrective",
      reason: expect.stringMatching(/^kernel changed on the host/),
    });
    names.add(current());
    expect(names.size).toBe(4);
  });

  it("that is damaged is made again", async () => {
    await shop.apply(artifact, resource({}));
    const file = inBoot("EFI/Linux", `tiny-x64-${current()}.efi`);
    const inode = lstatSync(file).ino;
    const bytes = readFileSync(file);
    writeFileSync(file, bytes.subarray(0, 1000));
    const { draft } = await shop.apply(artifact, resource({}));
    expect(draft).toMatchObject({ cause: "corrective", reason: expect.stringContaining("boot/EFI/Linux/tiny-x64") });
    expect(readFileSync(file).equals(bytes)).toBe(true);
    expect(lstatSync(file).ino).not.toBe(inode);
    expect((await shop.plan(artifact, resource({}))).operation).toBe("keep");
  });

  it.each<[string, () => Partial<BootForm>, RegExp, string]>([
    ["no stub", () => ({ stub: "/nowhere/x.efi.stub" }), /there is no EFI stub at \/nowhere/, "systemd-boot-efi"],
    [
      "a kernel that firmware cannot start",
      () => {
        writeKernel("6.1", false);
        return {};
      },
      /has no EFI stub: CONFIG_EFI_STUB is not set in it/,
      "boot.form: entry",
    ],
  ])("is refused with %s before anything is packed", async (_what, prepare, message, hint) => {
    const { blocked } = (await shop.apply(artifact, resource(prepare()))).draft;
    expect(blocked).toMatchObject({ condition: "Refused", message: expect.stringMatching(message) });
    expect(blocked?.hint).toContain(hint);
    expect(lstatSync(path, { throwIfNoEntry: false })).toBeUndefined();
  });
});
