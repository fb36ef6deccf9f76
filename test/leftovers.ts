import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/**
 * Global set-up of the suites that mount, loop and start processes: what the machine had before, it has after.
 * A suite that leaves a mount, a loop device, a process or a mount namespace behind fails.
 */
export default function setup(): () => void {
  const before = leftBehind();
  return () => {
    const after = leftBehind();
    const added = [...after].filter((item) => !before.has(item));
    const gone = [...before].filter((item) => !after.has(item) && item.startsWith("mount "));
    if (added.length + gone.length === 0) return;
    throw new Error(
      `the suite changed the machine:\n${[...added.map((it) => `+ ${it}`), ...gone.map((it) => `- ${it}`)].join("\n")}`,
    );
  };
}

function leftBehind(): ReadonlySet<string> {
  return new Set([...mounts("/proc/self/mountinfo"), ...mounts("/proc/1/mountinfo"), ...loops(), ...processes()]);
}

function mounts(file: string): readonly string[] {
  const lines = readFileSync(file, "utf8").trim().split("\n");
  return lines.map((line) => `mount ${file} ${line.split(" ").slice(2, 5).join(" ")}`);
}

function loops(): readonly string[] {
  const output = execFileSync("losetup", ["--list", "--noheadings", "--output", "NAME,BACK-FILE"], {
    encoding: "utf8",
  });
  return output
    .split("\n")
    .filter(Boolean)
    .map((line) => `loop ${line.trim()}`);
}

/** Our own children and what they left to process 1: everything in our session's mount namespaces that works for a test. */
function processes(): readonly string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
        const directory = readlinkSync(`/proc/${pid}/cwd`);
        const ours = /rootloom-(site|unpack|root|unit)|\/src\/main\.ts|qemu-system|systemd-nspawn/.test(
          `${command} ${directory}`,
        );
        return ours ? [`process ${pid} ${command}`] : [];
      } catch {
        return [];
      }
    });
}
