import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ArtifactResource } from "../../../src/core/resource.ts";
import { artifactExecutors, artifactObserver, artifactPlanner } from "../../../src/resources/artifact/index.ts";
import { checkKernelSymbols } from "../../../src/resources/artifact/kernel-symbols.ts";
import { openWorkshop, type Workshop } from "../../resources/overlay/workshop.ts";

const artifact = { observer: artifactObserver, planner: artifactPlanner, executors: artifactExecutors };
const GOOD = "CONFIG_BLK_DEV_INITRD=y\nCONFIG_RD_GZIP=y\nCONFIG_BINFMT_ELF=y\n";
const BAD = GOOD.replace("CONFIG_RD_GZIP=y", "# CONFIG_RD_GZIP is not set");
const REFUSED = /cannot start tiny with the kernel .*vmlinuz: CONFIG_RD_GZIP is n, y is needed \(/;

let shop: Workshop;
const at = (...names: readonly string[]): string => join(shop.directory, ...names);
beforeEach(() => {
  shop = openWorkshop();
  for (const folder of ["boot", "lib/modules/6.1.0-tiny"]) mkdirSync(at("volume/root", folder), { recursive: true });
  writeFileSync(at("volume/root/init"), "#!/bin/sh\n");
  chmodSync(at("volume/root/init"), 0o755);
});
afterEach(() => shop.close());

/** The header of a bzImage, and behind it what it would unpack. */
function writeKernel(path: string, payload: Uint8Array = new Uint8Array()): void {
  const bytes = Buffer.alloc(0x3000 + payload.length, 0);
  bytes.write("MZ", 0);
  bytes.writeUInt8(15, 0x1f1);
  bytes.writeUInt16LE(0xaa55, 0x1fe);
  bytes.write("HdrS", 0x202);
  bytes.writeUInt16LE(0x20f, 0x206);
  bytes.writeUInt16LE(0xe00, 0x20e);
  bytes.writeUInt16LE(1, 0x236);
  bytes.writeUInt32LE(0x1000, 0x248);
  bytes.writeUInt32LE(payload.length, 0x24c);
  bytes.write("6.1.0-tiny (x@y)\0", 0x1000);
  bytes.set(payload, 0x3000);
  writeFileSync(path, bytes);
}

/** As CONFIG_IKCONFIG leaves it in what the kernel unpacks. */
const ikconfig = (config: string): Buffer =>
  Buffer.concat([Buffer.alloc(5000, "k"), Buffer.from("IKCFG_ST"), gzipSync(config), Buffer.from("IKCFG_ED more")]);

/** As the kernel's makefiles do it: with the size of the whole behind it. */
function packedBy(command: string, content: Buffer): Buffer {
  const [tool = "", ...words] = command.split(" ");
  const size = Buffer.alloc(4);
  size.writeUInt32LE(content.length);
  return Buffer.concat([execFileSync(tool, [...words, "-c"], { input: content }), size]);
}

function resource(kernel: ArtifactResource["kernel"]): ArtifactResource {
  const top = at("volume/root");
  const path = at("state/artifacts/tiny");
  return {
    ...{ id: "artifact/tiny", kind: "artifact", name: "tiny", identity: `path:${path}`, dependsOn: ["tree/tiny"] },
    ...{ origin: { document: "Image/tiny", file: "i.yaml", line: 1, column: 1 }, protect: false, onDelete: "destroy" },
    ...{ format: "initramfs", path, file: "initramfs.cpio.gz", overlays: [], excludes: ["boot"], nodes: [] },
    base: { type: "tree", tree: "tree/tiny", path: top, volumePath: at("volume"), sourceDate_s: 0, content: "live" },
    ...{ init: "/init", compression: { codec: "gzip", level: 1 }, sourceDate_s: 0, packPolicy: "onChange" },
    ...{ generations: 2, target: "x64", kernel, boot: { form: "entry", cmdline: "", stub: "" } },
    symbols: { BLK_DEV_INITRD: "y", RD_GZIP: "y", BINFMT_ELF: "y" },
  };
}

const ofRoot = (): ArtifactResource =>
  resource({ type: "tree", tree: "tree/tiny", top: at("volume/root"), path: "boot/vmlinuz" });
const refusalOf = async (image: ArtifactResource): Promise<string | undefined> =>
  (await shop.plan(artifact, image)).blocked?.message;

describe("a kernel that is there", () => {
  it.each(["boot/config-6.1.0-tiny", "lib/modules/6.1.0-tiny/config"])(
    "without the codec of the image is refused with the symbol named, by %s of its root",
    async (config) => {
      writeKernel(at("volume/root/boot/vmlinuz"));
      writeFileSync(at("volume/root", config), BAD);
      expect(await refusalOf(ofRoot())).toMatch(REFUSED);
      writeFileSync(at("volume/root", config), GOOD);
      const { outcome } = await shop.apply(artifact, ofRoot());
      expect(outcome?.notes?.join("\n")).not.toContain("nothing tells");
    },
  );

  it.each<[string, (config: string) => Uint8Array]>([
    ["gzip", (config) => gzipSync(ikconfig(config))],
    ["zstd", (config) => Buffer.concat([zstdCompressSync(ikconfig(config)), Buffer.alloc(4)])],
    ["nothing", ikconfig],
    ["xz", (config) => packedBy("xz --check=crc32 --x86 --lzma2=dict=1MiB", ikconfig(config))],
    ["lzma", (config) => packedBy("lzma", ikconfig(config))],
    ["bzip2", (config) => packedBy("bzip2", ikconfig(config))],
  ])("is asked itself where it holds its configuration, packed with %s", async (_codec, pack) => {
    const path = at("vmlinuz");
    writeKernel(path, pack(BAD));
    expect(await refusalOf(resource({ type: "file", path }))).toMatch(REFUSED);
    writeKernel(path, pack(GOOD));
    expect(await refusalOf(resource({ type: "file", path }))).toBeUndefined();
    writeFileSync(at("config-6.1.0-tiny"), BAD);
    expect(await refusalOf(resource({ type: "file", path }))).toMatch(REFUSED);
  });

  it("that is packed by what is not installed is taken, and the report says what is missing", async () => {
    const path = at("vmlinuz");
    writeKernel(path, packedBy("xz --check=crc32", ikconfig(BAD)));
    const processes = { ...shop.host.processes, find: () => undefined };
    const host = { ...shop.host, processes };
    const [told] = await checkKernelSymbols(resource({ type: "file", path }), { host, signal: undefined });
    expect(told).toContain("is configured (it is packed by xz, which is not installed): it needs CONFIG_");
  });

  it("of which nothing is known is taken, and the report says what it needs", async () => {
    writeKernel(at("volume/root/boot/vmlinuz"), gzipSync("no configuration"));
    const { outcome } = await shop.apply(artifact, ofRoot());
    expect(outcome?.notes).toContainEqual(
      expect.stringMatching(
        /^nothing tells how the kernel .*vmlinuz is configured: it needs CONFIG_BLK_DEV_INITRD, CONFIG_RD_GZIP, /,
      ),
    );
  });
});
