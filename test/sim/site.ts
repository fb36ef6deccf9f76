/** What people declare, as plain data: a site is always valid, and is rendered to the files of `desired/`. */
export interface SiteVolume {
  readonly onDelete: "retain" | "destroy";
  readonly protect: boolean;
  readonly mode: "0755" | "0750";
  /** Of the loop volume and its filesystem. */
  readonly label: string;
  readonly size: number;
  readonly options: readonly string[];
  /** A link in STATE/links beside it. */
  readonly link: string | undefined;
}

export type SiteSource =
  | { readonly type: "mmdebstrap"; readonly suite: string; readonly include: readonly string[] }
  | { readonly type: "tarball"; readonly number: number }
  | { readonly type: "existing" };

export interface SiteMount {
  readonly target: string;
  readonly type: "proc" | "tmpfs" | "bind";
  readonly namespace: "host" | "private";
  readonly readOnly: boolean;
}

export interface SiteRoot {
  /** undefined: a tarball that is only packed. */
  readonly volume: string | undefined;
  readonly source: SiteSource;
  readonly content: "managed" | "live";
  readonly report: boolean;
  readonly onDelete: "retain" | "destroy";
  readonly protect: boolean;
  /** Snapshots before it is replaced or restored, the newest of which is kept. */
  readonly snapshots: boolean;
  readonly mounts: readonly SiteMount[];
}

export interface SiteOverlay {
  readonly into: readonly string[];
  readonly files: Readonly<Record<string, string>>;
  readonly mode: "0600" | "0644";
  readonly deletes: readonly string[];
  readonly onDelete: "retain" | "destroy";
}

export interface SiteImage {
  readonly root: string;
  readonly overlays: readonly string[];
  readonly codec: "gzip" | "zstd" | "none";
  readonly onApprove: boolean;
  readonly onDelete: "retain" | "destroy";
  readonly exclude: readonly string[];
}

export interface Site {
  readonly maxDeletions: number;
  readonly jobs: number;
  readonly generations: number;
  readonly volumes: Readonly<Record<string, SiteVolume>>;
  readonly roots: Readonly<Record<string, SiteRoot>>;
  readonly overlays: Readonly<Record<string, SiteOverlay>>;
  readonly images: Readonly<Record<string, SiteImage>>;
  /** Variables of an environment file by target. */
  readonly targets: Readonly<Record<string, string>>;
}

export const STATE = "/var/lib/rootloom";
export const CACHE = "/var/cache/rootloom";
/** Where other people of this host keep things; allowed by its limits. */
export const OTHERS = "/srv/hosts";
export const EXISTING = `${OTHERS}/old`;
export const SHARED = `${OTHERS}/shared`;

export function imagePath(name: string): string {
  return `${STATE}/artifacts/${name}`;
}

/** Sha256 of the tarballs that the machine holds, by number. */
export type Tarballs = readonly { readonly path: string; readonly sha256: string }[];

/** The one volume that is an image file behind a loop device; the others are directories. */
export const LOOP = "disk";
export const LOOP_IMAGE = `${STATE}/volumes/${LOOP}.img`;

export function volumePath(name: string): string {
  return name === "old" ? EXISTING : `${STATE}/volumes/${name}`;
}

export function rootPath(name: string, root: SiteRoot): string {
  if (root.volume === undefined) return "";
  return root.source.type === "existing" ? volumePath(root.volume) : `${volumePath(root.volume)}/${folderOf(name)}`;
}

export function environmentPath(target: string): string {
  return `${STATE}/targets/${target}.env`;
}

/** All files of `desired/`, by their path in the repository. */
export function renderSite(site: Site, tarballs: Tarballs): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  const add = (path: string, kind: string, name: string, spec: object): void => {
    files.set(
      `desired/${path}.yaml`,
      `${JSON.stringify({ apiVersion: "rootloom/v1", kind, metadata: { name }, spec })}\n`,
    );
  };
  const { maxDeletions, jobs, generations } = site;
  add("host", "Host", "sim", { prune: { maxDeletions }, budget: { jobs }, retention: { generations } });
  for (const [name, volume] of Object.entries(site.volumes))
    add(`volumes/${name}`, "Volume", name, volumeSpec(name, volume));
  for (const [name, root] of Object.entries(site.roots))
    add(`roots/${name}`, "Root", name, rootSpec(name, root, tarballs));
  for (const [name, image] of Object.entries(site.images)) add(`images/${name}`, "Image", name, imageSpec(image));
  for (const [name, value] of Object.entries(site.targets)) {
    add(`targets/${name}`, "ArchTarget", name, { variables: { VALUE: value }, environmentFile: environmentPath(name) });
  }
  for (const [name, overlay] of Object.entries(site.overlays)) {
    for (const [path, content] of Object.entries(overlay.files)) files.set(`desired/overlays/${name}/${path}`, content);
    add(`overlays/${name}/overlay`, "Overlay", name, overlaySpec(overlay));
  }
  return files;
}

/** The second root of a volume has a folder of its own. */
function folderOf(name: string): string {
  return name.endsWith("b") ? "second" : "root";
}

function volumeSpec(name: string, { onDelete, protect, mode, link, label, size, options }: SiteVolume): object {
  const loop = { backend: "loop", size: `${size}M`, filesystem: "ext4", label, mountOptions: options };
  return {
    ...(name === LOOP ? loop : { backend: "directory" }),
    ...(name === "old" ? { path: EXISTING } : {}),
    onDelete,
    protect,
    mode,
    ...(link === undefined ? {} : { links: [{ path: `${STATE}/links/${name}`, to: link }] }),
  };
}

function rootSpec(name: string, root: SiteRoot, tarballs: Tarballs): object {
  const { source, volume, content, onDelete, protect, report, snapshots } = root;
  const tarball = source.type === "tarball" ? tarballs[source.number] : undefined;
  const from =
    source.type === "mmdebstrap"
      ? { mmdebstrap: { suite: source.suite, include: source.include } }
      : source.type === "existing"
        ? { existing: {} }
        : { tarball: { path: tarball?.path, sha256: tarball?.sha256 } };
  if (volume === undefined) return { source: from };
  return {
    volume,
    source: from,
    ...(source.type !== "existing" && folderOf(name) !== "root" ? { path: folderOf(name) } : {}),
    content,
    onDelete,
    protect,
    ...(report ? { drift: { policy: "report" } } : {}),
    ...(snapshots ? { snapshots: { before: ["replace", "restore"], keep: 1 } } : {}),
    mounts: root.mounts.map(mountSpec),
  };
}

function mountSpec({ target, type, namespace, readOnly }: SiteMount): object {
  const options = readOnly ? { options: ["ro"] } : {};
  return { target, type, namespace, ...(type === "bind" ? { source: SHARED } : {}), ...options };
}

function overlaySpec({ into, mode, deletes, onDelete }: SiteOverlay): object {
  return {
    onDelete,
    ...(into.length > 0 ? { into: "root", roots: into } : {}),
    rules: [{ path: "**/*.conf", mode }],
    ...(deletes.length > 0 ? { delete: deletes } : {}),
  };
}

function imageSpec({ root, overlays, codec, onApprove, onDelete, exclude }: SiteImage): object {
  return {
    root,
    overlays,
    compression: { codec },
    pack: onApprove ? "onApprove" : "onChange",
    onDelete,
    exclude,
  };
}
