import { cpSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fixtures, makeSite, project, type Site, sha256Of } from "../kit.ts";
import { boot } from "./guest.ts";

/** The repository's own example, converged from nothing by the program and booted by a Debian kernel. */
describe("the example", () => {
  let site: Site;

  beforeAll(() => {
    site = makeSite({ "desired/host.yaml": readFileSync(join(project, "desired/host.yaml"), "utf8") });
    cpSync(join(project, "desired"), join(site.directory, "desired"), { recursive: true });
    site.commit({}, "the example");
    const ran = site.run("apply");
    expect(ran.exitCode, ran.stdout + ran.stderr).toBe(0);
  });

  afterAll(() => site.remove());

  it("boots its initramfs, runs the overlay's init with every layer in place, and powers off", async () => {
    const initrd = join(site.state, "artifacts/debian/current/initramfs.cpio.gz");
    expect(existsSync(initrd)).toBe(true);
    const booted = await boot({ kernel: join(fixtures, "vmlinuz"), initrd });
    expect(booted.output).toContain("ROOTLOOM-BOOT-OK");
    expect(booted.output).not.toMatch(/Initramfs unpacking failed|Kernel panic/);
    expect(booted.end).toBe("off");
  });

  it("boots an image that was made of the cached parts of an older one, and one that was made of that", async () => {
    const image = join(site.state, "artifacts/debian/current");
    for (const greeting of ["SECOND-IMAGE", "THIRD-IMAGE"]) {
      site.commit({ "desired/overlays/common/etc/motd": `${greeting}\n` });
      const ran = site.run("apply");
      expect(ran.exitCode, ran.stdout + ran.stderr).toBe(0);
      const { segments, segmentsReused } = JSON.parse(readFileSync(join(image, "report.json"), "utf8"));
      expect(segmentsReused).toBeGreaterThan(segments / 2);
      const booted = await boot({ kernel: join(fixtures, "vmlinuz"), initrd: join(image, "initramfs.cpio.gz") });
      expect(booted.output).toMatch(new RegExp(`${greeting}[^]*ROOTLOOM-BOOT-OK`));
      expect(booted.output).not.toMatch(/Initramfs unpacking failed|Kernel panic/);
      expect(booted.end).toBe("off");
    }
  });

  it("boots an image of zstd frames, one of which was made in pieces of a file that is too large for memory", async () => {
    const numbers = Array.from(
      { length: 700_000 },
      (_, line) => `${line} ${Math.imul(line, 0x9e3779b1) >>> 0} of a large file`,
    );
    const large = `${numbers.join("\n")}\n`;
    expect(large.length).toBeGreaterThan(16 << 20);
    const init = "mount -t proc proc /proc; sha256sum /large; sync; echo o >/proc/sysrq-trigger; sleep 60";
    const spec = { root: "debian", overlays: ["hardware/large"], compression: { codec: "zstd", level: 3 } };
    site.commit({
      "desired/overlays/hardware/large/large": large,
      "desired/overlays/hardware/large/init": {
        text: `#!/bin/sh\nPATH=/usr/sbin:/usr/bin:/sbin:/bin\n${init}\n`,
        executable: true,
      },
      "desired/images/large.yaml": JSON.stringify({
        apiVersion: "rootloom/v1",
        kind: "Image",
        metadata: { name: "large" },
        spec,
      }),
    });
    const ran = site.run("apply");
    expect(ran.exitCode, ran.stdout + ran.stderr).toBe(0);
    const initrd = join(site.state, "artifacts/large/current/initramfs.cpio.zst");
    const booted = await boot({ kernel: join(fixtures, "vmlinuz"), initrd });
    expect(booted.output).toContain(
      `${sha256Of(join(site.directory, "desired/overlays/hardware/large/large"))}  /large`,
    );
    expect(booted.output).not.toMatch(/Initramfs unpacking failed|Kernel panic/);
    expect(booted.end).toBe("off");
  });
});
