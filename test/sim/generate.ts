import type { Random } from "../../src/host/fake/random.ts";
import {
  LOOP,
  type Site,
  type SiteImage,
  type SiteMount,
  type SiteOverlay,
  type SiteRoot,
  type SiteSource,
  type SiteVolume,
} from "./site.ts";

const VOLUMES = ["one", "two", "one", "two", "old", LOOP];
const IMAGES = ["i1", "i2", "i3"];
const LAYERS = ["hardware/board", "hardware/other", "secret-sauce/key"];
const LIVE = ["hardware/live1", "hardware/live2"];
const FILES = ["etc/a.conf", "etc/b.conf", "opt/c.conf", "bin/tool", "srv/deep/er/d.conf", "etc/release"];
export const TARBALLS = 2;

/** Any valid tree: up to three volumes with their roots, overlays of both ways, images, links and a target. */
export function randomSite(random: Random): Site {
  let site: Site = {
    maxDeletions: pick([1, 1, 2, 5], random),
    jobs: random.chance(0.7) ? 1 : 3,
    generations: 1 + random.integer(3),
    volumes: {},
    roots: {},
    overlays: { common: overlay(random, []) },
    images: {},
    targets: {},
  };
  site = addRoot(site, random);
  if (random.chance(0.4)) site = addRoot(site, random);
  site = setImage(site, random);
  for (let count = random.integer(4); count > 0; count -= 1) site = editSite(site, random);
  return site;
}

/** One random edit that leaves the tree valid. */
export function editSite(site: Site, random: Random): Site {
  return tidy(pick(EDITS, random)(site, random));
}

type Edit = (site: Site, random: Random) => Site;

const EDITS: readonly Edit[] = [
  addRoot,
  (site, random) => ({ ...site, roots: without(site.roots, pickKey(site.roots, random)) }),
  (site, random) => ({ ...site, volumes: without(site.volumes, pickKey(site.volumes, random)) }),
  setImage,
  setImage,
  (site, random) => ({ ...site, images: without(site.images, pickKey(site.images, random)) }),
  setLayer,
  setLayer,
  setLive,
  setLive,
  (site, random) => ({ ...site, overlays: without(site.overlays, pickKey(site.overlays, random)) }),
  changeRoot,
  changeRoot,
  changeMounts,
  changeMounts,
  (site, random) => ({ ...site, volumes: without(site.volumes, pickKey(site.volumes, random)), targets: {} }),
  (site, random) => changeOne(site, "volumes", random, (volume) => ({ ...volume, ...volumeOf(random) })),
  (site, random) => ({ ...site, targets: random.chance(0.3) ? {} : { arm: String(random.integer(3)) } }),
  (site, random) => ({ ...site, maxDeletions: pick([0, 1, 2, 5], random) }),
  clearOut,
  clearOut,
  dropProtected,
  dropProtected,
  (site, random) => ({ ...site, generations: 1 + random.integer(3) }),
];

export function pick<T>(list: readonly T[], random: Random): T {
  return list[random.integer(list.length)] as T;
}

/** Much goes at once: more than the limit allows, more often than not. */
function clearOut(site: Site): Site {
  const volumes = Object.entries(site.volumes).map(([name, volume]) => [name, { ...volume, link: undefined }]);
  const roots = Object.entries(site.roots).map(([name, root]) => [name, { ...root, mounts: [] }]);
  return { ...site, images: {}, targets: {}, volumes: Object.fromEntries(volumes), roots: Object.fromEntries(roots) };
}

/** The declarations of what is protected go; what they declare must stay. */
function dropProtected(site: Site): Site {
  const open = <T extends { readonly protect: boolean }>(from: Readonly<Record<string, T>>) =>
    Object.fromEntries(Object.entries(from).filter(([, { protect }]) => !protect));
  return { ...site, volumes: open(site.volumes), roots: open(site.roots) };
}

function pickKey(from: object, random: Random): string {
  return pick(["", ...Object.keys(from)], random);
}

function without<T>(from: Readonly<Record<string, T>>, key: string): Readonly<Record<string, T>> {
  return Object.fromEntries(Object.entries(from).filter(([name]) => name !== key));
}

function changeOne<K extends "volumes" | "roots">(
  site: Site,
  part: K,
  random: Random,
  change: (value: Site[K][string]) => Site[K][string],
): Site {
  const key = pickKey(site[part], random);
  const value = site[part][key] as Site[K][string] | undefined;
  return value === undefined ? site : { ...site, [part]: { ...site[part], [key]: change(value) } };
}

export function volumeOf(random: Random): SiteVolume {
  return {
    onDelete: random.chance(0.4) ? "destroy" : "retain",
    protect: random.chance(0.3),
    mode: random.chance(0.8) ? "0755" : "0750",
    label: `label${random.integer(2)}`,
    size: pick([64, 64, 72], random),
    options: random.chance(0.2) ? ["noatime"] : [],
    link: random.chance(0.4) ? `../elsewhere/${random.integer(3)}` : undefined,
  };
}

function sourceOf(random: Random): SiteSource {
  if (random.chance(0.5)) return { type: "tarball", number: random.integer(TARBALLS) };
  return {
    type: "mmdebstrap",
    suite: pick(["bookworm", "trixie"], random),
    include: random.chance(0.3) ? ["openssh-server"] : [],
  };
}

