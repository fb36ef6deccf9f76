import type { Random } from "../../src/host/fake/random.ts";
import { overlay, pick, rootOf, volumeOf } from "./generate.ts";
import { LOOP, type Site, type SiteOverlay, type SiteRoot, type SiteVolume, volumePath } from "./site.ts";
import { damage, editRoot, removeMarker, repoint, unmount } from "./troubles.ts";
import type { World } from "./world.ts";

/** How a run comes to one operation or effect: what must stand before, and what then asks for it. */
export interface Way {
  readonly before?: (site: Site, random: Random) => Site;
  readonly change: (site: Site, random: Random) => Site;
  /** What others do, in place of a commit or with it. */
  readonly deed?: (world: World, random: Random) => unknown;
  /** How often all of it happens; once unless told. */
  readonly times?: number;
}

const NAME = "one";
const IMAGE = "i1";
const LIVE = "hardware/live1";
const HOST_MOUNT = { target: "/mnt", type: "bind", namespace: "host", readOnly: false } as const;

const keep = (site: Site): Site => site;
const withVolume =
  (name: string, change: Partial<SiteVolume>) =>
  (site: Site, random: Random): Site => {
    const volume = { ...(site.volumes[name] ?? volumeOf(random)), protect: false, ...change };
    return { ...site, volumes: { ...site.volumes, [name]: volume } };
  };
const withRoot =
  (change: Partial<SiteRoot>) =>
  (site: Site, random: Random): Site => {
    const root = { ...(site.roots[NAME] ?? rootOf(random)), volume: NAME, protect: false, report: false, ...change };
    return withVolume(NAME, {})({ ...site, roots: { ...site.roots, [NAME]: root } }, random);
  };
const withLive =
  (change: Partial<SiteOverlay>) =>
  (site: Site, random: Random): Site => {
    const drawn = { ...overlay(random, [NAME]), ...change };
    const live = { ...drawn, files: { ...drawn.files, "etc/always.conf": "always\n" } };
    const { [LIVE]: _, ...overlays } = site.overlays;
    return withRoot({ content: "managed" })({ ...site, overlays: { ...overlays, [LIVE]: live } }, random);
  };
const withImage =
  (onDelete: "retain" | "destroy") =>
  (site: Site, random: Random): Site => ({
    ...withRoot({})(site, random),
    images: {
      ...site.images,
      [IMAGE]: {
        root: NAME,
        overlays: [],
        codec: pick(["gzip", "zstd", "none"], random),
        onApprove: false,
        onDelete,
        exclude: [],
      },
    },
  });
const without =
  <K extends "volumes" | "roots" | "images" | "overlays" | "targets">(part: K, name: string) =>
  (site: Site): Site => {
    const { [name]: _, ...rest } = site[part] as Readonly<Record<string, unknown>>;
    return { ...site, [part]: rest };
  };
const all =
  (...changes: readonly ((site: Site, random: Random) => Site)[]) =>
  (site: Site, random: Random): Site =>
    changes.reduce((changed, change) => change(changed, random), site);
const target =
  (value: string | undefined) =>
  (site: Site): Site => ({
    ...site,
    targets: value === undefined ? {} : { arm: value },
  });
const flipped =
  (change: (volume: SiteVolume) => Partial<SiteVolume>) =>
  (name: string) =>
  (site: Site, random: Random): Site => {
    const volume = site.volumes[name];
    return volume === undefined ? site : withVolume(name, change(volume))(site, random);
  };

const DRIFT: Way = {
  before: withRoot({ content: "managed", snapshots: true }),
  change: keep,
  deed: (world, random) => editRoot(world, NAME, "usr/bin/sh", `theirs ${random.integer(1000)}\n`),
};

