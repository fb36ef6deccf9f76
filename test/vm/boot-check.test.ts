import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { eventually, type FileTree, fixtures, makeSite, type Site } from "../kit.ts";
import { changesOf, document, leftovers, processesOf, small } from "../root/small-site.ts";

/** What the guest prints is computed, so that no copy of it on the way can be taken for it. */
const init = (sum: string): FileTree => ({
  "desired/overlays/common/init": {
    text: `#!/bin/busybox sh\n/bin/busybox mount -t devtmpfs none /dev\necho GUEST-$((${sum}))\n/bin/busybox poweroff -f\n`,
    executable: true,
  },
});
const image = (boot: object, more: object = {}): FileTree => ({
  "desired/images/a.yaml": document("Image", "a", {
    ...{ root: "small", overlays: ["hardware/one"], kernelImage: { path: join(fixtures, "vmlinuz") } },
    ...{ check: { boot: { expect: "GUEST-42", timeout: "5m", ...boot } }, ...more },
  }),
});

describe("the boot check of an image", () => {
  let site: Site;
  afterEach(() => site.remove());

  const current = (): string | undefined => {
    const link = join(site.state, "artifacts/a/current");
    return existsSync(link) ? readlinkSync(link) : undefined;
  };
  const generations = (): readonly string[] =>
    readdirSync(join(site.state, "artifacts/a")).filter((name) => /^[0-9a-f]{16}$/.test(name));
  const logOf = (generation = ""): string =>
    readFileSync(join(site.state, "artifacts/a", generation, "boot.log"), "utf8");

  it("makes only a generation current that boots; one that does not is quarantined, and not tried again", () => {
    site = makeSite({ ...small, ...init("40+2"), ...image({}) });
    const first = site.run("apply");
    expect(first.exitCode, first.stdout + first.stderr).toBe(0);
    const healthy = current();
    expect(first.stdout).toMatch(/boot check passed: printed "GUEST-42" after [\d.]+ s/);
    expect(logOf(healthy)).toContain("GUEST-42");
    expect(changesOf(site)).toEqual([]);
    expect(site.run("status", "--json").stdout).toContain(`generation ${healthy} passed its boot check`);

    site.commit({ "desired/overlays/common/init": { text: "#!/bin/missing\n", executable: true } });
    const broken = site.run("apply");
    expect(broken.exitCode).toBe(1);
    const panic = 'ended without printing "GUEST-42" (Kernel panic - not syncing: ';
    expect(broken.stdout).toContain(`in its boot check it ${panic}`);
    const quarantined = generations().find((name) => name !== healthy);
    expect(current()).toBe(healthy);
    expect(logOf(quarantined)).toContain("Failed to execute /init");
    const log = join(site.state, "artifacts/a", quarantined ?? "", "boot.log");
    const told = `generation ${quarantined} is quarantined: in its boot check it ${panic}`;
    for (const words of [["plan"], ["apply"], ["explain", "image/a"]])
      for (const part of [told, `; generation ${healthy} stays current`])
        expect(site.run(...words).stdout).toContain(part);
    expect(site.run("plan").stdout).toContain(`see ${log}`);
    expect(site.run("status").exitCode).toBe(4);
    expect(site.run("rollback", "image/a", quarantined ?? "").stderr).toContain("failed its boot check");
    const asked = site.run("trigger", "image/a");
    expect(asked.stdout).toContain(`generation ${quarantined} is tried once more`);
    expect(asked.exitCode).toBe(1);

    site.commit(init("41+1"));
    expect(site.run("apply").exitCode).toBe(0);
    expect([healthy, quarantined]).not.toContain(current());
    expect(site.run("status").exitCode).toBe(0);
    expect([...leftovers(site), ...processesOf(site)]).toEqual([]);
  });

  it("gives a guest up after its time, has no current generation then, and asks anew when the check is another", () => {
    const silent: FileTree = {
      "desired/overlays/common/init": { text: "#!/bin/busybox sh\n/bin/busybox sleep 1000\n", executable: true },
    };
    site = makeSite({ ...small, ...silent, ...image({ timeout: "6s" }) });
    const ran = site.run("apply");
    expect(ran.exitCode).toBe(1);
    expect(ran.stdout).toContain('it did not print "GUEST-42" within 6 s');
    expect(current()).toBeUndefined();
    expect(site.run("plan").stdout).toContain("there is no current one");
    site.commit(image({ expect: "Run /init as init process", timeout: "5m" }));
    const inode = generations();
    expect(site.run("apply").exitCode).toBe(0);
    expect(generations()).toEqual(inode);
    expect(current()).toBe(inode[0]);
  });

  it("survives a kill while the guest runs: the guest dies too, and the next pass boots what was packed and ends", async () => {
    site = makeSite({ ...small, ...init("40+2"), ...image({}) });
    const running = site.start("apply");
    const ended = new Promise((resolve) => running.once("exit", resolve));
    for (const stream of [running.stdout, running.stderr]) stream?.resume();
    const isGuest = (line: string): boolean => line.includes("qemu-system") && !line.includes("setpriv");
    await eventually("the guest", 120_000, () => processesOf(site).find(isGuest));
    running.kill("SIGKILL");
    await ended;
    await eventually("its end", 10_000, () => (processesOf(site).length === 0 ? true : undefined));
    const [packed] = generations();
    expect(current()).toBeUndefined();
    const ran = site.run("apply");
    expect(ran.exitCode, ran.stdout + ran.stderr).toBe(0);
    expect(ran.stdout).toContain(`found packed already as generation ${packed}`);
    expect(current()).toBe(packed);
    expect(generations()).toEqual([packed]);
    expect(leftovers(site)).toEqual([]);
  });

  it("refuses a kernel that is not there before it packs anything", () => {
    site = makeSite({ ...small, ...init("40+2"), ...image({}, { kernelImage: { root: "small" } }) });
    site.run("apply");
    const ran = site.run("apply");
    expect(ran.exitCode).toBe(1);
    expect(ran.stdout).toContain("cannot find a kernel in the /boot of tree/small");
    expect(current()).toBeUndefined();
  });
});