function addRoot(site: Site, random: Random): Site {
  if (random.chance(0.1)) {
    const packed: SiteRoot = {
      ...rootOf(random),
      volume: undefined,
      source: { type: "tarball", number: 0 },
      mounts: [],
    };
    return { ...site, roots: { ...site.roots, packed } };
  }
  const volume = pick(VOLUMES, random);
  const name = random.chance(0.25) && volume !== "old" ? `${volume}b` : volume;
  if (site.roots[name] !== undefined) return site;
  const root: SiteRoot = { ...rootOf(random), volume };
  const existing = volume === "old" ? ({ source: { type: "existing" }, content: "live", mounts: [] } as const) : {};
  return {
    ...site,
    volumes: { ...site.volumes, [volume]: site.volumes[volume] ?? volumeOf(random) },
    roots: { ...site.roots, [name]: { ...root, ...existing } },
  };
}

export function rootOf(random: Random): SiteRoot {
  return {
    volume: undefined,
    source: sourceOf(random),
    content: random.chance(0.6) ? "managed" : "live",
    report: random.chance(0.1),
    onDelete: random.chance(0.4) ? "destroy" : "retain",
    protect: random.chance(0.25),
    snapshots: random.chance(0.15),
    mounts: mountsOf(random),
  };
}

function mountsOf(random: Random): readonly SiteMount[] {
  const mounts: SiteMount[] = [];
  if (random.chance(0.4)) mounts.push({ target: "/proc", type: "proc", namespace: space(random), readOnly: false });
  if (random.chance(0.4)) {
    const namespace = space(random);
    mounts.push({ target: "/mnt", type: "bind", namespace, readOnly: random.chance(0.3) });
    if (random.chance(0.3)) mounts.push({ target: "/mnt/in", type: "tmpfs", namespace, readOnly: false });
  }
  if (random.chance(0.1)) mounts.push({ target: "/data/new", type: "tmpfs", namespace: "host", readOnly: false });
  if (random.chance(0.2)) mounts.push({ target: "/run", type: "tmpfs", namespace: space(random), readOnly: false });
  return mounts;
}

function space(random: Random): "host" | "private" {
  return random.chance(0.7) ? "host" : "private";
}

/** Two overlays that are copied into one root lay nothing in common: the second has a folder of its own. */
export function overlay(random: Random, into: readonly string[], folder = ""): SiteOverlay {
  const files = FILES.filter(() => random.chance(0.35)).map((path) => [
    `${folder}${path}`,
    `${path} ${random.integer(3)}\n`,
  ]);
  const init = into.length === 0 ? [["init", `#!/bin/sh\n${random.integer(2)}\n`]] : [];
  return {
    into,
    files: { ...Object.fromEntries([...files, ...init]), [`${folder}etc/always.conf`]: "always\n" },
    mode: random.chance(0.8) ? "0644" : "0600",
    deletes: folder === "" && random.chance(0.15) ? ["etc/hostname"] : [],
    onDelete: random.chance(0.4) ? "destroy" : "retain",
  };
}

function setLayer(site: Site, random: Random): Site {
  return { ...site, overlays: { ...site.overlays, [pick(["common", ...LAYERS], random)]: overlay(random, []) } };
}

function setLive(site: Site, random: Random): Site {
  const roots = Object.entries(site.roots).filter(
    ([, root]) => root.volume !== undefined && root.source.type !== "existing",
  );
  const into = roots.map(([name]) => name).filter(() => random.chance(0.6));
  if (into.length === 0) return site;
  const name = pick(LIVE, random);
  const folder = name === LIVE[0] ? "" : "usr/local/";
  return { ...site, overlays: { ...site.overlays, [name]: overlay(random, into, folder) } };
}

function setImage(site: Site, random: Random): Site {
  const root = pick(Object.keys(site.roots), random);
  if (root === undefined) return site;
  const image: SiteImage = {
    root,
    overlays: LAYERS.filter((name) => site.overlays[name] !== undefined && random.chance(0.6)),
    codec: pick(["gzip", "zstd", "none"], random),
    onApprove: random.chance(0.1),
    onDelete: random.chance(0.4) ? "destroy" : "retain",
    exclude: random.chance(0.3) ? ["var/**"] : [],
  };
  return { ...site, images: { ...site.images, [pick(IMAGES, random)]: image } };
}

function changeRoot(site: Site, random: Random): Site {
  return changeOne(site, "roots", random, (root) => {
    if (root.volume === undefined || root.source.type === "existing") return root;
    const { source, mounts: _, ...rest } = rootOf(random);
    return random.chance(0.4) ? { ...root, source } : { ...root, ...rest, volume: root.volume };
  });
}

function changeMounts(site: Site, random: Random): Site {
  return changeOne(site, "roots", random, (root) =>
    root.volume === undefined || root.source.type === "existing" ? root : { ...root, mounts: mountsOf(random) },
  );
}

/** What leads to something that is gone goes with it; every image has an /init. */
export function tidy(site: Site): Site {
  const roots = Object.fromEntries(
    Object.entries(site.roots).filter(([, { volume }]) => volume === undefined || site.volumes[volume] !== undefined),
  );
  const overlays = Object.fromEntries(
    Object.entries(site.overlays).flatMap(([name, value]) => {
      if (value.into.length === 0) return [[name, value]];
      const into = value.into.filter((root) => roots[root] !== undefined && roots[root]?.source.type !== "existing");
      return into.length === 0 ? [] : [[name, { ...value, into }]];
    }),
  );
  const images = Object.fromEntries(
    Object.entries(site.images)
      .filter(([, { root }]) => roots[root] !== undefined)
      .map(([name, image]) => [
        name,
        { ...image, overlays: image.overlays.filter((layer) => overlays[layer] !== undefined) },
      ]),
  );
  const common = overlays.common ?? {
    into: [],
    files: { init: "#!/bin/sh\n", "etc/always.conf": "always\n" },
    mode: "0644",
    deletes: [],
    onDelete: "retain",
  };
  return { ...site, roots, overlays: { ...overlays, common }, images } as Site;
}
