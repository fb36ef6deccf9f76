import { DATASETS, type Datasets, MOUNTS, readDatasets } from "./import-datasets.ts";
import { documentName, freeName, OverlayNames } from "./import-names.ts";
import { overlayDocument, type Unusual } from "./import-rules.ts";
import { readKernelSymbols, requiredSymbols } from "./kconfig.ts";
import { documentFile, type TreeFile, textFile } from "./tree-file.ts";

/** One file of the older tool's `config/` tree; `target` is set for a symbolic link. */
export interface ConfigurationFile {
  readonly bytes: Uint8Array;
  readonly executable: boolean;
  readonly target?: string | undefined;
}

export interface Imported {
  /** Below `desired/`, sorted by path. */
  readonly files: readonly TreeFile[];
  /** What was changed, chosen or could not be carried: nothing is left out in silence. */
  readonly notes: readonly string[];
}

type Listing = ReadonlyMap<string, ConfigurationFile>;

/**
 * Turns a `config/` tree (`build-env/`, `common/`, `overlays/{hardware,secret-sauce}/NAME/`, `kernel/NAME.kconfig`)
 * into `desired/`. Pure over the listing, whose keys are paths below `config/` and come back as they were;
 * `unusual` are paths of it, or beside it, of which git would lose something.
 */
export function importConfiguration(tree: Listing, unusual: ReadonlyMap<string, Unusual> = new Map()): Imported {
  const run = new Import(tree);
  const datasets = run.datasets();
  run.overlays();
  run.rules(unusual);
  run.buildEnvironment(datasets.root.name);
  const kernels = run.kernels();
  run.root(datasets);
  run.images(datasets.root.name, kernels);
  run.leftovers();
  run.files.sort((left, right) => (left.path < right.path ? -1 : 1));
  return { files: run.files, notes: run.notes };
}

/** Files of the build environment that Portage reads. */
const PORTAGE =
  /^(make\.conf|make\.profile|profile|repos\.conf|package\.[^/]+|env|patches|sets|bashrc|savedconfig)(\/|$)/;
const OVERLAY_PATH = /^(common|overlays\/(hardware|secret-sauce)\/([^/]+))\/(.+)$/s;

class Import {
  readonly tree: Listing;
  readonly files: TreeFile[] = [];
  readonly notes: string[] = [];
  private readonly carried = new Set<string>();
  private readonly names: OverlayNames;

  constructor(tree: Listing) {
    this.tree = tree;
    this.names = new OverlayNames(this.notes);
  }

  datasets(): Datasets {
    const file = this.tree.get("build-env/ZFS");
    if (file !== undefined) this.carried.add("build-env/ZFS");
    const datasets = readDatasets(file === undefined ? "" : textOf(file));
    this.notes.push(...datasets.notes.map((note) => `build-env/ZFS: ${note}`));
    if (datasets.root.dataset === undefined) {
      this.notes.push(
        "build-env/ZFS names no dataset of a root: volumes/gentoo.yaml is a directory; say where your root really is",
      );
    }
    return datasets;
  }

  overlays(): void {
    for (const [path, file] of this.tree) {
      const match = OVERLAY_PATH.exec(path);
      if (match === null) continue;
      const [, top = "", kind, written = "", inside = ""] = match;
      this.carried.add(path);
      if (inside === "overlay.yaml" || inside === "overlay.yml") {
        this.notes.push(`${path}: not carried: in desired/ that name is the overlay's own document`);
        continue;
      }
      const name = this.names.of(top, kind, written);
      this.carry(`overlays/${name}/${inside}`, file);
    }
    if (this.names.all.size > 0 || this.files.length > 0) {
      this.notes.push(
        "owners are not carried, all becomes 0:0: add `rules` to each overlay's overlay.yaml that needs another one",
      );
    }
  }

  /** What git cannot keep is said in each overlay's own document; outside the overlays it has no place. */
  rules(unusual: ReadonlyMap<string, Unusual>): void {
    const found = new Map<string, Map<string, Unusual>>();
    for (const [path, entry] of unusual) {
      const [, top = "", kind, written = "", inside] = OVERLAY_PATH.exec(path) ?? [];
      if (inside !== undefined) {
        const name = this.names.of(top, kind, written);
        found.set(name, (found.get(name) ?? new Map()).set(inside, entry));
      } else if (entry.type !== "directory") {
        const mode = entry.mode.toString(8).padStart(4, "0");
        this.notes.push(`${path}: git does not keep that it is a ${entry.type} of mode ${mode}`);
      }
    }
    for (const [name, entries] of found) {
      const { files, notes } = overlayDocument(name, entries);
      this.files.push(...files);
      this.notes.push(...notes);
    }
  }

