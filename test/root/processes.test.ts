import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createProcesses } from "../../src/host/real/processes.ts";
import { whyNotMount } from "./private-namespace.ts";

const reason = whyNotMount();
if (reason !== undefined) console.warn(`test/root/processes is skipped: ${reason}`);

const module = new URL("../../src/host/real/processes.ts", import.meta.url).pathname;
const ownNamespace = "/proc/self/ns/mnt";

let directory: string;

/** Processes whose arguments hold this word. */
function alive(word: string): readonly string[] {
  return readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").includes(word);
    } catch {
      return false;
    }
  });
}

async function until(isTrue: () => boolean, what: string): Promise<void> {
  for (const end = performance.now() + 5_000; !isTrue(); ) {
    if (performance.now() > end) throw new Error(`it did not happen within 5 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe.skipIf(reason !== undefined)("commands as root", () => {
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "rootloom-processes-"));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  it("end with us when we are killed, with all that they started, daemons too", async () => {
    // Times to sleep that nobody else sleeps, to be found by.
    const seconds = [1, 2, 3].map((place) => `${place}${process.pid}.5`);
    const [child, grandchild, daemon] = seconds;
    const script = `setsid sleep ${daemon} & (sleep ${grandchild} & wait) & sleep ${child}; wait`;
    const source = `import { createProcesses } from ${JSON.stringify(module)};
      const processes = createProcesses({ mountNamespace: "${ownNamespace}" });
      await processes.run({ file: "sh", arguments: ["-c", ${JSON.stringify(script)}], timeout_ms: 0 });`;
    const values = ["--disable-warning=ExperimentalWarning", "--input-type=module", "-e", source];
    const parent = spawn(process.execPath, values, { stdio: "inherit" });
    await until(() => seconds.every((word) => alive(word).length === 1), "all three sleep");
    const ended = once(parent, "exit");
    parent.kill("SIGKILL");
    await ended;
    await until(() => seconds.every((word) => alive(word).length === 0), "none of them is left");
  });

  it("leave no daemon behind when they end", async () => {
    const seconds = `4${process.pid}.5`;
    const processes = createProcesses({ mountNamespace: ownNamespace });
    const script = `setsid sleep ${seconds} >/dev/null 2>&1 & echo started`;
    expect((await processes.run({ file: "sh", arguments: ["-c", script] })).stdout).toBe("started\n");
    await until(() => alive(seconds).length === 0, "the daemon is gone");
  });

  it("that are cancelled are gone with what left their group", async () => {
    const seconds = `5${process.pid}.5`;
    const processes = createProcesses({ mountNamespace: ownNamespace });
    const script = `setsid sleep ${seconds} & sleep 60`;
    await expect(
      processes.run({ file: "sh", arguments: ["-c", script], signal: AbortSignal.timeout(300) }),
    ).rejects.toThrow("cancelled");
    expect(alive(seconds)).toEqual([]);
  });

  it("in a private namespace leave no mount behind", async () => {
    const target = join(directory, "target");
    mkdirSync(target);
    const processes = createProcesses({ mountNamespace: ownNamespace });
    const script = `mount -t tmpfs none ${target} && touch ${target}/inside && ls ${target}`;
    const finished = await processes.run({ file: "sh", arguments: ["-c", script], privateNamespace: true });
    expect(finished.stdout).toBe("inside\n");
    expect(readdirSync(target)).toEqual([]);
  });

  it("for the host run in the namespace that was named, in their directory there", async () => {
    const only = join(directory, "only-there");
    mkdirSync(only);
    const script = `mount -t tmpfs none "${only}" && mkdir "${only}/inner" && echo ready && exec sleep 60`;
    const other = spawn("unshare", ["--mount", "--propagation", "private", "--", "sh", "-c", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(other.stdout, "data");
    const ended = once(other, "exit");
    try {
      const processes = createProcesses({ mountNamespace: `/proc/${other.pid}/ns/mnt` });
      const command = {
        file: "sh",
        arguments: ["-c", "pwd; readlink /proc/self/ns/mnt"],
        directory: join(only, "inner"),
      };
      const finished = await processes.run({ ...command, hostNamespace: true });
      expect(finished.stdout.trim().split("\n")).toEqual([
        join(only, "inner"),
        readlinkSync(`/proc/${other.pid}/ns/mnt`),
      ]);
      await expect(processes.run(command)).rejects.toThrow("there is no directory");
      await processes.run({ file: "umount", arguments: [only], hostNamespace: true });
      expect(existsSync(join(only, "inner"))).toBe(false);
      expect(readFileSync(`/proc/${other.pid}/mountinfo`, "utf8")).not.toContain(only);
    } finally {
      other.kill("SIGKILL");
      await ended;
    }
  });
});
