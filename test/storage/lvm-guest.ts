import { execFileSync, spawn } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  cpSync,
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
 * A machine with a device mapper, which the kernel of a test host may lack: Debian's generic kernel in QEMU, on the host's
 * own root, which it sees read-only below a layer in memory, with empty disks of its own.
 */
export interface LvmGuest {
  /** Shell commands, run as root with standard output and error in one log. */
  readonly script: string;
  readonly timeout_ms: number;
  /** Sizes of its disks, /dev/vda and on. */
  readonly disks_mib?: readonly number[];
  readonly memory_mib?: number;
}

export interface LvmGuestEnd {
  /** Of the script; -1 where the guest ended before it. */
  readonly exitCode: number;
  /** What the script printed. */
  readonly log: string;
  /** What the kernel printed. */
  readonly console: string;
  /** A file that the script wrote into `$OUT`. */
  read(name: string): string | undefined;
  remove(): void;
}

/** In the order in which they are loaded; each needs only what stands before it. */
const MODULES = [
  "drivers/virtio/virtio_ring",
  "drivers/virtio/virtio",
  "drivers/virtio/virtio_pci_modern_dev",
  "drivers/virtio/virtio_pci_legacy_dev",
  "drivers/virtio/virtio_pci",
  "drivers/block/virtio_blk",
  "net/9p/9pnet",
  "net/9p/9pnet_virtio",
  "fs/netfs/netfs",
  "fs/fscache/fscache",
  "fs/9p/9p",
  "fs/overlayfs/overlay",
  "drivers/md/dm-mod",
  "crypto/crc32c_generic",
  "lib/libcrc32c",
  "drivers/md/dm-bufio",
  "drivers/md/dm-bio-prison",
  "drivers/md/persistent-data/dm-persistent-data",
  "drivers/md/dm-thin-pool",
  "drivers/md/dm-snapshot",
  "fs/jbd2/jbd2",
  "fs/mbcache",
  "lib/crc16",
  "fs/ext4/ext4",
  "fs/xfs/xfs",
];

const INIT = `#!/bin/busybox sh
set -e
bb=/bin/busybox
$bb mkdir -p /proc /sys /dev /host /top /new
$bb mount -t proc proc /proc
$bb mount -t sysfs sys /sys
$bb mount -t devtmpfs dev /dev
for module in /modules/*; do $bb insmod "$module"; done
$bb mount -t 9p -o trans=virtio,version=9p2000.L,cache=loose,ro,msize=262144 host /host
$bb mount -t tmpfs top /top
$bb mkdir /top/upper /top/work
$bb mount -t overlay -o lowerdir=/host,upperdir=/top/upper,workdir=/top/work root /new
for directory in proc sys dev; do $bb mount --move /$directory /new/$directory; done
$bb mount -t tmpfs run /new/run
$bb mount -t tmpfs tmp /new/tmp
$bb mkdir /new/run/out
$bb mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 out /new/run/out
exec $bb switch_root /new /bin/sh /run/out/start
`;

const START = `export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 OUT=/run/out
sh /run/out/script >/run/out/log 2>&1 </dev/null
echo $? >/run/out/exit
sync
busybox poweroff -f
`;

/** Boots it, runs the script, and waits until the guest has powered itself off or the time is over. */
export async function runInLvmGuest(guest: LvmGuest): Promise<LvmGuestEnd> {
  const directory = mkdtempSync(join(tmpdir(), "rootloom-guest-"));
  const out = join(directory, "out");
  mkdirSync(out);
  const remove = (): void => rmSync(directory, { recursive: true, force: true });
  try {
    writeFileSync(join(out, "script"), guest.script);
    writeFileSync(join(out, "start"), START);
    const disks = (guest.disks_mib ?? [1024]).map((size_mib, index) => makeDisk(directory, index, size_mib));
    const console = await boot(guest, { initrd: makeInitrd(directory), out, disks });
    const read = (name: string): string | undefined =>
      existsSync(join(out, name)) ? readFileSync(join(out, name), "utf8") : undefined;
    const exitCode = Number(read("exit") ?? -1);
    return { exitCode, log: read("log") ?? "", console, read, remove };
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

function makeInitrd(directory: string): string {
  const tree = join(directory, "initrd");
  const path = join(directory, "initrd.cpio");
  for (const name of ["bin", "modules"]) mkdirSync(join(tree, name), { recursive: true });
  cpSync("/usr/bin/busybox", join(tree, "bin/busybox"), { dereference: true });
  writeFileSync(join(tree, "init"), INIT);
  chmodSync(join(tree, "init"), 0o755);
  MODULES.forEach((module, index) => {
    const name = `${String(index).padStart(2, "0")}.ko`;
    copyFileSync(join(fixtures, "modules-generic", `${module}.ko`), join(tree, "modules", name));
  });
  execFileSync("sh", ["-c", `cd "$1" && find . | cpio --quiet --create --format=newc >"$2"`, "sh", tree, path]);
  return path;
}

function boot(
  { memory_mib = 1536, timeout_ms }: LvmGuest,
  { initrd, out, disks }: { readonly initrd: string; readonly out: string; readonly disks: readonly string[] },
): Promise<string> {
  const share = (path: string, tag: string, more: string) =>
    `local,path=${path},mount_tag=${tag},security_model=passthrough,multidevs=remap${more}`;
  const arguments_ = [
    ...["-accel", "tcg,thread=multi", "-cpu", "max", "-m", String(memory_mib), "-smp", "1"],
    ...["-nographic", "-nodefaults", "-serial", "stdio", "-no-reboot"],
    ...["-kernel", join(fixtures, "vmlinuz-generic"), "-initrd", initrd],
    ...["-append", "console=ttyS0 panic=-1 quiet"],
    ...["-virtfs", share("/", "host", ",readonly=on"), "-virtfs", share(out, "out", "")],
    ...disks.flatMap((disk) => ["-drive", `file=${disk},format=raw,if=virtio,cache=unsafe`]),
  ];
  return new Promise((resolve, reject) => {
    const child = spawn("qemu-system-x86_64", arguments_, { stdio: ["ignore", "pipe", "pipe"] });
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