  /** What Portage reads goes where it reads it, by an overlay that is copied into the root. */
  buildEnvironment(root: string): void {
    const overlay = "overlays/hardware/build-env";
    const before = this.files.length;
    if ([...this.names.all].includes("hardware/build-env")) return;
    for (const [path, file] of this.tree) {
      if (!path.startsWith("build-env/") || this.carried.has(path)) continue;
      const inside = path.slice("build-env/".length);
      const place = inside.startsWith("etc/") ? inside : PORTAGE.test(inside) ? `etc/portage/${inside}` : undefined;
      if (place === undefined) continue;
      this.carried.add(path);
      this.carry(`${overlay}/${place}`, file);
    }
    if (this.files.length === before) return;
    this.files.push(documentFile(`${overlay}/overlay.yaml`, "Overlay", undefined, { into: "root", roots: [root] }));
    this.notes.push(`build-env: laid into the root ${root} below etc/portage by overlay hardware/build-env`);
  }

  /** Names of the kernels, with whether each can boot a gzip image. */
  kernels(): ReadonlyMap<string, boolean> {
    const kernels = new Map<string, boolean>();
    for (const [path, file] of this.tree) {
      const written = /^kernel\/([^/]+)\.kconfig$/.exec(path)?.[1];
      if (written === undefined) continue;
      const name = freeName(documentName(written), kernels);
      this.carried.add(path);
      if (name !== written)
        this.notes.push(`${path}: called ${name}, for names are letters, digits, dot, dash, underscore`);
      this.carry(`kernels/${name}.kconfig`, { ...file, executable: false });
      this.files.push(documentFile(`kernels/${name}.yaml`, "KernelConfig", name, { config: `${name}.kconfig` }));
      const symbols = readKernelSymbols([textOf(file)]);
      const needed = [...requiredSymbols({ root: "" }, { config: "" })];
      const missing = needed.filter(([symbol, value]) => symbols.get(symbol) !== value).map(([symbol]) => symbol);
      if (missing.length > 0)
        this.notes.push(`${path}: cannot boot an image, CONFIG_${missing.join(", CONFIG_")} not set`);
      if (symbols.has("INITRAMFS_SOURCE")) {
        this.notes.push(`${path}: INITRAMFS_SOURCE is kept as it was; the image now stands at artifacts/NAME/current`);
      }
      kernels.set(name, missing.length === 0);
    }
    return kernels;
  }

  root({ root, caches }: Datasets): void {
    const volume = root.dataset === undefined ? { backend: "directory" as const } : zfs(root.dataset);
    this.files.push(documentFile(`volumes/${root.name}.yaml`, "Volume", root.name, volume));
    const mounts = [...MOUNTS];
    for (const { role, dataset } of caches) {
      const name = `${root.name}-${role}`;
      this.files.push(documentFile(`volumes/${name}.yaml`, "Volume", name, zfs(dataset)));
      const target = DATASETS.get(role);
      if (target !== undefined) mounts.push({ target, type: "bind", volume: name });
    }
    this.files.push(
      documentFile(`roots/${root.name}.yaml`, "Root", root.name, {
        volume: root.name,
        source: { existing: {} },
        content: "live",
        mounts,
      }),
    );
    this.notes.push(`the root ${root.name} is taken as it is: \`rootloom adopt\` makes it ours before a pass uses it`);
  }

  /** One image for each hardware; a choice among several secret-sauces or kernels is left to a person. */
  images(root: string, kernels: ReadonlyMap<string, boolean>): void {
    const named = (kind: string): string[] => [...this.names.all].filter((name) => name.startsWith(`${kind}/`)).sort();
    const [hardware, sauces] = [named("hardware"), named("secret-sauce")];
    if (sauces.length > 1) {
      this.notes.push(`images get no secret-sauce: choose among ${sauces.join(", ")} and add it to their \`overlays\``);
    }
    if (kernels.size > 1) {
      this.notes.push(`images get no kernel: choose among ${[...kernels.keys()].join(", ")} and add it as \`kernel\``);
    }
    const kernel = kernels.size === 1 ? [...kernels].find(([, boots]) => boots)?.[0] : undefined;
    const sauce = sauces.length === 1 ? sauces : [];
    for (const overlay of hardware.length === 0 ? [undefined] : hardware) {
      const name = overlay === undefined ? root : overlay.slice("hardware/".length);
      const overlays = [...(overlay === undefined ? [] : [overlay]), ...sauce];
      const spec = { root, overlays, ...(kernel === undefined ? {} : { kernel }) };
      this.files.push(documentFile(`images/${name}.yaml`, "Image", name, spec));
    }
    if (!this.files.some((file) => /^overlays\/(common|[^/]+\/[^/]+)\/init$/.test(file.path))) {
      this.notes.push("no overlay holds /init: the root itself must have it, or say `init:` in the images");
    }
  }

  leftovers(): void {
    for (const path of this.tree.keys()) {
      if (!this.carried.has(path)) this.notes.push(`${path}: not carried: it has no place in desired/`);
    }
  }

  private carry(path: string, { bytes, executable, target }: ConfigurationFile): void {
    if (target === undefined) this.files.push({ ...textFile(path, "", executable), content: bytes });
    else this.files.push({ ...textFile(path, ""), target });
  }
}

function zfs(dataset: string): { readonly backend: "zfs"; readonly dataset: string } {
  return { backend: "zfs", dataset };
}

function textOf(file: ConfigurationFile): string {
  return new TextDecoder().decode(file.bytes);
}
