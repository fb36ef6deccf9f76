import type { EntryType } from "../../core/entry.ts";
import { FilesystemCheck } from "../../pack/filesystem-check.ts";
import { readManifest } from "../../pack/manifest.ts";
import { PseudoFileReader } from "../../pack/pseudo-file.ts";
import type { ApplyContext } from "../types.ts";

type Context = Pick<ApplyContext, "host" | "signal">;

interface Made {
  readonly image: string;
  readonly manifest: string;
  readonly build: string;
}

/** Unpacks a squashfs image into a stream and compares all of it with the manifest. Nothing is mounted or written. */
export async function checkSquashfs({ image, manifest }: Made, { host, signal }: Context): Promise<readonly string[]> {
  const check = new FilesystemCheck(readManifest(host.files, manifest), false);
  const reader = new PseudoFileReader(check);
  await host.processes.run({
    file: "sh",
    // It opens its output by name, which it can of a pipe only; its own words must not stand among the contents.
    arguments: ["-c", 'unsquashfs -quiet -no-progress -pf /dev/fd/3 "$1" 3>&1 >&2 | cat', "sh", image],
    timeout_ms: 0,
    signal,
    onOutput: (part) => reader.push(part),
  });
  reader.finish();
  return check.finish();
}

/** NUL-separated: attributes of each entry, then contents; run in a mount namespace that ends with it. */
const SCRIPT = `
mount -t erofs -o ro,loop,nodev,nosuid,noexec "$1" "$2" && cd "$2" || exit 1
find . -printf 'E\\0%P\\0%y\\0%m\\0%U\\0%G\\0%T@\\0%s\\0%i\\0%l\\0' || exit 1
find . \\( -type c -o -type b \\) -exec stat --printf 'D\\0%n\\0%t\\0%T\\0' {} + || exit 1
find . -type f -print0 | xargs -0 -r sha256sum --zero
`;

const TYPES: Readonly<Record<string, EntryType>> = {
  f: "file",
  d: "directory",
  l: "symlink",
  c: "character",
  b: "block",
  p: "fifo",
  s: "socket",
};

/** Mounts an erofs image, read-only, where nobody else sees it, and compares all of it with the manifest. */
export async function checkErofs(
  { image, manifest, build }: Made,
  { host, signal }: Context,
): Promise<readonly string[]> {
  const check = new FilesystemCheck(readManifest(host.files, manifest), true);
  const target = `${build}/mounted`;
  host.files.makeDirectories(target, 0o700);
  const found = new Records(check);
  await host.processes.run({
    file: "sh",
    arguments: ["-c", SCRIPT, "sh", image, target],
    timeout_ms: 0,
    signal,
    privateNamespace: true,
    onOutput: (part) => found.push(part),
  });
  host.files.removeDirectory(target);
  found.finish();
  return check.finish();
}

const FIELDS = { E: 10, D: 4 } as const;

/** What the script writes, one record after another. */
class Records {
  readonly #check: FilesystemCheck;
  readonly #nodes: (readonly string[])[] = [];
  readonly #devices = new Map<string, readonly [number, number]>();
  #rest = "";
  #words: string[] = [];

  constructor(check: FilesystemCheck) {
    this.#check = check;
  }

  push(part: Uint8Array): void {
    const words = (this.#rest + Buffer.from(part).toString("latin1")).split("\0");
    this.#rest = words.pop() ?? "";
    for (const word of words) {
      this.#words.push(word);
      const [kind] = this.#words;
      const wanted = kind === "E" || kind === "D" ? FIELDS[kind] : 1;
      if (this.#words.length < wanted) continue;
      this.#record(this.#words);
      this.#words = [];
    }
  }

  finish(): void {
    for (const words of this.#nodes) this.#entry(words);
    if (this.#rest !== "" || this.#words.length > 0) this.#check.report("what it holds could not be read to its end");
  }

  #record(words: readonly string[]): void {
    const [kind = "", name = "", third = "", fourth = ""] = words;
    if (kind === "D") this.#devices.set(name.slice(2), [Number.parseInt(third, 16), Number.parseInt(fourth, 16)]);
    else if (kind !== "E")
      this.#check.content(kind.slice(kind.indexOf("  ") + 2).replace(/^\.\//, ""), kind.slice(0, 64));
    else if (third === "c" || third === "b") this.#nodes.push(words);
    else this.#entry(words);
  }

  #entry(words: readonly string[]): void {
    const [, path = "", letter = "", mode = "", owner, group, time = "", size, inode = "", target = ""] = words;
    const type = TYPES[letter];
    if (type === undefined) {
      this.#check.report(`${path} is of the unknown type ${letter}`);
      return;
    }
    const [major, minor] = this.#devices.get(path) ?? [0, 0];
    const attributes = { mode: Number.parseInt(mode, 8), owner: Number(owner), group: Number(group) };
    const modified_s = Math.floor(Number(time));
    this.#check.entry({ path, type, ...attributes, modified_s, size: Number(size), inode, target, major, minor });
  }
}
