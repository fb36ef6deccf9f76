import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { type FileTree, makeSite, type Site } from "../kit.ts";
import { document, imageOf, rootOf, small, tarball, tarballRoot } from "../root/small-site.ts";
import type { Trouble } from "./points.ts";

/** A change of a site, and what a person does when its pass waits for somebody. */
export interface Phase {
  readonly name: string;
  readonly prepare: (site: Site) => void;
  /** Asked of the running daemon, over and over, while a pass waits. */
  readonly whenWaiting: readonly string[];
  /** What goes wrong in its lives, beside the kills. */
  readonly trouble?: (site: Site) => Partial<Trouble>;
  /** It begins with a damaged image, so that there is no whole one before it is over. */
  readonly damagesImage?: boolean;
  /** What the host must be when it is over; commands say more in `checks.ts`. */
  readonly holds: (site: Site) => readonly (readonly [what: string, is: unknown, wanted: unknown])[];
}

const mounts = [
  { target: "/shared", type: "bind", volume: "shared", options: ["ro"], namespace: "host" },
  { target: "/scratch", type: "tmpfs", options: ["size=1M"], namespace: "host" },
  { target: "/proc", type: "proc" },
];

/** A step that may run again after any of its lives. */
const provision = { steps: [{ name: "made", run: "echo made > /var/made" }] };

/** Tools in the place of the host's: a bootstrap that takes no network and no minutes. */
function fakeTools(site: Site): string {
  const folder = join(site.directory, "tools");
  mkdirSync(folder, { recursive: true });
  const file = join(folder, "mmdebstrap");
  writeFileSync(file, `#!/bin/sh\nfor target; do :; done\nexec cp ${tarball} "$target"\n`);
  chmodSync(file, 0o755);
  return folder;
}

function everything(site: Site): FileTree {
  const destroy = { onDelete: "destroy" };
  const volume = (name: string, more: object = {}): string =>
    document("Volume", name, { backend: "directory", ...destroy, ...more });
  return {
    ...small,
    "desired/host.yaml": document("Host", "host", {
      budget: { jobs: 2 },
      prune: { maxDeletions: 50 },
      retention: { generations: 1 },
    }),
    "desired/volumes/small.yaml": volume("small"),
    "desired/volumes/shared.yaml": volume("shared", {
      links: [{ path: join(site.state, "links/tools"), to: "/tools" }],
    }),
    "desired/volumes/old.yaml": volume("old", { onDelete: "retain" }),
    "desired/volumes/boot.yaml": volume("boot"),
    "desired/roots/small.yaml": tarballRoot({ mounts, provision, ...destroy }),
    "desired/overlays/hardware/live/bin/sh": { link: "busybox" },
    "desired/roots/old.yaml": document("Root", "old", { volume: "old", source: { existing: {} } }),
    "desired/roots/boot.yaml": document("Root", "boot", {
      volume: "boot",
      source: { mmdebstrap: { suite: "bookworm" } },
      ...destroy,
    }),
    "desired/images/a.yaml": document("Image", "a", { root: "small", overlays: ["hardware/one"], ...destroy }),
    "desired/targets/old.yaml": document("ArchTarget", "old", { cpu: "i686", environmentFile: "old.env" }),
    "desired/overlays/hardware/live/overlay.yaml": overlay(),
  };
}

function overlay(more: object = {}): string {
  return document("Overlay", "hardware/live", { into: "root", roots: ["small"], onDelete: "destroy", ...more });
}

/** A site with nothing declared, a foreign directory where a volume will be, and a bystander that nobody declares. */
export function makeKillSite(): Site {
  const site = makeSite({ "desired/host.yaml": document("Host", "host", {}) });
  process.env.PATH = `${fakeTools(site)}:${process.env.PATH}`;
  for (const name of ["old", "bystander"]) {
    mkdirSync(join(site.state, "volumes", name, "etc"), { recursive: true });
    writeFileSync(join(site.state, "volumes", name, "etc/precious"), `of ${name}\n`);
  }
  return site;
}

const generationsOf = (site: Site): number =>
  readdirSync(join(site.state, "artifacts/a")).filter((name) => /^[0-9a-f]{16}$/.test(name)).length;
const textOf = (site: Site, path: string): string =>
  execFileSync("cat", [rootOf(site, path)], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });

