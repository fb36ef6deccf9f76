import { type ChildProcess, execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, renameSync, statSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { makeSite, type Site, sha256Of } from "../kit.ts";
import { whyNotMount } from "./private-namespace.ts";
import { document, imageOf, rootOf, small, tarballRoot } from "./small-site.ts";

const mounts = [
  { target: "/proc", type: "proc" },
  { target: "/tmp", type: "tmpfs", options: ["size=1M"] },
  { target: "/tmp/deep", type: "bind", volume: "shared" },
];

function mountsOfHost(): string {
  return readFileSync("/proc/self/mountinfo", "utf8");
}

/** Resolves with all that was printed up to the first line that holds the text. */
async function printed(child: ChildProcess, text: string): Promise<string> {
  let all = "";
  return new Promise((resolve, reject) => {
    child.stdout?.on("data", (part: Buffer) => {
      all += part.toString();
      if (all.includes(text)) resolve(all);
    });
    child.once("exit", (code) => reject(new Error(`it ended with ${code} and said ${all}`)));
  });
}

const ended = (child: ChildProcess): Promise<number | null> => new Promise((resolve) => child.once("exit", resolve));

describe.skipIf(whyNotMount() !== undefined)("enter", () => {
  let site: Site;
  let before: string;

  beforeEach(() => {
    process.env.SECRET_OF_THE_CALLER = "hush";
    site = makeSite({
      ...small,
      "desired/volumes/shared.yaml": document("Volume", "shared", { backend: "directory" }),
      "desired/roots/small.yaml": tarballRoot({ mounts }),
    });
    delete process.env.SECRET_OF_THE_CALLER;
    const ran = site.run("apply");
    expect(ran.exitCode, ran.stdout).toBe(0);
    before = mountsOfHost();
  });
  afterEach(() => site.remove());

  const busybox = (...words: readonly string[]) => site.run("enter", "small", "--", "/bin/busybox", ...words);

  it("gives the command a clean environment, the declared mounts and nothing else, and passes its exit code on", () => {
    const environment = busybox("env");
    const names = environment.stdout.trim().split("\n");
    expect(names.map((line) => line.split("=")[0]).sort()).toEqual(["HOME", "LANG", "PATH", "PWD", "TERM"]);
    expect(environment.stdout).toContain("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n");
    const seen = busybox("cat", "/proc/self/mounts").stdout.split("\n");
    const inside = seen.map((line) => line.split(" ")).filter(([, target]) => target !== undefined);
    expect(inside.map(([, target]) => target).sort()).toEqual(["/proc", "/tmp", "/tmp/deep"]);
    expect(busybox("sh", "-c", "exit 7").exitCode).toBe(7);
    expect(busybox("true").exitCode).toBe(0);
    expect(mountsOfHost()).toBe(before);
    expect(site.run("plan").exitCode).toBe(0);
  });

  it("is kept in a log that only root reads: who, when, which command, how it ended", () => {
    busybox("sh", "-c", "exit 7");
    const { entries } = JSON.parse(site.run("history", "--enter", "--json").stdout) as { entries: readonly object[] };
    const command = ["/bin/busybox", "sh", "-c", "exit 7"];
    const time = expect.stringMatching(/^\d{4}-.*Z$/);
    expect(entries).toEqual([
      {
        root: "small",
        who: expect.stringMatching(/./),
        command,
        pid: expect.any(Number),
        startedAt: time,
        endedAt: time,
        exitCode: 7,
      },
    ]);
    const folder = `${site.state}/logs/enter`;
    expect(readdirSync(folder).map((name) => (statSync(`${folder}/${name}`).mode & 0o777).toString(8))).toEqual([
      "600",
    ]);
    expect(site.run("history", "--enter").stdout).toMatch(/small +.* exit 7 +\/bin\/busybox sh -c exit 7/);
  });

  it("hands a name with blanks and quotes to the command as it is", () => {
    expect(busybox("echo", "it's", "a b", "$HOME").stdout).toBe("it's a b $HOME\n");
  });

  it("of a root that is not declared, or not made yet, says what to do", () => {
    const unknown = site.run("enter", "smal", "--", "true");
    expect([unknown.exitCode, unknown.stderr]).toEqual([1, expect.stringContaining("small")]);
    const fresh = site.run("--state", `${site.directory}/fresh`, "enter", "small");
    expect(fresh).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("rootloom apply") });
    expect(existsSync(`${site.directory}/fresh`)).toBe(false);
  });

  it("refuses a mount that the host's limits forbid, and a root that somebody else put there", () => {
    const bind = (source: string) => ({ target: "/mnt", type: "bind", source });
    for (const source of ["/etc", "/proc/self/root"]) {
      site.commit({ "desired/roots/small.yaml": tarballRoot({ mounts: [bind(source)] }) });
      const ran = busybox("ls", "/mnt");
      expect(ran).toMatchObject({ exitCode: 1, stdout: "", stderr: expect.stringContaining("cannot use") });
    }
    site.commit({ "desired/roots/small.yaml": tarballRoot({ mounts }) });
    renameSync(rootOf(site), `${rootOf(site)}-was`);
    execFileSync("cp", ["--archive", `${rootOf(site)}-was`, rootOf(site)]);
    const other = busybox("true");
    expect(other).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("a copy: its marker names another") });
  });

  it("keeps packing away while it lasts, names its pid, and lets a second one wait", async () => {
    const digest = sha256Of(imageOf(site));
    const shell = site.start("enter", "small", "--", "/bin/busybox", "sh", "-c", "echo inside; exec busybox sleep 600");
    await printed(shell, "inside");
    site.commit({ "desired/overlays/hardware/one/etc/one.conf": "two\n" });
    const held = site.run("apply");
    expect(held.exitCode).toBe(1);
    expect(held.stdout).toContain("somebody is in the root small");
    expect(held.stdout).toContain(`pid ${shell.pid}`);
    expect(sha256Of(imageOf(site))).toBe(digest);
    const second = busybox("true");
    expect(second).toMatchObject({ exitCode: 1, stderr: expect.stringContaining(`pid ${shell.pid}`) });
    expect(mountsOfHost()).toBe(before);

    const gone = ended(shell);
    shell.kill("SIGKILL");
    await gone;
    expect(busybox("true").exitCode).toBe(0);
    const freed = site.run("apply");
    expect(freed.exitCode, freed.stdout).toBe(0);
    expect(sha256Of(imageOf(site))).not.toBe(digest);
  });

  it("that is killed takes its command with it and leaves no mount", async () => {
    const shell = site.start(
      "enter",
      "small",
      "--",
      "/bin/busybox",
      "sh",
      "-c",
      "echo inside; exec busybox sleep 7531",
    );
    await printed(shell, "inside");
    expect(commandsRunning()).toContain("sleep 7531");
    const gone = ended(shell);
    shell.kill("SIGKILL");
    await gone;
    await expect.poll(commandsRunning, { timeout: 10_000 }).not.toContain("sleep 7531");
    expect(mountsOfHost()).toBe(before);
  });
});

function commandsRunning(): string {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.map((pid) => commandOf(pid)).join("\n");
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ");
  } catch {
    return "";
  }
}
