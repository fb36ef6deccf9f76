import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * Global set-up of the suites that mount, loop and start processes: what the machine had before, it has after.
 * Everything of a run lives below one temporary directory of its own, which tells its processes from those
 * of others. A suite that leaves a mount, a loop device, a process or a file behind fails.
 */
export default function setup(): () => void {
  const directory = mkdtempSync(join(tmpdir(), "rootloom-run-"));
  chmodSync(directory, 0o711); // tests of ordinary users go through it
  process.env.TMPDIR = directory;
  const before = new Set([...mounts(), ...loops(directory)]);
  return () => {
    const after = new Set([...mounts(), ...loops(directory)]);
    const left = [
      ...[...after].filter((item) => !before.has(item)).map((item) => `+ ${item}`),
      ...[...before].filter((item) => !after.has(item)).map((item) => `- ${item}`),
      ...processesOf(directory),
      ...readdirSync(directory).map((name) => `+ file ${join(directory, name)}`),
    ];
    if (left.length > 0) throw new Error(`the suite changed the machine:\n${left.join("\n")}`);
    rmdirSync(directory);
  };
}

/** Of our own namespace and of the machine's first process. */
function mounts(): readonly string[] {
  return ["/proc/self/mountinfo", "/proc/1/mountinfo"].flatMap((file) =>
    readFileSync(file, "utf8")
      .trim()
      .split("\n")
      .map((line) => `mount ${file} ${line.split(" ").slice(2, 5).join(" ")}`),
  );
}

function loops(directory: string): readonly string[] {
  const columns = ["--list", "--noheadings", "--output", "NAME,BACK-FILE"];
  const output = execFileSync("losetup", columns, { encoding: "utf8" });
  // Another suite may run beside this one, and finds its own.
  const isAnothers = (line: string) => line.includes("/rootloom-run-") && !line.includes(`${directory}/`);
  return output
    .split("\n")
    .filter((line) => line !== "" && !isAnothers(line))
    .map((line) => `loop ${line.trim()}`);
}

/** Whatever speaks of the run's directory in its command line, or works in it. */
function processesOf(directory: string): readonly string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
        const ours = command.includes(directory) || readlinkSync(`/proc/${pid}/cwd`).startsWith(directory);
        return ours ? [`+ process ${pid} ${command}`] : [];
      } catch {
        return []; // it ended meanwhile
      }
    });
}
