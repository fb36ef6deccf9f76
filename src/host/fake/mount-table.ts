import type { MountEntry } from "../ports.ts";
import { ErrnoError } from "./errno.ts";
import { deviceText, type FileSystem } from "./file-system.ts";
import type { Inode } from "./inode.ts";

/** A place in the namespace: the same inode below two mounts is two places. */
export interface Location {
  readonly mount: Mount;
  readonly inode: Inode;
}

export interface Mount {
  readonly id: number;
  readonly fileSystem: FileSystem;
  /** Inode of `fileSystem` that is seen at the target. */
  readonly root: Inode;
  /** Where it hangs: undefined for the top of the namespace. */
  readonly at: { readonly parent: Location; readonly name: string; readonly covered: Location } | undefined;
  readonly source: string;
  options: readonly string[];
  superOptions: readonly string[];
  propagation: readonly string[];
}

export type NewMount = Omit<Mount, "id">;

/** The mounts of one namespace, in order; the later of two on one place hides the earlier. */
export class MountTable {
  readonly #mounts: Mount[] = [];
  readonly #nextId: () => number;
  /** Grows with each mount that comes or goes. */
  version = 0;

  constructor(nextId: () => number) {
    this.#nextId = nextId;
  }

  get all(): readonly Mount[] {
    return this.#mounts;
  }

  get top(): Location {
    const first = this.#mounts[0];
    if (first === undefined) throw new ErrnoError("ENODEV", "/");
    return { mount: first, inode: first.root };
  }

  attach(mount: NewMount): Mount {
    const attached = { ...mount, id: this.#nextId() };
    this.#mounts.push(attached);
    this.version += 1;
    return attached;
  }

  /** A number for a group of peers that nobody else has. */
  nextGroup(): number {
    return this.#nextId();
  }

  /** @throws ErrnoError EBUSY while another mount hangs on it. */
  detach(mount: Mount): void {
    if (this.childrenOf(mount).length > 0) throw new ErrnoError("EBUSY", this.targetOf(mount));
    this.#mounts.splice(this.#mounts.indexOf(mount), 1);
    this.version += 1;
  }

  /** Power is gone: only the top stays. */
  clear(): void {
    this.#mounts.splice(1);
    this.version += 1;
  }

  childrenOf(mount: Mount): readonly Mount[] {
    return this.#mounts.filter((other) => other.at?.covered.mount === mount);
  }

  /** What is seen at a place: the top of the mounts stacked on it, else the place itself. */
  visible(location: Location): Location {
    const over = this.#mounts.find((mount) => isAt(mount, location));
    return over === undefined ? location : this.visible({ mount: over, inode: over.root });
  }

  isMountPoint(location: Location): boolean {
    return this.#mounts.some((mount) => isAt(mount, location));
  }

  /** Whether the place is the root of a mount other than the top. */
  isMountRoot(location: Location): boolean {
    return location.mount.at !== undefined && location.mount.root === location.inode;
  }

  /** One step up; stays at the top of the namespace. */
  above(location: Location): Location {
    let here = location;
    while (here.inode === here.mount.root) {
      if (here.mount.at === undefined) return here;
      if (here.mount.at.covered.inode !== here.mount.at.covered.mount.root) return here.mount.at.parent;
      here = here.mount.at.covered;
    }
    return { mount: here.mount, inode: here.inode.parent ?? here.inode };
  }

  targetOf(mount: Mount): string {
    return mount.at === undefined ? "/" : this.pathOf({ mount, inode: mount.root });
  }

  /** Absolute path of a directory, or of the root of any mount; one byte a character. */
  pathOf(location: Location): string {
    const names: string[] = [];
    let here = location;
    for (;;) {
      if (here.inode === here.mount.root) {
        if (here.mount.at === undefined) break;
        if (here.mount.at.covered.inode === here.mount.at.covered.mount.root) {
          here = here.mount.at.covered;
          continue;
        }
        names.push(here.mount.at.name);
        here = here.mount.at.parent;
      } else {
        names.push(nameOf(here.inode));
        here = { mount: here.mount, inode: here.inode.parent ?? here.inode };
      }
    }
    return `/${names.reverse().join("/")}`;
  }

  /** A private copy, as `unshare --mount --propagation private` makes it: places point to the new mounts. */
  copy(): MountTable {
    const table = new MountTable(this.#nextId);
    const copies = new Map<Mount, Mount>();
    const moved = (location: Location): Location => ({
      mount: copies.get(location.mount) ?? location.mount,
      inode: location.inode,
    });
    for (const mount of this.#mounts) {
      const at = mount.at && { ...mount.at, parent: moved(mount.at.parent), covered: moved(mount.at.covered) };
      copies.set(mount, table.attach({ ...mount, at, propagation: [] }));
    }
    return table;
  }

  entries(): readonly MountEntry[] {
    return this.#mounts.map((mount) => ({
      id: mount.id,
      parent: mount.at?.covered.mount.id ?? 1,
      device: deviceText(mount.fileSystem.device),
      root: pathInFileSystem(mount.root),
      target: decode(this.targetOf(mount)),
      options: mount.options,
      superOptions: mount.superOptions,
      propagation: mount.propagation,
      type: mount.fileSystem.type,
      source: mount.source,
    }));
  }
}

/** The text of /proc/self/mountinfo. */
export function mountInformation(entries: readonly MountEntry[]): string {
  const escaped = (text: string): string =>
    text.replace(/[ \t\n\\]/g, (character) => `\\${character.charCodeAt(0).toString(8).padStart(3, "0")}`);
  const lines = entries.map((entry) =>
    [
      `${entry.id} ${entry.parent} ${entry.device} ${escaped(entry.root)} ${escaped(entry.target)}`,
      entry.options.join(","),
      ...entry.propagation,
      `- ${entry.type} ${escaped(entry.source)} ${entry.superOptions.join(",")}`,
    ].join(" "),
  );
  return lines.map((line) => `${line}\n`).join("");
}

/** One byte a character to a JavaScript string. */
export function decode(bytes: string): string {
  return Buffer.from(bytes, "latin1").toString("utf8");
}

function isAt(mount: Mount, location: Location): boolean {
  return mount.at?.covered.inode === location.inode && mount.at.covered.mount === location.mount;
}

function pathInFileSystem(inode: Inode): string {
  const names: string[] = [];
  for (let here = inode; here.parent !== undefined && here.parent !== here; here = here.parent) {
    names.push(nameOf(here));
  }
  return decode(`/${names.reverse().join("/")}`);
}

function nameOf(inode: Inode): string {
  for (const [name, child] of inode.parent?.entries ?? []) if (child === inode) return name;
  return "(deleted)";
}
