import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "../kit.ts";

/** A real pool for tests, on a file, served by zfs-fuse, in this mount namespace, which must be private. */
export interface ZfsBed {
  readonly pool: string;
  zfs(...arguments_: readonly string[]): string;
  zpool(...arguments_: readonly string[]): string;
  /** Unmounts and destroys all of it, and ends the server; safe after any failure. */
  stop(): Promise<void>;
}

/** Where the server keeps its socket, lock and list of pools: each is covered, so that the machine's own are not touched. */
const PLACES = ["/run/zfs", "/etc/zfs", "/var/lock/zfs", "/var/lib/zfs"];
const SOCKET = "/run/zfs/zfs_socket";

export async function makeZfsBed(directory: string, { size_mib = 512 } = {}): Promise<ZfsBed> {
  const pool = `bed${process.pid}`;
  const image = join(directory, "pool.img");
  const covered: string[] = [];
  const lock = await takeTurn();
  let server: ChildProcess | undefined;

  const stop = async (): Promise<void> => {
    for (const target of mountedFrom(pool)) run("umount", target);
    if (server !== undefined && existsSync(SOCKET)) attempt("zpool", "destroy", "-f", pool);
    if (server !== undefined) await end(server);
    for (const place of covered.reverse()) run("umount", place);
    rmSync(image, { force: true });
    lock.stdin?.end();
  };

  try {
    for (const place of PLACES) {
      mkdirSync(place, { recursive: true });
      run("mount", "-t", "tmpfs", "tmpfs", place);
      covered.push(place);
    }
    server = spawn("zfs-fuse", ["--no-daemon", "--no-kstat-mount"], { stdio: "ignore" });
    await eventually("the socket of zfs-fuse", 10_000, () => (existsSync(SOCKET) ? true : undefined));
    writeFileSync(image, "");
    truncateSync(image, size_mib * 1024 * 1024);
    run("zpool", "create", "-m", "none", pool, image);
  } catch (thrown) {
    await stop();
    throw thrown;
  }
  return {
    pool,
    zfs: (...arguments_) => run("zfs", ...arguments_),
    zpool: (...arguments_) => run("zpool", ...arguments_),
    stop,
  };
}

/** One bed at a time, since the server's places are the same for all; the turn ends with us, however we end. */
async function takeTurn(): Promise<ChildProcess> {
  const holder = spawn("flock", [import.meta.filename, "sh", "-c", "echo held; cat"], {
    stdio: ["pipe", "pipe", "ignore"],
  });
  await once(holder.stdout, "data");
  return holder;
}

function run(file: string, ...arguments_: readonly string[]): string {
  return execFileSync(file, arguments_, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], timeout: 30_000 });
}

function attempt(file: string, ...arguments_: readonly string[]): void {
  try {
    run(file, ...arguments_);
  } catch {
    // The server's end takes what is left.
  }
}

/** Targets of the pool's mounts, the last made first. */
function mountedFrom(pool: string): readonly string[] {
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .filter((line) => line.includes(` - fuse.zfs ${pool}`))
    .map((line) => line.split(" ")[4] ?? "")
    .reverse();
}

async function end(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const gone = new Promise((resolve) => server.once("exit", resolve));
  server.kill("SIGTERM");
  const timer = setTimeout(() => server.kill("SIGKILL"), 5_000);
  await gone;
  clearTimeout(timer);
}
