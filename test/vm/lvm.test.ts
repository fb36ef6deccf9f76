import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { project } from "../kit.ts";
import { runInLvmGuest } from "../storage/lvm-guest.ts";
import { lvmStages } from "../storage/stage-lvm.ts";

const MINUTES = 60_000;
const node = process.execPath;

describe("logical volumes, in a guest with a device mapper", () => {
  it.concurrent.each(lvmStages.map(({ name }) => name))(
    "%s shows every behaviour of the conformance suite",
    { timeout: 45 * MINUTES },
    async (backend) => {
      const guest = await runInLvmGuest({
        script: `cd ${project}\n${node} --no-warnings test/storage/main.ts --backend ${backend}\n`,
        timeout_ms: 44 * MINUTES,
        disks_mib: [40_960, 40_960],
      });
      try {
        console.log(guest.log);
        expect(guest.exitCode, guest.log + guest.console).toBe(0);
        expect(guest.log).not.toMatch(/FAILED/);
      } finally {
        guest.remove();
      }
    },
  );

  it.concurrent("three architectures get volume, label, owner, mount and links each, and stay as they are from then on", {
    timeout: 20 * MINUTES,
  }, async () => {
    const guest = await runInLvmGuest({ script: baby, timeout_ms: 19 * MINUTES, disks_mib: [40_960] });
    try {
      expect(guest.exitCode, guest.log + guest.console).toBe(0);
      const read = (name: string): readonly string[] => (guest.read(name) ?? "").trim().split("\n");
      const targets = ["i686", "x86_64", "x86_64-64"];
      expect(read("mounts")).toEqual(
        targets.map((name) => `/media/baby-${name} /dev/mapper/vg00-baby--${name.replaceAll("-", "--")} ext4`),
      );
      expect(read("volumes")).toEqual(targets.map((name) => `baby-${name} ${10 * 1024 ** 3}`));
      expect(read("labels")).toEqual(targets.map((name) => `baby-${name}`));
      expect(read("owners")).toEqual(targets.map((name) => `/media/baby-${name} builder:builder 755`));
      expect(read("links")).toEqual(
        targets.flatMap((name) => [
          `/cross-tools-${name} /media/baby-${name}/cross-tools`,
          `/tools-${name} /media/baby-${name}/tools`,
        ]),
      );
      expect(guest.read("first")).toContain("waits  cannot take tree baby-i686 as existing");
      const plan = JSON.parse(guest.read("plan") ?? "{}") as { readonly steps?: readonly { action: string }[] };
      expect(plan.steps?.length).toBeGreaterThanOrEqual(24);
      expect(plan.steps?.filter(({ action }) => action !== "keep")).toEqual([]);
      expect(guest.read("last")).toMatch(/nothing to do/i);
    } finally {
      guest.remove();
    }
  });
});

/** The first pass makes what the build user needs; the second takes his trees as they are; the third finds nothing to do. */
const baby = `
names="i686 x86_64 x86_64-64"
echo builder:x:4711: >>/etc/group
echo builder:x:4711:4711::/home/builder:/bin/sh >>/etc/passwd
export DM_DISABLE_UDEV=1
set -e
pvcreate --quiet $ROOTLOOM_TEST_DISKS
vgcreate --quiet vg00 $ROOTLOOM_TEST_DISKS
mkdir -p /etc/rootloom /media /srv/site
cd /srv/site
echo 'volumeGroups: [vg00]' >/etc/rootloom/limits.yaml
echo 'paths:' >>/etc/rootloom/limits.yaml
for path in /media $(printf '/tools-%s /cross-tools-%s ' i686 i686 x86_64 x86_64 x86_64-64 x86_64-64); do
	echo "  - $path" >>/etc/rootloom/limits.yaml
done
cp -r ${join(project, "test/examples/baby/desired")} .
git init -q .
git add -A
git -c user.name=Test -c user.email=test@example.invalid commit -q -m baby
rootloom() { ${join(project, "src/rootloom")} --state /srv/site/state --no-color "$@"; }
rootloom apply >$OUT/first && exit 9
for name in $names; do setpriv --reuid 4711 --regid 4711 --clear-groups mkdir /media/baby-$name/tools; done
rootloom apply
findmnt --noheadings --list --output TARGET,SOURCE,FSTYPE | grep -E '^/media/baby-[^/]* ' | tr -s ' ' | sort >$OUT/mounts
lvs --noheadings --units b --nosuffix --options lv_name,lv_size vg00 | tr -s ' ' | sed 's/^ *//; s/ *$//' | sort >$OUT/volumes
for name in $names; do e2label /dev/vg00/baby-$name; done >$OUT/labels
for name in $names; do stat --format '%n %U:%G %a' /media/baby-$name; done >$OUT/owners
for link in /cross-tools-i686 /tools-i686 /cross-tools-x86_64 /tools-x86_64 /cross-tools-x86_64-64 /tools-x86_64-64; do
	echo "$link $(readlink $link)"
done >$OUT/links
rootloom plan --json >$OUT/plan
rootloom apply >$OUT/last
`;
