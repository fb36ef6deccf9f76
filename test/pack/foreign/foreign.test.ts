import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, linkSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import zlib from "node:zlib";
import { beforeAll, describe, expect, it } from "vitest";
import type { Host } from "../../../src/host/ports.ts";
import { createProcesses } from "../../../src/host/real/processes.ts";
import { collectImage } from "../../../src/pack/foreign/collect-image.ts";
import { readImage } from "../../../src/pack/foreign/read-image.ts";
import { context, sha256, temporaryDirectory } from "../workspace.ts";

const host: Pick<Host, "files" | "processes"> = {
  files: context.files,
  processes: createProcesses({ mountNamespace: "/proc/self/ns/mnt" }),
};
const big = randomBytes(700_000);
let directory: string;
let raw: Buffer;
let early: Buffer;

/** A tree packed by GNU cpio, which puts the content of a hard link set behind its last name. */
beforeAll(() => {
  directory = temporaryDirectory();
  const tree = join(directory, "tree");
  mkdirSync(join(tree, "a/b"), { recursive: true });
  writeFileSync(join(tree, "a/b/f"), "hello\n");
  linkSync(join(tree, "a/b/f"), join(tree, "a/g"));
  symlinkSync("b/f", join(tree, "a/l"));
  writeFileSync(join(tree, "big"), big);
  chmodSync(join(tree, "big"), 0o4755);
  raw = archive(tree);
  const firmware = join(directory, "firmware");
  mkdirSync(join(firmware, "kernel"), { recursive: true });
  writeFileSync(join(firmware, "kernel/code"), "microcode");
  early = archive(firmware);
});

function archive(tree: string): Buffer {
  const script = "find . | LC_ALL=C sort | cpio -o -H newc --quiet -R 3:4";
  return execFileSync("sh", ["-c", script], { cwd: tree, maxBuffer: 1 << 26 });
}

function written(...parts: readonly Uint8Array[]): string {
  const file = join(directory, randomBytes(6).toString("hex"));
  writeFileSync(file, Buffer.concat(parts));
  return file;
}

function byTool(bytes: Buffer, tool: string, ...options: readonly string[]): Buffer {
  return execFileSync(tool, ["-c", ...options], {
    input: bytes,
    maxBuffer: 1 << 26,
    stdio: ["pipe", "pipe", "ignore"],
  });
}

const collect = (file: string, limit_bytes?: number) =>
  collectImage(host, file, limit_bytes === undefined ? {} : { limit_bytes });

async function listed(file: string): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const { path, member } of readImage(host, file, { hash: false })) found.push(`${member} ${path}`);
  return found;
}

const forms: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
  cpio: (bytes) => bytes,
  gzip: (bytes) => zlib.gzipSync(bytes),
  zstd: (bytes) => zlib.zstdCompressSync(bytes),
  xz: (bytes) => byTool(bytes, "xz", "--check=crc32"),
};

describe("an initramfs of anybody", () => {
  it.each(Object.keys(forms))("in %s form is read with all attributes, contents and hard links", async (form) => {
    const entries = await collect(written(forms[form]?.(raw) ?? raw));
    expect(entries.map(({ path, type, mode, size }) => `${path} ${type} ${mode.toString(8)} ${size}`)).toEqual([
      " directory 755 0",
      "a directory 755 0",
      "a/b directory 755 0",
      "a/b/f file 644 6",
      "a/g file 644 6",
      "a/l symlink 777 3",
      "big file 4755 700000",
    ]);
    const [, , , first, second, link, large] = entries;
    expect(first).toMatchObject({
      owner: 3,
      group: 4,
      sha256: sha256("hello\n"),
      linkSet: "a/g",
      layer: `member 1 (${form})`,
    });
    expect(second).toMatchObject({ sha256: sha256("hello\n"), linkSet: "a/g" });
    expect(link).toMatchObject({ target: "b/f" });
    expect(large).toMatchObject({ sha256: sha256(big), linkSet: "" });
  });

  it("is read through any order of members, with microcode in front and zeros between", async () => {
    const small = early;
    const parts = [
      early,
      forms.gzip?.(small),
      Buffer.alloc(300),
      forms.xz?.(small),
      forms.zstd?.(raw),
      early,
      forms.xz?.(small),
    ];
    const found = await listed(written(...parts.flatMap((part) => part ?? [])));
    const members = [...new Set(found.map((line) => line.replace(/\).*/, ")")))];
    expect(members).toEqual(["1 (cpio)", "2 (gzip)", "3 (xz)", "4 (zstd)", "5 (cpio)", "6 (xz)"]);
    expect(found.filter((line) => line.endsWith(" kernel/code")).length).toBe(5);
  });

  it("goes on in the next member where an archive has no trailer in the first, as our own have", async () => {
    const end = early.indexOf("070701", early.indexOf("kernel/code"));
    const found = await listed(written(zlib.gzipSync(early.subarray(0, end)), zlib.gzipSync(raw)));
    expect(found).toContain("1 (gzip) kernel/code");
    expect(found).toContain("2 (gzip) big");
  });

  it("holds a path that comes twice as it was last, like the kernel has it", async () => {
    const tree = join(directory, "again");
    mkdirSync(tree);
    writeFileSync(join(tree, "big"), "small now");
    const entries = await collect(written(raw, zlib.gzipSync(archive(tree))));
    expect(entries.find(({ path }) => path === "big")).toMatchObject({ size: 9, layer: "member 2 (gzip)" });
  });

  it("takes ./a//b, /a/b and a/b for one path", async () => {
    const text = raw.toString("latin1").replace("a/b/f\0", "/a/bf\0").replace("a/b/f\0", "/a/bf\0");
    expect(await listed(written(Buffer.from(text, "latin1")))).toContain("1 (cpio) a/bf");
  });
});