/** In this order: each stands on the one before. */
export const PHASES: readonly Phase[] = [
  {
    name: "a first converge",
    prepare: (site) => site.commit(everything(site)),
    whenWaiting: ["adopt", "volume/old", "--why", "a test"],
    holds: (site) => [
      ["laid file", textOf(site, "opt/tool.conf"), "a = 1\n"],
      ["made by a step", textOf(site, "var/made"), "made\n"],
      ["generations", generationsOf(site), 1],
    ],
  },
  {
    name: "a change of overlays",
    prepare: (site) =>
      site.commit({
        "desired/overlays/hardware/live/opt/tool.conf": "a = 2\n",
        "desired/overlays/hardware/live/opt/other.conf": undefined,
        "desired/overlays/hardware/live/overlay.yaml": overlay({ delete: ["usr/share/doc"] }),
      }),
    whenWaiting: [],
    holds: (site) => [
      ["laid file", textOf(site, "opt/tool.conf"), "a = 2\n"],
      ["the rest of it", readdirSync(rootOf(site, "opt")), ["tool.conf"]],
      ["deleted", readdirSync(rootOf(site, "usr/share")).includes("doc"), false],
      ["kept", readdirSync(join(site.state, "volumes/small/.rootloom/originals")).length, 1],
      ["generations", generationsOf(site), 1],
    ],
  },
  {
    name: "a full disk, and an edit just when a file is laid",
    prepare: (site) =>
      site.commit({
        "desired/overlays/hardware/live/opt/tool.conf": "a = 3\n",
        "desired/overlays/hardware/one/etc/one.conf": "two\n",
      }),
    trouble: (site) => ({ edited: rootOf(site, "opt/tool.conf"), full: true }),
    whenWaiting: ["apply"],
    holds: (site) => [
      ["laid file", textOf(site, "opt/tool.conf"), "a = 3\n"],
      ["generations", generationsOf(site), 1],
    ],
  },
  {
    name: "a correction of drift",
    prepare: makeDrift,
    damagesImage: true,
    whenWaiting: [],
    holds: (site) => [
      ["laid file", textOf(site, "opt/tool.conf"), "a = 3\n"],
      ["removed program", readdirSync(rootOf(site, "bin")).includes("busybox"), true],
      ["generations", generationsOf(site), 1],
    ],
  },
  {
    name: "a link to an image that somebody removed",
    prepare: (site) => rmSync(join(site.state, "artifacts/a/current")),
    whenWaiting: [],
    holds: (site) => [["generations", generationsOf(site), 1]],
  },
  {
    name: "a replaced source",
    prepare: (site) => {
      const other = join(site.directory, "other.tar");
      copyFileSync(tarball, other);
      appendFileSync(other, Buffer.alloc(10_240));
      writeFileSync(rootOf(site, "opt/mine"), "mine\n");
      site.commit({ "desired/roots/small.yaml": tarballRoot({ mounts, provision, onDelete: "destroy" }, other) });
    },
    whenWaiting: ["approve", "tree/small", "--why", "a test"],
    holds: (site) => {
      const kept = join(site.state, "volumes/small/.rootloom/kept");
      const mine = readdirSync(kept, { recursive: true }).filter((name) => String(name).endsWith("opt/mine"));
      return [
        ["laid file", textOf(site, "opt/tool.conf"), "a = 3\n"],
        ["made by a step", textOf(site, "var/made"), "made\n"],
        ["roots that gave way", mine.length, 1],
      ];
    },
  },
  {
    name: "removals",
    prepare: (site) => {
      const gone = Object.keys(everything(site)).filter((name) => name !== "desired/host.yaml");
      const here = gone.filter((name) => !name.endsWith("other.conf"));
      site.commit(Object.fromEntries(here.map((name) => [name, undefined])));
    },
    whenWaiting: ["apply", "--yes"],
    holds: (site) => [
      ["volumes", readdirSync(join(site.state, "volumes")).sort(), ["bystander", "old"]],
      ["artifacts", readdirSync(join(site.state, "artifacts")), []],
    ],
  },
];

/** Somebody edits, removes and unmounts behind the daemon's back: something of each kind. */
function makeDrift(site: Site): void {
  rmSync(rootOf(site, "bin/busybox"));
  writeFileSync(rootOf(site, "opt/tool.conf"), "edited\n");
  appendFileSync(imageOf(site), "junk");
  chmodSync(join(site.state, "volumes/shared"), 0o700);
  const link = join(site.state, "links/tools");
  rmSync(link);
  symlinkSync("/elsewhere", link);
  rmSync(join(site.state, "old.env"));
  execFileSync("mount", ["-o", "remount,bind,rw", rootOf(site, "shared")]);
  execFileSync("umount", [rootOf(site, "scratch")]);
}
