import { contentSize, type Format } from "./content.ts";
import { isErrno } from "./errno.ts";
import type { Inode } from "./inode.ts";
import type { Kernel } from "./kernel.ts";
import type { MountTable } from "./mount-table.ts";

/** A block device that stands for an image file, which it holds by its inode. */
export interface Loop {
  readonly name: string;
  readonly image: Inode;
  /** What it took for the image's size when it was last told to look. */
  capacity_bytes: number;
}

/** The loop devices of a machine; each goes with the last mount from it. */
export class Loops {
  #all: Loop[] = [];

  get all(): readonly Loop[] {
    return this.#all;
  }

  /** The device of an image: the one it has already, else a new one. */
  attach(image: Inode): Loop {
    const known = this.#all.find((loop) => loop.image === image);
    if (known !== undefined) return known;
    const taken = new Set(this.#all.map(({ name }) => name));
    let number = 0;
    while (taken.has(`/dev/loop${number}`)) number += 1;
    const loop = { name: `/dev/loop${number}`, image, capacity_bytes: contentSize(image.content) };
    this.#all.push(loop);
    return loop;
  }

  /** Lets go what nothing is mounted from, once all of it is on the disk. */
  sweep(table: MountTable): void {
    this.#all = this.#all.filter((loop) => {
      if (table.all.some(({ source }) => source === loop.name)) return true;
      formatOf(loop.image)?.fileSystem.syncAll();
      return false;
    });
  }

  /** Power is gone. */
  clear(): void {
    this.#all = [];
  }

  /** The image behind a device's name, or an image file itself; undefined where there is none. */
  find(kernel: Kernel, path: string): Inode | undefined {
    const loop = this.#all.find(({ name }) => name === path);
    if (loop !== undefined) return loop.image;
    try {
      const inode = kernel.look(path, true)?.inode;
      return inode?.type === "file" ? inode : undefined;
    } catch (thrown) {
      if (isErrno(thrown)) return undefined;
      throw thrown;
    }
  }
}

export function formatOf({ content }: Pick<Inode, "content">): Format | undefined {
  return content.kind === "device" ? content.format : undefined;
}
