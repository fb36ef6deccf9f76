import {
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { makeSite, type Site } from "../kit.ts";
import { whyNotMount } from "./private-namespace.ts";
import { changesOf, imageOf, leftovers, type PlannedStep, provisioned, provisionedRoot, rootOf } from "./small-site.ts";
import { dieUntilBuilt, runAllowed } from "./toy-kernel.ts";

let site: Site;
beforeEach(() => expect(whyNotMount()).toBeUndefined());
afterEach(() => site.remove());

const applied = (...words: readonly string[]): string => {
  const ran = site.run("apply", ...words);
  expect(ran.exitCode, ran.stdout + ran.stderr).toBe(0);
  return ran.stdout;
};
const inRoot = (path: string): string => readFileSync(rootOf(site, path), "utf8");
interface Planned extends PlannedStep {
  readonly details: readonly string[];
}
const planned = (id = "provision/small"): Planned | undefined =>
  site.json<{ steps: readonly Planned[] }>("plan").steps.find((step) => step.id === id);
const logText = (): string => {
  const folder = join(site.state, "logs/provision/small");
  return readdirSync(folder)
    .map((name) => readFileSync(join(folder, name), "utf8"))
    .join("");
};

describe("what provisioning leaves in a managed root", () => {
  it("is no drift, and what is edited afterwards is", () => {
    site = makeSite(
      provisioned({ steps: [{ name: "make", run: "mkdir /opt/made; echo x > /opt/made/file; rm /etc/fstab" }] }),
    );
    applied();
    expect(site.run("drift").exitCode).toBe(0);
    writeFileSync(rootOf(site, "etc/hostname"), "edited\n");
    expect(changesOf(site)).toContain("update tree/small");
    applied();
    expect(inRoot("etc/hostname")).not.toBe("edited\n");
    expect(existsSync(rootOf(site, "etc/fstab"))).toBe(false);
    expect([inRoot("opt/made/file"), changesOf(site), leftovers(site)]).toEqual(["x\n", [], []]);
  });

  it("is taken back to the snapshot before a step that changed or failed, so that nothing of its earlier text stays", () => {
    const snapshots = { before: ["provision"], keep: 5 };
    const two = (text: string): string =>
      provisionedRoot(
        {
          steps: [
            { name: "one", run: "echo 1 >> /etc/log" },
            { name: "two", run: text },
          ],
        },
        { snapshots },
      );
    site = makeSite(provisioned({}, { snapshots }));
    site.commit({ "desired/roots/small.yaml": two("echo half >> /etc/log; exit 1") });
    expect(site.run("apply").exitCode).toBe(1);
    expect(inRoot("etc/log")).toBe("1\nhalf\n");
    site.commit({ "desired/roots/small.yaml": two("echo a >> /etc/log") });
    expect(planned()?.details.at(-1)).toMatch(/^the root is first taken back to \S+-small, taken before step two$/);
    expect(applied()).toMatch(/the root was first taken back to \S+-small/);
    expect([inRoot("etc/log"), changesOf(site), leftovers(site)]).toEqual(["1\na\n", [], []]);
    expect(readdirSync(join(site.state, "volumes/small/.rootloom/kept"))).toEqual([]);

    // Nothing of an overlay that changed since is brought back: then only forward.
    site.commit({
      "desired/overlays/hardware/live/opt/tool.conf": "a = 2\n",
      "desired/roots/small.yaml": two("echo b >> /etc/log"),
    });
    expect(planned()?.details.at(-1)).toMatch(/^not atomic/);
    applied();
    expect([inRoot("opt/tool.conf"), inRoot("etc/log"), changesOf(site)]).toEqual(["a = 2\n", "1\na\nb\n", []]);
  });

  it("is whole again however often going back to a snapshot is killed: the step runs on what was there before it", () => {
    const snapshots = { before: ["provision"], keep: 40 };
    const step = (text: string): string =>
      provisionedRoot({ steps: [{ name: "one", run: `echo ${text} >> /etc/log` }] }, { snapshots });
    site = makeSite({ ...provisioned({}, { snapshots }), "desired/roots/small.yaml": step("a") });
    applied();
    site.commit({ "desired/roots/small.yaml": step("b") });
    const deaths = join(site.directory, "deaths");
    writeFileSync(deaths, "");
    dieUntilBuilt(site, deaths, "^(provision|tree\\.(build|swap))\\b", "apply");
    const died = readFileSync(deaths, "utf8");
    for (const effect of ["tree.build", "tree.swap.place-new", "provision.step", "provision.finish"])
      expect(died).toMatch(new RegExp(`^${effect} (begun|done)$`, "m"));
    expect([inRoot("etc/log"), changesOf(site), leftovers(site)]).toEqual(["b\n", [], []]);
  });

  it("is made again in a root that was rolled back by a person, once that is resumed", () => {
    const snapshots = { before: ["provision"], keep: 3 };
    const step = (text: string): object => ({ steps: [{ name: "one", run: `echo ${text} >> /etc/log` }] });
    site = makeSite(provisioned(step("a"), { snapshots, content: "live" }));
    applied();
    site.commit({ "desired/roots/small.yaml": provisionedRoot(step("b"), { snapshots, content: "live" }) });
    expect(applied()).toMatch(/\S+-small was taken before/);
    expect(inRoot("etc/log")).toBe("a\nb\n");
    const { snapshots: taken } = site.json<{ snapshots: readonly { name: string; reason: string }[] }>(
      "snapshots",
      "small",
    );
    expect(taken.map(({ reason }) => reason)).toEqual(["provision", "provision"]);
    expect(site.run("rollback", "root/small", taken[1]?.name ?? "", "--yes").exitCode).toBe(0);
    expect(inRoot("etc/log")).toBe("a\n");
    expect(planned()).toMatchObject({ reason: "step one changed", blocked: { condition: "Suspended" } });
    expect(site.run("resume", "tree/small").exitCode).toBe(0);
    applied();
    expect([inRoot("etc/log"), changesOf(site)]).toEqual(["a\nb\n", []]);
  });
});

describe("files put together from parts", () => {
  it("are written before the steps, with mode and owner; an edit by hand is told with its lines and put back", () => {
    const provision = {
      files: [
        { path: "/etc/portage/make.conf", from: ["parts/common.conf", "parts/own.conf"], mode: "0640", owner: "0:7" },
      ],
      steps: [{ name: "see", run: "cat /etc/portage/make.conf > /etc/seen", inputs: ["parts/own.conf"] }],
    };
    site = makeSite({
      ...provisioned(provision),
      "desired/parts/common.conf": "A=1\n",
      "desired/parts/own.conf": "B=2\n",
    });
    applied();
    expect([inRoot("etc/portage/make.conf"), inRoot("etc/seen")]).toEqual(["A=1\nB=2\n", "A=1\nB=2\n"]);
    const { mode, gid } = lstatSync(rootOf(site, "etc/portage/make.conf"));
    expect([mode & 0o7777, gid]).toEqual([0o640, 7]);
    writeFileSync(rootOf(site, "etc/portage/make.conf"), "A=1\nB=3\n");
    expect(site.run("drift").stdout).toMatch(/overlay provision@small[\s\S]*make\.conf[\s\S]*-B=3/);
    applied();
    site.commit({ "desired/parts/own.conf": "B=4\n" });
    expect(changesOf(site)).toEqual(["update overlay/provision@small", "update provision/small", "update artifact/a"]);
    applied();
    expect([inRoot("etc/portage/make.conf"), inRoot("etc/seen"), changesOf(site)]).toEqual([
      "A=1\nB=4\n",
      "A=1\nB=4\n",
      [],
    ]);
  });
});

describe("the resolver file of the host", () => {
  const host = readFileSync("/etc/resolv.conf", "utf8");
  const seen = (name: string, more: object = {}): object => ({
    ...more,
    steps: [{ name, run: `cat /etc/resolv.conf > /etc/${name} || echo none > /etc/${name}` }],
  });

  it("is seen by the steps wherever the root's own leads, and the root's own is as before", () => {
    site = makeSite(provisioned(seen("first"), { content: "live" }));
    applied();
    writeFileSync(rootOf(site, "etc/resolv.conf"), "own\n");
    site.commit({ "desired/roots/small.yaml": provisionedRoot(seen("plain"), { content: "live" }) });
    applied();
    expect([inRoot("etc/plain"), inRoot("etc/resolv.conf")]).toEqual([host, "own\n"]);
    rmSync(rootOf(site, "etc/resolv.conf"));
    symlinkSync("../run/resolver/stub.conf", rootOf(site, "etc/resolv.conf"));
    site.commit({ "desired/roots/small.yaml": provisionedRoot(seen("dangling"), { content: "live" }) });
    applied();
    expect(inRoot("etc/dangling")).toBe(host);
    expect(readlinkSync(rootOf(site, "etc/resolv.conf"))).toBe("../run/resolver/stub.conf");
    expect(existsSync(rootOf(site, "run"))).toBe(false);
    rmSync(rootOf(site, "etc/resolv.conf"));
    site.commit({
      "desired/roots/small.yaml": provisionedRoot(seen("kept", { resolvConf: "keep" }), { content: "live" }),
    });
    applied();
    expect(inRoot("etc/kept")).toBe("none\n");
    expect(existsSync(rootOf(site, "etc/resolv.conf"))).toBe(false);
  });
});

describe("a secret of a step", () => {
  it("is read from the host, reaches the step, and is masked in its log and in what is told of a failure", () => {
    site = makeSite(provisioned({ steps: [{ name: "fetch", run: "true" }] }));
    applied();
    const secret = join(site.state, "token");
    writeFileSync(secret, "sesame-value\nsecond-line\n", { mode: 0o600 });
    const step = {
      name: "fetch",
      run: 'test "$TOKEN" = "sesame-value\nsecond-line" && echo "got $TOKEN"; exit 3',
      secrets: { TOKEN: secret },
    };
    site.commit({ "desired/roots/small.yaml": provisionedRoot({ steps: [step] }) });
    const ran = site.run("apply", "--log-level", "trace");
    expect(ran.exitCode).toBe(1);
    expect(logText()).toContain("got ****\n");
    const told = [
      ran.stdout,
      ran.stderr,
      logText(),
      readFileSync(join(site.state, "rootloom.db"), "latin1"),
      site.run("plan", "--json").stdout,
    ];
    expect(told.join("\n")).not.toMatch(/sesame-value|second-line\n/);
    writeFileSync(secret, "other", { mode: 0o600 });
    site.commit({ "desired/roots/small.yaml": provisionedRoot({ steps: [{ ...step, run: "true" }] }) });
    applied();
  });
});

describe("a step on the host", () => {
  it("is refused where the host's limits do not allow commands, and nothing runs", () => {
    site = makeSite(
      provisioned({ steps: [{ name: "outside", run: "touch $ROOTLOOM_ROOT/etc/made-outside", on: "host" }] }),
    );
    const ran = site.run("apply");
    expect(ran.exitCode).toBe(1);
    expect(ran.stdout).toMatch(/step outside runs on the host, and this host's limits do not allow that/);
    expect(existsSync(rootOf(site, "etc/made-outside"))).toBe(false);
  });

  it("runs where they do, sees the host and not the root as its own, and runs again only when it changed", () => {
    const outside = (text: string): object => ({ steps: [{ name: "outside", run: text, on: "host" }] });
    const text = 'test -x "$ROOTLOOM_ROOT/bin/busybox"; readlink -f . >> "$ROOTLOOM_ROOT/etc/made-outside"';
    site = makeSite(provisioned(outside(text)));
    const passes = [runAllowed(site, "apply"), runAllowed(site, "apply")];
    expect(passes.map(({ exitCode }) => exitCode)).toEqual([0, 0]);
    const made = inRoot("etc/made-outside");
    expect(made).toBe("/\n");
    site.commit({
      "desired/roots/small.yaml": provisionedRoot(outside(`${text}; echo two >> "$ROOTLOOM_ROOT/etc/made-outside"`)),
    });
    expect(runAllowed(site, "apply").exitCode).toBe(0);
    expect(inRoot("etc/made-outside")).toBe(`${made}${made}two\n`);
  });
});

/** A command of the name in the root that keeps a database: no package manager, it only behaves like one where we call it. */
const FAKE_EMERGE = `#!/bin/sh
echo "emerge $*" >> /var/log-of-fake
case " $* " in *" --ask=n "*) ;; *) echo "it asks"; exit 1;; esac
for word; do
  case $word in --unmerge) remove=1;; -*|@*) ;; *) if test -n "$remove"; then rm -r /var/db/pkg/$word-1.0; else mkdir -p /var/db/pkg/$word-1.0; fi;; esac
done
`;

describe("a list of packages", () => {
  it("of portage (a fake emerge in a busybox root) is installed, removed and cleaned; a missing one is drift and no other step runs", () => {
    const step = (more: object): object => ({
      steps: [
        { name: "tools", packages: { adapter: "portage", ...more } },
        { name: "after", run: "echo after >> /etc/log" },
      ],
    });
    const install = ["app-editors/vim", "dev-vcs/git"];
    site = makeSite({
      ...provisioned(step({ install })),
      "desired/overlays/hardware/live/bin/emerge": { text: FAKE_EMERGE, executable: true },
    });
    applied();
    expect(inRoot("var/log-of-fake")).toBe("emerge --ask=n --color=n --noreplace app-editors/vim dev-vcs/git\n");
    expect(changesOf(site)).toEqual([]);
    rmSync(rootOf(site, "var/db/pkg/dev-vcs/git-1.0"), { recursive: true });
    expect(planned()).toMatchObject({ cause: "corrective", reason: "step tools: dev-vcs/git is not installed" });
    applied();
    expect([inRoot("etc/log"), changesOf(site)]).toEqual(["after\n", []]);
    site.commit({
      "desired/roots/small.yaml": provisionedRoot(step({ install: ["dev-vcs/git"], remove: ["app-editors/vim"] })),
    });
    applied();
    expect(inRoot("var/log-of-fake")).toMatch(/--unmerge app-editors\/vim\nemerge --ask=n --color=n --depclean\n$/);
    expect([readdirSync(rootOf(site, "var/db/pkg/app-editors")), changesOf(site)]).toEqual([[], []]);
  });

  it("of the user's own commands is asked for while the root is read-only, and a success that installed nothing is none", () => {
    const commands = {
      list: "touch /written-by-list 2>/dev/null || true; ls /var/packages 2>/dev/null || true",
      install: 'mkdir -p /var/packages; for name; do touch "/var/packages/$name"; done',
      remove: 'for name; do rm "/var/packages/$name"; done',
    };
    const step = (more: object): object => ({
      steps: [{ name: "own", packages: { adapter: "command", commands, install: ["one", "two"], ...more } }],
    });
    site = makeSite(provisioned(step({})));
    applied();
    expect(readdirSync(rootOf(site, "var/packages"))).toEqual(["one", "two"]);
    expect([existsSync(rootOf(site, "written-by-list")), changesOf(site)]).toEqual([false, []]);
    rmSync(rootOf(site, "var/packages/two"));
    expect(planned()).toMatchObject({ reason: "step own: two is not installed" });
    applied();
    site.commit({
      "desired/roots/small.yaml": provisionedRoot(
        step({ commands: { ...commands, install: "true" }, install: ["three"] }),
      ),
    });
    const ran = site.run("apply");
    expect([ran.exitCode, ran.stdout]).toEqual([
      1,
      expect.stringMatching(/three is not installed, though command did not fail/),
    ]);
  });
});

describe("an image with `strip: packageManager`", () => {
  it("leaves databases and programs of package managers out, and plan and explain show what", () => {
    site = makeSite({
      ...provisioned({
        steps: [
          {
            name: "db",
            run: "mkdir -p /var/lib/dpkg /usr/bin; echo x > /var/lib/dpkg/status; echo x > /usr/bin/apt-get; echo x > /usr/bin/aptly",
          },
        ],
      }),
      "desired/images/a.yaml": JSON.stringify({
        ...{ apiVersion: "rootloom/v1", kind: "Image", metadata: { name: "a" } },
        spec: { root: "small", strip: "packageManager" },
      }),
    });
    expect(site.run("plan").stdout).toMatch(/strip apt: [^\n]*usr\/bin\/apt-\*/);
    applied();
    const listed = site.run("ls", imageOf(site)).stdout;
    expect(listed).toContain("usr/bin/aptly");
    expect(listed).not.toMatch(/usr\/bin\/apt-get|var\/lib\/dpkg|etc\/apt/);
    expect(site.run("explain", "artifact/a").stdout).toMatch(/strip apt\s+[\s\S]*var\/lib\/dpkg/);
  });
});

describe("a file that a step made in a managed root", () => {
  it("and that somebody edited is told and refused: nothing has it as it was, and nothing else is touched", () => {
    site = makeSite(
      provisioned({ steps: [{ name: "make", run: "echo made > /etc/made; echo by-step > /etc/hostname" }] }),
    );
    applied();
    writeFileSync(rootOf(site, "etc/made"), "edited\n");
    writeFileSync(rootOf(site, "etc/fstab"), "edited\n");
    expect(planned("tree/small")).toMatchObject({ reason: "1 path differs: etc/fstab (content)" });
    applied();
    expect([inRoot("etc/fstab") === "edited\n", inRoot("etc/made"), inRoot("etc/hostname")]).toEqual([
      false,
      "edited\n",
      "by-step\n",
    ]);
    expect(planned("tree/small")).toMatchObject({
      reason: "1 path differs from how its steps left it: etc/made",
      blocked: { condition: "Refused", hint: expect.stringMatching(/rootloom snapshots small/) },
    });
    expect(site.run("drift").exitCode).toBe(2);
    site.commit({
      "desired/roots/small.yaml": provisionedRoot({ steps: [{ name: "make", run: "echo again > /etc/made" }] }),
    });
    site.run("apply");
    expect([inRoot("etc/made"), changesOf(site)]).toEqual(["again\n", []]);
  });
});