/** The first that fits the name. */
export const WAYS: readonly (readonly [RegExp, Way])[] = [
  [/^volume\.adopt$|^tree\.adopt$/, { change: withOld }],
  [
    /^volume\.mount$/,
    { before: withVolume(LOOP, {}), change: keep, deed: (world) => unmount(world, volumePath(LOOP)) },
  ],
  [/^volume\.mark$/, { before: withVolume(LOOP, {}), change: keep, deed: (world) => removeMarker(world) }],
  [
    /^volume\.remount$/,
    { before: withVolume(LOOP, { options: [] }), change: withVolume(LOOP, { options: ["noatime"] }) },
  ],
  [/^volume\.resize$/, { before: withVolume(LOOP, {}), change: flipped(({ size }) => ({ size: size + 8 }))(LOOP) }],
  [/^volume\.label$/, { before: withVolume(LOOP, {}), change: flipped(({ label }) => ({ label: `${label}x` }))(LOOP) }],
  [/^volume\.update$/, { before: withVolume(NAME, { mode: "0755" }), change: withVolume(NAME, { mode: "0750" }) }],
  [
    /^volume\.delete$/,
    {
      before: all(
        without("roots", "oneb"),
        withRoot({ onDelete: "destroy" }),
        withVolume(NAME, { onDelete: "destroy" }),
      ),
      change: all(without("roots", NAME), without("volumes", NAME)),
    },
  ],
  [/^volume\./, { change: withVolume("two", {}) }],
  [/^tree\.update$|^tree\.note$/, { before: withRoot({ content: "live" }), change: withRoot({ content: "managed" }) }],
  [/^tree\.(restore|snapshot)$/, DRIFT],
  [/^tree\.prune$/, { ...DRIFT, times: 2 }],
  [
    /^tree\.(replace|swap\..*)$/,
    {
      before: withRoot({ content: "managed", source: { type: "tarball", number: 0 } }),
      change: withRoot({ content: "managed", source: { type: "tarball", number: 1 } }),
    },
  ],
  [/^tree\.delete$/, { before: withRoot({ onDelete: "destroy" }), change: without("roots", NAME) }],
  [/^tree\./, { change: withRoot({ source: { type: "mmdebstrap", suite: "trixie", include: [] } }) }],
  [/^overlay\.(move-out|record-deletion)$/, { before: withRoot({}), change: withLive({ deletes: ["etc/hostname"] }) }],
  [
    /^overlay\.remove-left$/,
    {
      before: withLive({ files: { "etc/a.conf": "a\n", "etc/b.conf": "b\n" } }),
      change: withLive({ files: { "etc/a.conf": "a\n" } }),
    },
  ],
  [/^overlay\.keep-originals$/, { before: withRoot({}), change: withLive({ files: { "etc/release": "laid\n" } }) }],
  [
    /^overlay\.(remove|remove-all|unlist)$/,
    {
      before: withLive({ onDelete: "destroy", files: { "etc/release": "laid\n" } }),
      change: without("overlays", LIVE),
    },
  ],
  [/^overlay\./, { before: withRoot({}), change: withLive({}) }],
  [
    /^mount\.make-target$/,
    { change: withRoot({ mounts: [{ target: "/data/new", type: "tmpfs", namespace: "host", readOnly: false }] }) },
  ],
  [
    /^mount\.remount$/,
    { before: withRoot({ mounts: [HOST_MOUNT] }), change: withRoot({ mounts: [{ ...HOST_MOUNT, readOnly: true }] }) },
  ],
  [/^mount\.prove$/, { change: withRoot({ mounts: [{ ...HOST_MOUNT, namespace: "private" }] }) }],
  [/^mount\.unmount$/, { before: withRoot({ mounts: [HOST_MOUNT] }), change: withRoot({ mounts: [] }) }],
  [/^mount\./, { before: withRoot({ mounts: [] }), change: withRoot({ mounts: [HOST_MOUNT] }) }],
  [
    /^link\.delete$/,
    { before: withVolume(NAME, { link: "../elsewhere/0" }), change: withVolume(NAME, { link: undefined }) },
  ],
  [
    /^link\./,
    { before: withVolume(NAME, { link: "../elsewhere/0" }), change: withVolume(NAME, { link: "../elsewhere/1" }) },
  ],
  [/^environment\.delete$/, { before: target("1"), change: target(undefined) }],
  [/^environment\./, { before: target("1"), change: target("2") }],
  [/^artifact\.delete$/, { before: withImage("destroy"), change: without("images", IMAGE) }],
  [/^artifact\.switch$/, { before: withImage("retain"), change: keep, deed: (world) => repoint(world, IMAGE) }],
  [/^artifact\.set-aside$/, { before: withImage("retain"), change: keep, deed: (world) => damage(world, IMAGE) }],
  [
    /^artifact\.remove-old$/,
    {
      before: all(withImage("retain"), (site) => ({ ...site, generations: 1 })),
      change: (site, random) => ({ ...site, overlays: { ...site.overlays, common: overlay(random, []) } }),
      times: 2,
    },
  ],
  [/^artifact\./, { before: without("images", IMAGE), change: withImage("retain") }],
  [/^forget$/, { before: withVolume("two", { onDelete: "retain" }), change: without("volumes", "two") }],
];

function withOld(site: Site, random: Random): Site {
  const existing = {
    volume: "old",
    source: { type: "existing" },
    content: "live",
    mounts: [],
    snapshots: false,
  } as const;
  const roots = { ...site.roots, old: { ...rootOf(random), ...existing } };
  return withVolume("old", {})({ ...site, roots }, random);
}
