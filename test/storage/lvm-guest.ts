import { execFileSync, spawn } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fixtures } from "../kit.ts";

/**
 * A machine with a device mapper, which the kernel of a test host may lack: Debian's user-mode kernel, a program that
 * needs neither a processor's help nor its emulation. Its root is the host's own, read-only below a layer in memory.
 */
export interface LvmGuest {
  /** Shell commands, run as root, with standard output and error in one log. `$OUT`: what they write for `read`. */
  readonly script: string;
  readonly timeout_ms: number;
  /** Empty disks to lose; `$ROOTLOOM_TEST_DISKS` names them. */
  readonly disks_mib: readonly number[];
}

export interface LvmGuestEnd {
  /** Of the script; -1 where the guest ended before it. */
  readonly exitCode: number;
  /** What the script printed. */
  readonly log: string;
  /** What the kernel printed. */
  readonly console: string;
  read(name: string): string | undefined;
  remove(): void;
}

const KERNEL = join(fixtures, "user-mode-linux");
const MEMORY = "1500M";

/** In the order in which they are loaded: each needs only what stands before it. */
const MODULES = [
  "fs/overlayfs/overlay",
  "drivers/md/dm-mod",
  "drivers/md/dm-bufio",
  "drivers/md/dm-bio-prison",
  "drivers/md/persistent-data/dm-persistent-data",
  "drivers/md/dm-thin-pool",
  "drivers/md/dm-snapshot",
];

/** Boots it, runs the script, and waits until the guest has ended by itself or the time is over. */
export async function runInLvmGuest(guest: LvmGuest): Promise<LvmGuestEnd> {
  const directory = mkdtempSync(join(tmpdir(), "rootloom-guest-"));
  // Its memory and disks are written all the time: on the host's own disk it would wait for that.
  const fast = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "rootloom-guest-"));
  const out = join(directory, "out");
  mkdirSync(out);
  const remove = (): void => {
    for (const each of [directory, fast]) rmSync(each, { recursive: true, force: true });
  };
  try {
    writeFileSync(join(out, "script"), guest.script);
    writeFileSync(join(out, "start"), start(guest.disks_mib.length));
    const disks = guest.disks_mib.map((size_mib, index) => makeDisk(fast, index, size_mib));
    const console = await boot(fast, { initrd: makeInitrd(directory, out), disks }, guest.timeout_ms);
    const read = (name: string): string | undefined =>
      existsSync(join(out, name)) ? readFileSync(join(out, name), "utf8") : undefined;
    return { exitCode: Number(read("exit") ?? -1), log: read("log") ?? "", console, read, remove };
  } catch (thrown) {
    remove();
    throw thrown;
  }
}

function makeDisk(directory: string, index: number, size_mib: number): string {
  const path = join(directory, `disk-${index}.img`);
  writeFileSync(path, "");
  truncateSync(path, size_mib * 1024 * 1024);
  return path;
}

function makeInitrd(directory: string, out: string): string {
  const tree = join(directory, "initrd");
  const path = join(directory, "initrd.cpio");
  for (const name of ["bin", "modules"]) mkdirSync(join(tree, name), { recursive: true });
  copyFileSync("/usr/bin/busybox", join(tree, "bin/busybox"));
  writeFileSync(join(tree, "init"), init(out));
  chmodSync(join(tree, "init"), 0o755);
  MODULES.forEach((module, index) => {
    copyFileSync(join(KERNEL, "modules", `${module}.ko`), join(tree, "modules", `${index}.ko`));
  });
  execFileSync("sh", ["-c", 'cd "$1" && find . | cpio --quiet --create --format=newc >"$2"', "sh", tree, path]);
  return path;
}

/** The first program of the guest: the host's root as a lower layer, and the exchange directory at /run/out. */
function init(out: string): string {
  return `#!/bin/busybox sh
set -e
bb=/bin/busybox
$bb mkdir -p /proc /sys /dev /host /top /new
$bb mount -t proc proc /proc
$bb mount -t sysfs sys /sys
$bb mount -t devtmpfs dev /dev
for module in /modules/*; do $bb insmod "$module"; done
$bb mount -t hostfs -o ro none /host
$bb mount -t tmpfs top /top
$bb mkdir /top/upper /top/work
$bb mount -t overlay -o lowerdir=/host,upperdir=/top/upper,workdir=/top/work root /new
for directory in proc sys dev; do $bb mount --move /$directory /new/$directory; done
$bb mount -t tmpfs run /new/run
$bb mount -t tmpfs tmp /new/tmp
$bb mkdir /new/run/out
$bb mount -t hostfs -o ${out} none /new/run/out
exec $bb switch_root /new /bin/sh /run/out/start
`;
}

function start(disks: number): string {
  const names = [..."abcdefgh"].slice(0, disks).map((letter) => `/dev/ubd${letter}`);
  return `export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 OUT=/run/out
export ROOTLOOM_TEST_DISKS="${names.join(" ")}" TMPDIR=/tmp
sh /run/out/script >/run/out/log 2>&1 </dev/null
echo $? >/run/out/exit
sync
busybox poweroff -f
`;
}

/** In a process namespace of its own, whose end takes every process of the guest along; it ends with us. */
function boot(
  directory: string,
  { initrd, disks }: { readonly initrd: string; readonly disks: readonly string[] },
  timeout_ms: number,
): Promise<string> {
  const arguments_ = [
    ...["--pdeathsig", "KILL", "--", "unshare", "--pid", "--fork", "--kill-child", "--", join(KERNEL, "linux")],
    ...[`mem=${MEMORY}`, `initrd=${initrd}`, `uml_dir=${directory}/`, "umid=guest"],
    ...disks.map((disk, index) => `ubd${index}=${disk}`),
    ...["con=null", "con0=null,fd:1", "ssl=null", "panic=1", "quiet"],
  ];
  const environment = { ...process.env, TMPDIR: directory };
  return new Promise((resolve, reject) => {
    const child = spawn("setpriv", arguments_, { stdio: ["ignore", "pipe", "pipe"], env: environment });
    let printed = "";
    const keep = (chunk: Buffer): void => {
      printed += chunk.toString("latin1");
    };
    const timer = setTimeout(() => {
      printed += `\nthe guest was ended after ${timeout_ms} ms\n`;
      child.kill("SIGKILL");
    }, timeout_ms);
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    child.on("error", reject);
    child.on("close", () => {
      clearTimeout(timer);
      resolve(printed);
    });
  });
}
