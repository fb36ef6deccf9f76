import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { type FileTree, fixtures, makeSite, type Site } from "../kit.ts";
import { changesOf, document, leftovers, small } from "../root/small-site.ts";
import { boot, timed } from "./guest.ts";

const init = (sum: string): FileTree => ({
  "desired/overlays/common/init": {
    text: `#!/bin/busybox sh\n/bin/busybox mount -t devtmpfs none /dev\necho GUEST-$((${sum}))\n/bin/busybox poweroff -f\n`,
    executable: true,
  },
});
const image = (form: object, check: object = {}): string =>
  document("Image", "a", {
    ...{ root: "small", overlays: ["hardware/one"], kernelImage: { path: join(fixtures, "vmlinuz") } },
    ...{
      boot: { cmdline: "console=ttyS0 panic=-1", ...form },
      check: { boot: { expect: "GUEST-42", ...check } },
    },
  });

describe("an image with its kernel", () => {
  let site: Site;
  afterEach(() => site.remove());

  const apply = (): string => {
    const ran = site.run("apply");
    expect(ran.exitCode, ran.stdout + ran.stderr).toBe(0);
    return ran.stdout;
  };

  it("boots as one EFI program under OVMF, a change of one overlay file makes another that boots, and after a rollback the first boots again", async () => {
    const stub = join(fixtures, "systemd-boot-efi/linuxx64.efi.stub");
    const firmware = join(fixtures, "ovmf/OVMF_CODE_4M.fd");
    site = makeSite({ ...small, ...init("40+2"), "desired/images/a.yaml": image({ form: "uki", stub }, { firmware }) });
    timed("from nothing to the booted EFI program", apply);
    const linux = (): readonly string[] => readdirSync(join(site.state, "artifacts/a/current/boot/EFI/Linux"));
    const [first] = linux();
    expect(changesOf(site)).toEqual([]);
    const changed = timed("from the commit of one overlay file to the booted EFI program", () => {
      site.commit(init("41+1"));
      return apply();
    });
    expect(changed).toContain('boot check passed: printed "GUEST-42"');
    expect(linux()).toHaveLength(1);
    expect(linux()).not.toContain(first);
    const log = readFileSync(join(site.state, "artifacts/a/current/boot.log"), "latin1");
    expect(log).toMatch(/efi: EFI v2\.\d+ by EDK II/);
    expect(site.run("rollback", "image/a").exitCode).toBe(0);
    expect(linux()).toEqual([first]);
    const variables = join(site.directory, "variables");
    cpSync(firmware.replace("_CODE", "_VARS"), variables);
    const program = join(site.state, "artifacts/a/current/boot/EFI/Linux", first ?? "");
    const booted = await boot({ kernel: program, firmware: { code: firmware, variables } });
    expect(booted.output).toContain("GUEST-42");
    expect(booted.end).toBe("off");
    expect(site.run("apply").stdout).toContain("rolled back to generation");
    expect(linux()).toEqual([first]);
    expect(leftovers(site)).toEqual([]);
  });

  it("boots from what its boot loader entry names, copied to another place", async () => {
    site = makeSite({ ...small, ...init("40+2"), "desired/images/a.yaml": image({ form: "entry" }) });
    apply();
    const partition = mkdtempSync(join(tmpdir(), "rootloom-esp-"));
    try {
      cpSync(join(site.state, "artifacts/a/current/boot"), partition, { recursive: true, dereference: true });
      const [name = ""] = readdirSync(join(partition, "loader/entries"));
      const entry = readFileSync(join(partition, "loader/entries", name), "utf8");
      const field = (key: string): string => new RegExp(`^${key} (.*)$`, "m").exec(entry)?.[1] ?? "";
      expect(existsSync(join(partition, field("linux")))).toBe(true);
      const [kernel, initrd] = [join(partition, field("linux")), join(partition, field("initrd"))];
      const booted = await boot({ kernel, initrd, append: field("options") });
      expect(booted.output).toContain("GUEST-42");
      expect(booted.end).toBe("off");
    } finally {
      rmSync(partition, { recursive: true });
    }
  });
});
