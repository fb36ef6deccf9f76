import type { ChildProcess } from "node:child_process";
import { existsSync, lstatSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { eventually, fingerprint, makeSite, type Ran, type Site, sha256Of } from "../kit.ts";
import { whyNotMount } from "./private-namespace.ts";
import { changesOf, imageOf, leftovers, type PlanJson, processesOf, provisioned, rootOf } from "./small-site.ts";

let site: Site;
beforeEach(() => expect(whyNotMount()).toBeUndefined());
afterEach(async () => {
  const left = processesOf(site);
  await site.remove();
  expect(left).toEqual([]);
});

const steps = (...texts: readonly string[]): object => ({
  steps: texts.map((run, index) => ({ name: `step${index + 1}`, run })),
});

const applied = (...words: readonly string[]): string => {
  const ran = site.run("apply", ...words);
  expect(ran.exitCode, ran.stdout + ran.stderr).toBe(0);
  return ran.stdout;
};
const refused = (): Ran => {
  const ran = site.run("apply");
  expect(ran.exitCode, ran.stdout + ran.stderr).toBe(1);
  return ran;
};
const inRoot = (path: string): string => readFileSync(rootOf(site, path), "utf8");
const planned = (): PlanJson["steps"][number] | undefined =>
  site.json<PlanJson>("plan").steps.find(({ id }) => id === "provision/small");
const logs = (): readonly string[] => readdirSync(join(site.state, "logs/provision/small")).sort();
const logOf = (step: string): string => {
  const name =
    logs()
      .filter((each) => each.endsWith(`-${step}.log`))
      .at(-1) ?? "";
  return readFileSync(join(site.state, "logs/provision/small", name), "utf8");
};
const noteOf = (): { running?: { name: string }; done: readonly { name: string }[]; settled: boolean } =>
  JSON.parse(readFileSync(join(site.state, "volumes/small/.rootloom/trees/small.provision.json"), "utf8"));
const ended = (child: ChildProcess): Promise<number | null> => new Promise((resolve) => child.once("exit", resolve));

describe("provisioning a root", () => {
  it("runs its steps in order with the root's mounts and a clean environment; the second pass is all keep and writes nothing", () => {
    process.env.SECRET_OF_THE_CALLER = "hush";
    const env =
      "for word in $(cat /proc/self/environ | tr '\\0' '\\n' | grep = | cut -d= -f1 | sort); do echo $word; done";
    site = makeSite(
      provisioned({
        steps: [
          {
            name: "first",
            run: `echo 1 >> /etc/order\n${env}\nps\npwd\nreadlink /proc/self/fd/0`,
            env: { OWN: "it's" },
          },
          { name: "second", run: [["busybox", "sh", "-c", "echo 2 >> /etc/order; umask"]] },
        ],
      }),
    );
    delete process.env.SECRET_OF_THE_CALLER;
    expect(applied()).toContain("provisioning of root small has been carried out: first, second");
    expect(inRoot("etc/order")).toBe("1\n2\n");
    const [, ...lines] = logOf("first").split("\n");
    expect(lines.filter((line) => /^[A-Z_]+$/.test(line) && line !== "SHLVL")).toEqual([
      "HOME",
      "LANG",
      "OWN",
      "PATH",
      "PWD",
      "TERM",
    ]);
    expect(lines).toContain("/");
    expect(lines.at(-2)).toBe("/dev/null");
    expect(logOf("second")).toContain("0022");
    expect(lstatSync(join(site.state, "logs/provision/small", logs()[0] ?? "")).mode & 0o777).toBe(0o600);
    expect(changesOf(site)).toEqual([]);
    const before = fingerprint(site.state);
    applied();
    expect(site.run("drift").exitCode).toBe(0);
    expect(fingerprint(site.state)).toBe(before);
    expect(leftovers(site)).toEqual([]);
  });

  it("runs only what changed and what comes after it, says that this is not atomic, and repacks in the same pass", () => {
    const three = (second: string): object => ({
      steps: [
        { name: "one", run: "echo 1 >> /etc/order" },
        { name: "two", run: `echo ${second} >> /etc/order`, inputs: ["parts/a"] },
        { name: "three", run: "echo 3 >> /etc/order" },
      ],
    });
    site = makeSite({ ...provisioned(three("2")), "desired/parts/a": "a\n" });
    applied();
    const image = sha256Of(imageOf(site));
    const root = (second: string) => provisioned(three(second))["desired/roots/small.yaml"];
    site.commit({ "desired/roots/small.yaml": root("two") });
    expect(planned()).toMatchObject({
      action: "update",
      cause: "intentional",
      reason: "step two changed, so that it and the 1 after it run",
      details: [
        "step 2 of 3: two",
        "step 3 of 3: three",
        "not atomic: what these steps did before stays, and they run again on top of it",
      ],
    });
    expect(changesOf(site)).toEqual(["update provision/small", "update artifact/a"]);
    applied();
    expect(inRoot("etc/order")).toBe("1\n2\n3\ntwo\n3\n");
    expect(sha256Of(imageOf(site))).not.toBe(image);
    site.commit({ "desired/parts/a": "b\n" });
    applied();
    expect(inRoot("etc/order")).toBe("1\n2\n3\ntwo\n3\ntwo\n3\n");
    expect(changesOf(site)).toEqual([]);
  });

  it("that fails says where its log is and what was printed last, stalls until an input changes, and keeps images away", () => {
    site = makeSite(
      provisioned(steps("echo 1 >> /etc/order", "echo before; ls /nowhere; echo goes on", "echo 3 >> /etc/order")),
    );
    const ran = refused();
    expect(ran.stdout).toMatch(/cannot finish step step2 of root small: exit 1: ls: \/nowhere: No such file/);
    expect(ran.stdout).toMatch(/log: \S+\/logs\/provision\/small\/\S+-step2\.log/);
    expect(ran.stdout).not.toContain("goes on");
    expect(noteOf()).toMatchObject({ running: { name: "step2" }, done: [{ name: "step1" }], settled: false });
    expect(existsSync(imageOf(site))).toBe(false);
    expect(planned()).toMatchObject({
      blocked: { condition: "Stalled" },
      reason: expect.stringMatching(/in the middle of step step2/),
    });
    expect(site.run("status").exitCode).toBe(4);
    site.commit({
      "desired/roots/small.yaml": provisioned(steps("echo 1 >> /etc/order", "echo 2 >> /etc/order"))[
        "desired/roots/small.yaml"
      ],
    });
    applied();
    expect(inRoot("etc/order")).toBe("1\n2\n");
    expect(existsSync(imageOf(site))).toBe(true);
    expect(changesOf(site)).toEqual([]);
  });

  it("ends a step whose time is over, with all that it started", () => {
    site = makeSite(
      provisioned({ steps: [{ name: "slow", run: "echo begun; sleep 1000 & sleep 1000", timeout: "1s" }] }),
    );
    expect(refused().stdout).toMatch(/cannot finish step slow: not done within 1000 ms/);
    expect(processesOf(site)).toEqual([]);
  });

  it("that was killed is told to be in the middle of its step, and runs that step again", async () => {
    site = makeSite(
      provisioned(steps("echo 1 >> /etc/order", "echo 2 >> /etc/order; while test -e /etc/wait; do sleep 1; done")),
    );
    site.commit({ "desired/overlays/hardware/live/etc/wait": "" });
    const child = site.start("apply");
    const gone = ended(child);
    await eventually(
      "the second step",
      30_000,
      () => (existsSync(rootOf(site, "etc/order")) && inRoot("etc/order").includes("2")) || undefined,
    );
    child.kill("SIGKILL");
    await gone;
    await eventually("its processes to end", 10_000, () => processesOf(site).length === 0 || undefined);
    expect(planned()).toMatchObject({
      cause: "intentional",
      reason: expect.stringMatching(/in the middle of step step2/),
    });
    // What the step left half done is none of the root's drift.
    expect(changesOf(site)).toEqual(["create provision/small", "create artifact/a"]);
    rmSync(rootOf(site, "etc/wait"));
    site.commit({ "desired/overlays/hardware/live/etc/wait": undefined });
    applied();
    expect(inRoot("etc/order")).toBe("1\n2\n2\n");
    expect([changesOf(site), leftovers(site)]).toEqual([[], []]);
  });

  it("is ended at once by SIGTERM, and gone on with by the next pass", async () => {
    site = makeSite(provisioned(steps("echo 1 >> /etc/order; while test -e /etc/wait; do sleep 1; done")));
    site.commit({ "desired/overlays/hardware/live/etc/wait": "" });
    const child = site.start("apply");
    const gone = ended(child);
    await eventually("the step", 30_000, () => existsSync(rootOf(site, "etc/order")) || undefined);
    const begun = Date.now();
    child.kill("SIGTERM");
    await gone;
    expect(Date.now() - begun).toBeLessThan(10_000);
    expect(processesOf(site)).toEqual([]);
    site.commit({ "desired/overlays/hardware/live/etc/wait": undefined });
    applied();
    expect(inRoot("etc/order")).toBe("1\n1\n");
  });

  it("waits while somebody is in the root", async () => {
    site = makeSite(provisioned(steps("true")));
    applied();
    site.commit({ "desired/roots/small.yaml": provisioned(steps("echo more"))["desired/roots/small.yaml"] });
    const shell = site.start("enter", "small", "--", "/bin/busybox", "sh", "-c", "echo inside; sleep 1000");
    await new Promise((resolve) => shell.stdout?.once("data", resolve));
    expect(refused().stdout).toMatch(/cannot provision root small: pid \d+ \(.*\) is in it/);
    const gone = ended(shell);
    shell.kill("SIGKILL");
    await gone;
    applied();
  });
});