describe("a hostile or damaged file", () => {
  const refused = async (file: string, limit_bytes?: number) =>
    collect(file, limit_bytes).then(
      () => "read",
      (thrown: Error) => thrown.message.replace(file, "FILE"),
    );

  it.each<[string, () => Uint8Array, string]>([
    ["nothing", () => Buffer.alloc(0), "it is empty"],
    ["an ELF program", () => Buffer.from("\x7fELF....", "latin1"), "it is an ELF program"],
    ["a squashfs image", () => Buffer.from("hsqs...."), "it is a squashfs image"],
    ["text", () => Buffer.from("hello world"), "it does not begin like an initramfs"],
    [
      "text behind an archive",
      () => Buffer.concat([raw, Buffer.from("hello world")]),
      "something else follows its archives",
    ],
    [
      "text in a member",
      () => zlib.gzipSync(Buffer.concat([raw, Buffer.from("hello world")])),
      "its members hold something that is no archive",
    ],
    ["half an archive", () => raw.subarray(0, 300_000), "it ends in the middle of /"],
    ["half a header", () => raw.subarray(0, 60), "it ends in the middle of a header"],
    [
      "half a gzip member",
      () => zlib.gzipSync(raw).subarray(0, 300_000),
      "a gzip member is damaged: unexpected end of file",
    ],
    [
      "half a zstd frame",
      () => zlib.zstdCompressSync(raw).subarray(0, 300_000),
      "a zstd frame is damaged: it ends too early",
    ],
    ["half an xz stream", () => byTool(raw, "xz").subarray(0, 300_000), "a member in xz form is damaged"],
    [
      "a header with other than digits",
      () => Buffer.from(raw.toString("latin1").replace("070701", "070701z"), "latin1"),
      "a header is damaged",
    ],
    [
      "a type that is none",
      () =>
        Buffer.from(
          raw.toString("latin1").replace(/^(070701.{8})000041ed/i, (_, start: string) => `${start}0000f1ed`),
          "latin1",
        ),
      "/.* is of no known type",
    ],
    [
      "a name of 4 GiB",
      () => Buffer.from(`${raw.toString("latin1", 0, 94)}ffffffff${raw.toString("latin1", 102)}`, "latin1"),
      "a name is empty or longer",
    ],
  ])("%s is refused in a sentence", async (_, bytes, message) => {
    expect(await refused(written(bytes()))).toMatch(new RegExp(`^cannot read FILE: ${message}`));
  });

  it("with a wrong checksum is refused", async () => {
    const bytes = zlib.gzipSync(early);
    bytes[bytes.length - 6] = (bytes[bytes.length - 6] ?? 0) ^ 1;
    expect(await refused(written(bytes))).toBe("cannot read FILE: a gzip member is damaged: its checksum is wrong");
  });

  it("that expands without end is refused at a limit, and never held in memory", async () => {
    const bomb = zlib.gzipSync(Buffer.concat([raw, Buffer.alloc(64 << 20)]));
    expect(await refused(written(bomb), 8 << 20)).toBe(
      "cannot read FILE: decompressed, it would be larger than any machine's memory",
    );
  });

  it("that needs a tool which is not installed says which package has it", async () => {
    const file = written(byTool(early, "xz"));
    const without = { ...host, processes: { ...host.processes, find: () => undefined } };
    await expect(collectImage(without, file, {})).rejects.toMatchObject({ hint: "apt-get install xz-utils" });
  });

  it("is refused or read, but never crashes or hangs, wherever a byte was changed", async () => {
    const whole = [early, zlib.gzipSync(early), zlib.zstdCompressSync(early)];
    for (let seed = 0; seed < 400; seed++) {
      const bytes = Buffer.from(whole[seed % 3] ?? early);
      const place = (seed * 7919) % bytes.length;
      bytes[place] = (bytes[place] ?? 0) ^ (1 << (seed % 8));
      const answer = await refused(written(seed % 2 === 0 ? bytes : bytes.subarray(0, place)));
      expect(answer === "read" || answer.startsWith("cannot read FILE: "), `${seed}: ${answer}`).toBe(true);
    }
  });

  it("leaves nothing running when its reader stops early", async () => {
    const file = written(byTool(raw, "xz"));
    for await (const entry of readImage(host, file, { hash: false })) {
      expect(entry.path).toBe("");
      break;
    }
    const commands = readdirSync("/proc").flatMap((pid) => {
      try {
        return /^\d+$/.test(pid) ? [readFileSync(`/proc/${pid}/cmdline`, "utf8")] : [];
      } catch {
        return [];
      }
    });
    expect(commands.filter((command) => command.includes(file))).toEqual([]);
  });
});
