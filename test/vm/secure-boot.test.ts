import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { fixtures, makeSite, type Site } from "../kit.ts";
import { changesOf, document, small } from "../root/small-site.ts";

let site: Site;
afterEach(() => site.remove());

const stub = join(fixtures, "systemd-boot-efi/linuxx64.efi.stub");
const firmware = join(fixtures, "ovmf/OVMF_CODE_4M.snakeoil.fd");
const init =
  "#!/bin/busybox sh\n/bin/busybox mount -t devtmpfs none /dev\n/bin/busybox dmesg | /bin/busybox grep -i 'secure.* boot'\necho GUEST-$((40+2))\n/bin/busybox poweroff -f\n";

/** The key whose certificate the firmware's variables know: public on purpose, and of no use but this. */
function keyFiles(): { readonly key: string; readonly certificate: string } {
  const key = join(site.directory, "db.key");
  const from = join(fixtures, "ovmf/PkKek-1-snakeoil.key");
  execFileSync("openssl", ["rsa", "-in", from, "-passin", "pass:snakeoil", "-out", key], { stdio: "pipe" });
  execFileSync("chmod", ["600", key]);
  return { key, certificate: join(fixtures, "ovmf/PkKek-1-snakeoil.pem") };
}

const image = (sign: object): string =>
  document("Image", "a", {
    ...{ root: "small", overlays: ["hardware/one"], kernelImage: { path: join(fixtures, "vmlinuz") } },
    // Its form is that of microcode, its content is not: the kernel leaves it, and unpacks what is behind it.
    boot: { form: "uki", cmdline: "console=ttyS0 panic=-1", stub, microcode: "ucode/amd.bin", ...sign },
    check: { boot: { expect: "GUEST-42", timeout: "2m", firmware } },
  });

it("an EFI program that is signed, with microcode in front of its initramfs, boots where firmware starts only what is signed, and one that is not does not", () => {
  const microcode = { "desired/ucode/amd.bin": "DMA\0no microcode" };
  site = makeSite({ ...small, ...microcode, "desired/overlays/common/init": { text: init, executable: true } });
  const sign = keyFiles();
  site.commit({ "desired/images/a.yaml": image({ sign }) });
  const ran = site.run("apply");
  expect(ran.exitCode, ran.stdout + ran.stderr).toBe(0);
  const place = join(site.state, "artifacts/a/current");
  expect(readFileSync(join(place, "boot.log"), "latin1")).toMatch(/secureboot: Secure boot enabled/);
  const [name = ""] = readdirSync(join(place, "boot/EFI/Linux"));
  const verify = (certificate: string): string =>
    execFileSync("sbverify", ["--cert", certificate, join(place, "boot/EFI/Linux", name)], { encoding: "utf8" });
  expect(verify(sign.certificate)).toContain("Signature verification OK");
  expect(changesOf(site)).toEqual([]);
  const before = readdirSync(join(place, "boot/EFI/Linux"));
  site.commit({ "desired/images/a.yaml": image({}).replace("2m", "20s") });
  const refused = site.run("apply");
  expect(refused.exitCode).toBe(1);
  expect(refused.stdout + refused.stderr).toContain("in its boot check it");
  expect(readdirSync(join(place, "boot/EFI/Linux"))).toEqual(before);
}, 300_000);
