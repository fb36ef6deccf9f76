import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { factsOf, readKernel } from "../../../src/boot/kernel.ts";
import type { RootloomError } from "../../../src/core/error.ts";
import { createFiles } from "../../../src/host/real/files.ts";
import { fixtures, sha256Of } from "../../kit.ts";

const files = createFiles({ mountNamespace: "/proc/self/ns/mnt" });
const debian = join(fixtures, "vmlinuz");

/** The header of a bzImage, and nothing behind it. */
function header(release: string, more: { readonly is64?: boolean; readonly efi?: boolean } = {}): Buffer {
  const bytes = Buffer.alloc(0x2000);
  if (more.efi ?? true) bytes.write("MZ", 0);
  bytes.writeUInt16LE(0xaa55, 0x1fe);
  bytes.write("HdrS", 0x202);
  bytes.writeUInt16LE(0x20f, 0x206);
  bytes.writeUInt16LE(0x1000 - 0x200, 0x20e);
  bytes.writeUInt16LE((more.is64 ?? true) ? 1 : 0, 0x236);
  bytes.write(`${release} (somebody@somewhere) #1\0`, 0x1000);
  return bytes;
}

/** The header of an Image, with what is needed of it to be known. */
function arm64(release: string): Buffer {
  const bytes = randomBytes(0x4000);
  bytes.write("MZ", 0);
  bytes.write("ARM\x64", 0x38);
  bytes.write("Linux version %s (%s)\0", 0x1000);
  bytes.write(`Linux version ${release} (somebody@somewhere)\0`, 0x2000);
  return bytes;
}

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "rootloom-kernel-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

describe("a kernel", () => {
  it("of Debian says its release and its architecture, and can be started by firmware", () => {
    const { bytes, ...facts } = readKernel(files, { type: "file", path: debian });
    expect(facts).toEqual({
      place: debian,
      sha256: sha256Of(debian),
      architecture: "x86_64",
      release: expect.stringMatching(/^6\.\d+\.\d+-\d+-cloud-amd64$/),
      hasEfiStub: true,
    });
    expect(readFileSync(debian).equals(bytes)).toBe(true);
  });

  it("is known as one of 32 bits, and as one without an EFI stub, by its header", () => {
    expect(factsOf(header("6.1.0-i386", { is64: false, efi: false }))).toEqual({
      architecture: "i386",
      release: "6.1.0-i386",
      hasEfiStub: false,
    });
  });

  it("of arm64 is known as one, packed by gzip or not, and its release is in the line which it prints first", () => {
    const image = arm64("6.1.192-arm");
    expect(factsOf(image)).toEqual({ architecture: "arm64", release: "6.1.192-arm", hasEfiStub: true });
    expect(factsOf(gzipSync(image))).toEqual({ architecture: "arm64", release: "6.1.192-arm", hasEfiStub: false });
  });

  const root = () => ({ type: "tree", tree: "tree/r", top: join(directory, "root"), path: "" }) as const;
  const lay = (path: string, bytes: Buffer): void => {
    mkdirSync(join(directory, path, ".."), { recursive: true });
    writeFileSync(join(directory, path), bytes);
  };

  it("of a root is the newest in its /boot, by number and not by letter", () => {
    for (const release of ["6.1.0-9-amd64", "6.1.0-30-amd64", "5.10.0-99-amd64"])
      lay(`root/boot/vmlinuz-${release}`, header(release));
    lay("root/boot/config-7.0", Buffer.from("no kernel"));
    expect(readKernel(files, root()).release).toBe("6.1.0-30-amd64");
  });

  it("of a root is found through links as if chrooted there, and never outside", () => {
    lay("root/boot/vmlinuz-6.1", header("6.1"));
    lay("vmlinuz-outside", header("outside"));
    symlinkSync("boot/vmlinuz-6.1", join(directory, "root/vmlinuz"));
    symlinkSync("/vmlinuz", join(directory, "root/boot/current"));
    symlinkSync("../../vmlinuz-outside", join(directory, "root/boot/escape"));
    expect(readKernel(files, { ...root(), path: "boot/current" }).release).toBe("6.1");
    expect(() => readKernel(files, { ...root(), path: "boot/escape" })).toThrow(/is not there/);
  });

  it.each([
    ["is not there", () => undefined, /cannot use the kernel .*k: it is not there/],
    ["is a directory", () => mkdirSync(join(directory, "k")), /it is a directory/],
    ["is cut short", () => lay("k", header("6.1").subarray(0, 0x800)), /it is neither a bzImage nor an Image/],
    ["is anything else", () => lay("k", Buffer.alloc(0x2000, "x")), /it is neither a bzImage nor an Image/],
    ["is another's gzip", () => lay("k", gzipSync(randomBytes(0x2000))), /it is neither a bzImage nor an Image/],
  ])("that %s is refused", (_what, prepare, message) => {
    prepare();
    expect(() => readKernel(files, { type: "file", path: join(directory, "k") })).toThrow(message);
  });

  it("waits for a root that is not there, and says so of a /boot without a kernel", () => {
    const caught = (): RootloomError => {
      try {
        readKernel(files, root());
      } catch (thrown) {
        return thrown as RootloomError;
      }
      throw new Error("nothing was thrown");
    };
    expect(caught()).toMatchObject({ retry: "waiting", hint: "see tree/r" });
    mkdirSync(join(directory, "root"));
    expect(caught()).toMatchObject({ retry: "terminal", message: "cannot find a kernel in the /boot of tree/r" });
  });
});
