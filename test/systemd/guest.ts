import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { eventually, type FileTree, fixtures, project, type Ran } from "../kit.ts";

/** A Debian with a real systemd as its process 1, in namespaces of its own on this kernel. */
export interface Guest {
  /** Where the guest's /var/lib/rootloom really is. */
  readonly state: string;
  /** Process 1 of the guest, as this machine numbers it. */
  readonly leader: number;
  /** Runs a shell command line in the guest to its end. */
  run(line: string): Ran;
  /** As `run`; throws unless it exits 0. Returns what it printed, trimmed. */
  must(line: string): string;
  /** Writes files; names are paths from the guest's top. */
  write(files: FileTree): void;
  /** One property of the service. */
  property(name: string): string;
  /** Ends the guest and releases all it had; returns what could not be released. */
  end(): Promise<readonly string[]>;
}

const HIERARCHIES = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"];
const ENVIRONMENT = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8"];
const BOOT_MS = 30_000;

/** Unpacks a tree, boots it, and waits until its units are up. The program is at /opt/rootloom, read-only. */
export async function bootGuest(): Promise<Guest> {
  const directory = mkdtempSync(join(tmpdir(), "rootloom-guest-"));
  const name = basename(directory).toLowerCase();
  const tree = join(directory, "tree");
  const state = join(directory, "state");
  for (const each of [tree, state]) mkdirSync(each);
  execFileSync("tar", ["-xf", join(fixtures, "systemd-bookworm.tar"), "-C", tree, "--numeric-owner"]);
  for (const place of ["opt/rootloom", "fixtures", "srv"]) mkdirSync(join(tree, place), { recursive: true });
  const groups = HIERARCHIES.map((hierarchy) => join(hierarchy, name));
  for (const group of groups) mkdirSync(group);
  const child = startNspawn(name, tree, state, groups);
  const end = (): Promise<readonly string[]> => release(child, directory, groups);
  try {
    const leader = await eventually("the guest's process 1", BOOT_MS, () => leaderOf(child));
    const guest = guestOf(leader, state, end);
    await eventually("the guest's boot", BOOT_MS, () =>
      /running|degraded/.test(guest.run("systemctl is-system-running").stdout) ? true : undefined,
    );
    return guest;
  } catch (thrown) {
    await end();
    throw thrown;
  }
}

function startNspawn(name: string, tree: string, state: string, groups: readonly string[]): ChildProcess {
  const parts = ["src", "node_modules", "systemd", "package.json", "README.md"];
  const program = parts.filter((part) => existsSync(join(project, part)));
  const options = [
    ...["--quiet", `--directory=${tree}`, "--volatile=overlay", `--machine=${name}`, "--keep-unit", "--register=no"],
    ...[
      "--private-network",
      "--capability=all",
      `--bind=${state}:/var/lib/rootloom`,
      `--bind-ro=${fixtures}:/fixtures`,
    ],
    ...program.map((part) => `--bind-ro=${join(project, part)}:/opt/rootloom/${part}`),
    "--boot",
  ];
  // The shell moves itself into the guest's groups first: systemd needs a part of the hierarchy of its own.
  // The guest dies with whoever runs the test, however that ends.
  const enter = groups.map((group) => `echo $$ >${group}/cgroup.procs`).join(" && ");
  return spawn("sh", ["-c", `${enter} && exec setpriv --pdeathsig KILL -- systemd-nspawn "$@"`, "sh", ...options], {
    env: { ...process.env, SYSTEMD_NSPAWN_UNIFIED_HIERARCHY: "1" },
    stdio: ["ignore", "ignore", "ignore"],
  });
}

/** The child of systemd-nspawn that is number 1 in its own process namespace, once it is systemd. */
function leaderOf(child: ChildProcess): number | undefined {
  if (child.exitCode !== null) throw new Error(`systemd-nspawn ended with ${child.exitCode}`);
  const children = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8").trim().split(" ");
  return children.map(Number).find((pid) => {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return /^NSpid:.*\t1$/m.test(status) && /^Name:\tsystemd$/m.test(status);
  });
}

function guestOf(leader: number, state: string, end: Guest["end"]): Guest {
  const enter = ["--target", String(leader), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--"];
  const guest: Guest = {
    state,
    leader,
    run: (line) => {
      const words = [...enter, "env", "-i", ...ENVIRONMENT, "sh", "-c", line];
      const ran = spawnSync("nsenter", words, { encoding: "utf8", maxBuffer: 1 << 28, timeout: 120_000 });
      return { exitCode: ran.status ?? -1, stdout: ran.stdout, stderr: ran.stderr };
    },
    must: (line) => {
      const { exitCode, stdout, stderr } = guest.run(line);
      if (exitCode !== 0) throw new Error(`${line}: exit ${exitCode}\n${stdout}${stderr}`);
      return stdout.trim();
    },
    write: (files) => {
      for (const [name, spec] of Object.entries(files)) {
        if (typeof spec !== "object") writeBelow(`/proc/${leader}/root`, name, spec ?? "", 0o644);
        else if ("text" in spec) writeBelow(`/proc/${leader}/root`, name, spec.text, 0o755);
      }
    },
    property: (name) => guest.must(`systemctl show --value --property=${name} rootloom`),
    end,
  };
  return guest;
}

function writeBelow(top: string, name: string, text: string, mode: number): void {
  const path = join(top, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  chmodSync(path, mode);
}

/** systemd-nspawn takes its guest with it when it dies; the groups are empty then. */
async function release(child: ChildProcess, directory: string, groups: readonly string[]): Promise<readonly string[]> {
  const problems: string[] = [];
  const leader = child.exitCode === null && child.signalCode === null ? attempt(() => leaderOf(child)) : undefined;
  if (child.exitCode === null && child.signalCode === null) {
    const gone = new Promise((resolve) => child.once("exit", resolve));
    if (leader !== undefined) attempt(() => process.kill(leader, "SIGKILL"));
    else child.kill("SIGKILL");
    const timer = setTimeout(() => child.kill("SIGKILL"), 10_000);
    await gone;
    clearTimeout(timer);
  }
  for (const group of groups) {
    await eventually(`the end of ${group}`, 10_000, () => {
      removeGroups(group);
      return existsSync(group) ? undefined : true;
    }).catch((thrown: unknown) => problems.push(String(thrown)));
  }
  if (readFileSync("/proc/self/mountinfo", "utf8").includes(directory)) problems.push(`mounts below ${directory}`);
  else rmSync(directory, { recursive: true, force: true });
  return problems;
}

/** Groups go from the inside out, and only when no process is left in them. */
function removeGroups(group: string): void {
  if (!existsSync(group)) return;
  const inner = execFileSync("find", [group, "-mindepth", "1", "-depth", "-type", "d"], { encoding: "utf8" });
  for (const each of [...inner.split("\n").filter(Boolean), group]) rmdirSync(each);
}

function attempt<T>(body: () => T): T | undefined {
  try {
    return body();
  } catch {
    return undefined; // it is gone already
  }
}
