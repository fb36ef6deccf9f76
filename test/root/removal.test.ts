import {
  appendFileSync,
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
import { afterEach, describe, expect, it } from "vitest";
import { type FileTree, makeSite, type Ran, type Site } from "../kit.ts";
import { changesOf, document, keptOf, type PlanJson, rootOf, small, tarballRoot } from "./small-site.ts";

let site: Site;
afterEach(() => site.remove());

/** Words of the output with line breaks and indentation taken out: tables wrap. */
function textOf(ran: Ran): string {
  return `${ran.stdout} ${ran.stderr}`.replace(/\s+/g, " ");
}

function applied(...more: readonly string[]): string {
  const ran = site.run("apply", ...more);
  expect(ran.exitCode, textOf(ran)).toBe(0);
  return textOf(ran);
}

function blockedOf(id: string): string {
  const step = site.json<PlanJson>("plan").steps.find((candidate) => candidate.id === id);
  return `${step?.action} ${step?.blocked?.condition}: ${step?.blocked?.message}`;
}

/** In a live root what was edited stays in its place; out of a managed one it is moved to `set-aside`. */
const live: FileTree = { ...small, "desired/roots/small.yaml": tarballRoot({ content: "live" }) };

type OnDelete = "retain" | "destroy";

/** The small site with a link and an environment file, where everything says what becomes of it. */
function withEverything(onDelete: OnDelete): FileTree {
  const link = { path: join(site.state, "links/tools"), to: "/tools" };
  return {
    ...small,
    "desired/host.yaml": document("Host", "host", { budget: { jobs: 2 }, prune: { maxDeletions: 20 } }),
    "desired/volumes/small.yaml": document("Volume", "small", { backend: "directory", onDelete }),
    "desired/roots/small.yaml": tarballRoot({ onDelete }),
    "desired/overlays/hardware/live/overlay.yaml": liveOverlay(onDelete),
    "desired/targets/old.yaml": document("ArchTarget", "old", { cpu: "i686", environmentFile: "old.env" }),
    "desired/volumes/linked.yaml": document("Volume", "linked", { backend: "directory", onDelete, links: [link] }),
  };
}

function liveOverlay(onDelete: OnDelete): string {
  return document("Overlay", "hardware/live", { into: "root", roots: ["small"], onDelete });
}

const without = (...names: readonly string[]): FileTree => Object.fromEntries(names.map((name) => [name, undefined]));

describe("removing declarations", () => {
  it("with retain forgets roots, volumes, images and laid files; links and files of variables, which hold no data, go", () => {
    site = makeSite(small);
    site.commit(withEverything("retain"));
    applied();
    const before = keptOf(site);
    site.commit(without(...Object.keys(withEverything("retain")).filter((name) => name !== "desired/host.yaml")));
    expect([...changesOf(site)].sort()).toEqual([
      "delete environment/old",
      expect.stringMatching(/^delete link\//),
      "forget artifact/a",
      "forget overlay/hardware/live@small",
      "forget tree/small",
      "forget volume/linked",
      "forget volume/small",
    ]);
    applied();
    expect(keptOf(site)).toBe(before);
    expect(existsSync(join(site.state, "links/tools"))).toBe(false);
    expect(existsSync(join(site.state, "old.env"))).toBe(false);
    expect(changesOf(site)).toEqual([]);
  });

  it("leaves a link that leads elsewhere now and an edited file of variables alone", () => {
    site = makeSite(small);
    site.commit(withEverything("retain"));
    applied();
    const [link, file] = [join(site.state, "links/tools"), join(site.state, "old.env")];
    rmSync(link);
    symlinkSync("/elsewhere", link);
    appendFileSync(file, "MINE=1\n");
    site.commit(without("desired/targets/old.yaml", "desired/volumes/linked.yaml"));
    const text = applied();
    expect(text).toContain(`${link} is not the link to /tools any more; it is kept`);
    expect(text).toContain(`${file} is not as we wrote it; it is kept`);
    expect(readlinkSync(link)).toBe("/elsewhere");
    expect(readFileSync(file, "utf8")).toContain("MINE=1");
    expect(changesOf(site)).toEqual([]);
  });

  it("with destroy removes links and files that are unchanged, and waits for approval before data goes", () => {
    site = makeSite(small);
    site.commit(withEverything("destroy"));
    applied();
    const gone = Object.keys(withEverything("destroy")).filter((name) => name !== "desired/host.yaml");
    site.commit(without(...gone));
    expect(blockedOf("volume/small")).toMatch(/^delete (ApprovalRequired|Waiting): /);
    expect(blockedOf("tree/small")).toMatch(/^delete (ApprovalRequired|Waiting): /);
    const waiting = site.run("apply");
    expect(waiting.exitCode, textOf(waiting)).toBe(1);
    expect(textOf(waiting)).toContain("rootloom approve");
    expect(existsSync(rootOf(site, "usr/bin/busybox")) || existsSync(rootOf(site, "bin/busybox"))).toBe(true);
    for (let round = 0; round < 4 && site.run("apply", "--yes").exitCode !== 0; round++);
    expect(existsSync(join(site.state, "volumes/small"))).toBe(false);
    expect(existsSync(join(site.state, "links/tools"))).toBe(false);
    expect(changesOf(site)).toEqual([]);
  });

  it("of an overlay in a root removes the files that are as they were laid, and keeps the edited one", () => {
    site = makeSite({ ...live, "desired/overlays/hardware/live/overlay.yaml": liveOverlay("destroy") });
    applied();
    writeFileSync(rootOf(site, "opt/tool.conf"), "edited by hand\n");
    site.commit(
      without(
        "desired/overlays/hardware/live/overlay.yaml",
        "desired/overlays/hardware/live/opt/tool.conf",
        "desired/overlays/hardware/live/opt/other.conf",
      ),
    );
    const text = applied("--yes");
    expect(text).toMatch(/opt\/tool\.conf/);
    expect(readFileSync(rootOf(site, "opt/tool.conf"), "utf8")).toBe("edited by hand\n");
    expect(existsSync(rootOf(site, "opt/other.conf"))).toBe(false);
  });

  it("of one file of an overlay in a root removes it while it is unchanged, and keeps it when it was edited", () => {
    site = makeSite(live);
    applied();
    site.commit(without("desired/overlays/hardware/live/opt/other.conf"));
    applied();
    expect(existsSync(rootOf(site, "opt/other.conf"))).toBe(false);
    writeFileSync(rootOf(site, "opt/tool.conf"), "edited by hand\n");
    site.commit({
      ...without("desired/overlays/hardware/live/opt/tool.conf"),
      "desired/overlays/hardware/live/opt/new.conf": "new\n",
    });
    expect(applied()).toMatch(/opt\/tool\.conf/);
    expect(readFileSync(rootOf(site, "opt/tool.conf"), "utf8")).toBe("edited by hand\n");
    expect(readFileSync(rootOf(site, "opt/new.conf"), "utf8")).toBe("new\n");
  });
});

describe("a managed root", () => {
  it("gives back what left an overlay in the same pass, and takes what was edited out to `set-aside`", () => {
    site = makeSite(small);
    applied();
    writeFileSync(rootOf(site, "opt/tool.conf"), "edited by hand\n");
    site.commit(
      without("desired/overlays/hardware/live/opt/other.conf", "desired/overlays/hardware/live/opt/tool.conf"),
    );
    site.commit({ "desired/overlays/hardware/live/etc/new.conf": "new\n" });
    applied();
    expect(changesOf(site)).toEqual([]);
    expect(existsSync(rootOf(site, "opt"))).toBe(false);
    const aside = join(site.state, "volumes/small/.rootloom/set-aside");
    const found = readdirSync(aside, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".conf"));
    expect(found.map((name) => readFileSync(join(aside, name), "utf8"))).toEqual(["edited by hand\n"]);
  });

  it("keeps the files of an overlay that was forgotten", () => {
    site = makeSite(small);
    applied();
    site.commit(without(...Object.keys(small).filter((name) => name.includes("hardware/live"))));
    expect(changesOf(site)).toContain("forget overlay/hardware/live@small");
    expect(changesOf(site)).not.toContain("update tree/small");
    applied();
    expect(changesOf(site)).toEqual([]);
    expect(readFileSync(rootOf(site, "opt/tool.conf"), "utf8")).toBe("a = 1\n");
  });
});

describe("protection", () => {
  it("outlives its declaration: nothing that is protected goes, even approved, until a commit lifts it", () => {
    const volume = (protect: boolean) =>
      document("Volume", "small", { backend: "directory", onDelete: "destroy", protect });
    const rest = Object.keys(small).filter((name) => !/host\.yaml|volumes/.test(name));
    site = makeSite({
      ...small,
      "desired/volumes/small.yaml": volume(true),
      "desired/roots/small.yaml": tarballRoot({ onDelete: "destroy" }),
    });
    applied();
    site.commit(without("desired/volumes/small.yaml", ...rest));
    const ran = site.run("apply", "--yes");
    expect(ran.exitCode).toBe(1);
    expect(textOf(ran)).toMatch(/volume\/small.* protected/);
    expect(existsSync(join(site.state, "volumes/small/.rootloom/volume.json"))).toBe(true);
  });
});

describe("the limit of deletions", () => {
  it("of the old commit holds against a new one that raises it and deletes", () => {
    const host = (maxDeletions: number) => document("Host", "host", { prune: { maxDeletions } });
    const scratch = (name: string) => document("Volume", name, { backend: "directory", onDelete: "destroy" });
    const names = ["one", "two", "three"];
    const volumes = Object.fromEntries(names.map((name) => [`desired/volumes/${name}.yaml`, scratch(name)]));
    site = makeSite({ "desired/host.yaml": host(2), ...volumes });
    applied();
    site.commit({ "desired/host.yaml": host(10), ...without(...Object.keys(volumes)) });
    const ran = site.run("apply", "--yes");
    expect(ran.exitCode).toBe(1);
    expect(textOf(ran)).toContain("3 deletions are planned, at most 2 are allowed in one pass");
    expect(textOf(ran)).toMatch(/hint raise prune\.maxDeletions in host\.yaml in a commit of its own first/);
    for (const name of names) expect(lstatSync(join(site.state, "volumes", name)).isDirectory()).toBe(true);
    site.commit(volumes);
    applied();
    site.commit(without(...Object.keys(volumes)));
    applied("--yes");
    for (const name of names) expect(existsSync(join(site.state, "volumes", name))).toBe(false);
  });
});
