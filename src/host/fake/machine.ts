import { VirtualTime } from "./clock.ts";
import type { Journal } from "./durability.ts";
import type { Listeners } from "./events.ts";
import type { CrashKind } from "./faults.ts";
import { makeParents, syncPath } from "./file-context.ts";
import { FileSystem, type FileSystemOptions } from "./file-system.ts";
import { Kernel } from "./kernel.ts";
import { formatOf, Loops } from "./loops.ts";
import { MountTable } from "./mount-table.ts";
import type { ForeignProcess } from "./processes.ts";
import { createRandom, type Random } from "./random.ts";
import { FakeRepository } from "./repository.ts";
import type { Locks } from "./stores.ts";

export interface MachineOptions {
  readonly seed: number;
  /** Milliseconds since the epoch at which time begins. */
  readonly start_ms?: number;
  readonly reflink?: boolean;
  readonly journal?: Journal;
  readonly capacity_bytes?: number;
}

const START_MS = Date.UTC(2026, 0, 15, 8);
const ROOT_DEVICE = 8 * 2 ** 20 + 1;

/** What outlives a process of ours: disks, mounts, time, other people's processes and repositories. */
export class Machine {
  readonly random: Random;
  readonly time: VirtualTime;
  readonly table: MountTable;
  readonly kernel: Kernel;
  readonly loops = new Loops();
  readonly locks: Locks = new Map();
  readonly listeners: Listeners = new Map();
  readonly processes: ForeignProcess[] = [];
  readonly repositories = new Map<string, FakeRepository>();
  readonly remotes = new Map<string, FakeRepository>();
  /** Commands that were asked for and are not emulated. */
  readonly unknownCommands: string[] = [];
  readonly #disk: FileSystem;
  #device = 40;
  #mountId = 20;
  #pid = 1000;

  constructor(options: MachineOptions) {
    this.random = createRandom(options.seed);
    this.time = new VirtualTime(options.start_ms ?? START_MS);
    this.#disk = new FileSystem({
      type: options.reflink === true ? "xfs" : "ext4",
      device: ROOT_DEVICE,
      uuid: "0f0e0d0c-0b0a-4900-8807-060504030201",
      capacity_bytes: options.capacity_bytes ?? 50 * 1024 ** 3,
      reflink: options.reflink ?? false,
      journal: options.journal ?? "subset",
      now_ms: () => this.time.now_ms,
    });
    this.table = new MountTable(() => this.#mountId++);
    this.kernel = new Kernel(this.table);
    const top = { at: undefined, fileSystem: this.#disk, root: this.#disk.root, source: "/dev/sda1" };
    this.table.attach({ ...top, options: ["rw", "relatime"], superOptions: ["rw"], propagation: ["shared:1"] });
    for (const directory of ["etc", "proc", "root", "run", "srv", "tmp", "var/lib", "var/cache"]) {
      makeParents(this.kernel, `/${directory}/x`);
    }
    this.writeFile("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\nbuild:x:1000:1000::/home/build:/bin/sh\n");
    this.writeFile("/etc/group", "root:x:0:\ntty:x:5:\nbuild:x:1000:\n");
    this.#disk.syncAll();
  }

  /** Process ids are not used again. */
  nextPid(): number {
    return this.#pid++;
  }

  get disk(): FileSystem {
    return this.#disk;
  }

  makeFileSystem(options: Pick<FileSystemOptions, "type" | "capacity_bytes" | "uuid">): FileSystem {
    return new FileSystem({ ...options, device: this.#device++, now_ms: () => this.time.now_ms });
  }

  makeRepository(top: string, bare: boolean): FakeRepository {
    const repository = new FakeRepository({ top, bare, kernel: this.kernel, now_ms: () => this.time.now_ms });
    this.repositories.set(top, repository);
    return repository;
  }

  /** Writes as somebody else would: in place, synced, with parents. */
  writeFile(path: string, content: string | Uint8Array, mode = 0o644): void {
    const place = Buffer.from(path).toString("latin1");
    makeParents(this.kernel, place);
    const inode = this.kernel.open(place, mode, true);
    inode.mode = mode;
    inode.fileSystem.setContent(inode, { kind: "bytes", bytes: Uint8Array.from(Buffer.from(content)) });
    syncPath(this.kernel, place);
  }

  /** `kill` leaves the machine as it is; `power` takes mounts, sockets, processes and what was not synced. */
  crash(kind: CrashKind): void {
    if (kind === "kill") return;
    for (const { image } of this.loops.all) formatOf(image)?.fileSystem.crash(this.random);
    this.loops.clear();
    this.table.clear();
    this.processes.splice(0);
    this.locks.clear();
    this.listeners.clear();
    this.#disk.crash(this.random);
  }
}
