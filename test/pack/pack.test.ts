import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  appendFileSync,
  chmodSync,
  closeSync,
  cpSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import type { PackInput } from "../../src/host/jobs.ts";
import type { JobContext } from "../../src/host/ports.ts";
import { jobTable } from "../../src/pack/jobs.ts";
import { sweepSegments } from "../../src/pack/sweep.ts";
import {
  context,
  fileSha256,
  overlay,
  overlayEntry,
  overlayFile,
  packInput,
  temporaryDirectory,
  treeLayer,
  writeTree,
} from "./workspace.ts";

const CONSOLE = overlayEntry("dev/console", { type: "character", mode: 0o600, major: 5, minor: 1 });

/** A small root with one of everything. */
function makeRoot(work: string, name = "root"): string {
  const root = join(work, name);
  writeTree(root, {
    init: "#!/bin/sh\n",
    "etc/hostname": "host\n",
    "etc/empty": "",
    "usr/bin/tool": "tool",
    "odd/with space\nand line": "odd",
    "TRAILER!!!": "not the end",
    "zz/linked": "linked content",
  });
  chmodSync(join(root, "init"), 0o755);
  symlinkSync("usr/bin", join(root, "bin"));
  linkSync(join(root, "zz/linked"), join(root, "etc/linked"));
  linkSync(join(root, "zz/linked"), join(root, "odd/linked"));
  mkdirSync(join(root, "empty"));
  execFileSync("mkfifo", [join(root, "pipe")]);
  writeFileSync(Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0x62, 0xff, 0xfe])]), "name of bytes");
  for (const path of ["", "etc", "odd", "usr", "usr/bin", "zz", "empty"]) utimesSync(join(root, path), 100, 100);
  return root;
}

async function packTo(work: string, name: string, input: PackInput, using: JobContext = context) {
  const image = join(work, `${name}.img`);
  const manifest = join(work, `${name}.manifest`);
  const result = await jobTable.pack({ ...input, image, manifest }, using);
  return { ...result, image, manifest };
}

function unpackCommand(codec: string, image: string): string {
  return `${codec === "zstd" ? "zstd -dc" : codec === "gzip" ? "gzip -dc" : "cat"} '${image}'`;
}

/** Does something each time before a file is read; `reads` counts them. */
function whileRead(file: string, act: (reads: number) => void): typeof context {
  let reads = 0;
  const openTreeReader: typeof context.files.openTreeReader = (treePath, path) => {
    if (path === file) act(++reads);
    return context.files.openTreeReader(treePath, path);
  };
  return { ...context, files: { ...context.files, openTreeReader }, now_ms: () => 0 };
}

describe("an image", () => {
  for (const codec of ["gzip", "zstd", "none"] as const) {
    for (const tool of ["cpio -idm --no-absolute-filenames --quiet", "bsdcpio -idm --quiet"]) {
      it(`compressed by ${codec} is unpacked to the same tree by ${tool.split(" ")[0]}`, async () => {
        const work = temporaryDirectory();
        const root = makeRoot(work);
        const packed = await packTo(
          work,
          codec,
          packInput(join(work, "cache"), [treeLayer(root)], { compression: { codec, level: 3 } }),
        );
        const out = join(work, "out");
        mkdirSync(out);
        execFileSync("sh", ["-c", `${unpackCommand(codec, packed.image)} | (cd '${out}' && ${tool})`], {
          stdio: "pipe",
        });
        expect(execFileSync("diff", ["-r", "--no-dereference", "-x", "pipe", root, out]).toString()).toBe("");
        expect(readlinkSync(join(out, "bin"))).toBe("usr/bin");
        expect(lstatSync(join(out, "pipe")).isFIFO()).toBe(true);
        expect(statSync(join(out, "zz/linked")).nlink).toBe(3);
        expect(statSync(join(out, "etc/linked")).ino).toBe(statSync(join(out, "zz/linked")).ino);
        expect(statSync(join(out, "init")).mode & 0o7777).toBe(0o755);
      });
    }
  }

  it("has the same bytes when it is packed from a copy of the tree with another cache", async () => {
    const work = temporaryDirectory();
    const root = makeRoot(work);
    execFileSync("cp", ["-a", root, join(work, "copy")]);
    const first = await packTo(work, "a", packInput(join(work, "cache-a"), [treeLayer(root)]));
    const second = await packTo(work, "b", packInput(join(work, "cache-b"), [treeLayer(join(work, "copy"))]));
    expect(second.sha256).toBe(first.sha256);
    expect(second.manifestSha256).toBe(first.manifestSha256);
    expect(fileSha256(first.image)).toBe(first.sha256);
  });

  it("is the same whether segments come from the cache or not", async () => {
    const work = temporaryDirectory();
    const root = makeRoot(work);
    for (let index = 0; index < 100; index++) {
      writeTree(root, { [`data/${index % 5}/${index}`]: String(index).repeat(100_000 + index) });
    }
    const warm = join(work, "warm");
    const store = join(work, "store");
    const layers = (text: string) => [treeLayer(root), overlay("common", [overlayFile(store, "etc/motd", text)])];
    const before = await packTo(work, "before", packInput(warm, layers("one")));
    const overlayOnly = await packTo(work, "overlay", packInput(warm, layers("two")));
    expect(before.segments).toBeGreaterThan(3);
    expect(overlayOnly.segmentsReused).toBe(before.segments - 1);
    writeTree(root, { "data/3/new": "new file", "data/1/11": "other content" });
    chmodSync(join(root, "data/2/12"), 0o600);
    const incremental = await packTo(work, "incremental", packInput(warm, layers("two")));
    const cold = await packTo(work, "cold", packInput(join(work, "cold"), layers("two")));
    expect(incremental.segmentsReused).toBeGreaterThan(0);
    expect(cold.segmentsReused).toBe(0);
    expect(incremental.sha256).toBe(cold.sha256);
  });

  it.each(["known", "not read yet"])(
    "does not use a cached segment that was damaged, where contents are %s",
    async (contents) => {
      const work = temporaryDirectory();
      const input = packInput(join(work, "cache"), [treeLayer(makeRoot(work))]);
      const first = await packTo(work, "first", input);
      const [folder] = readdirSync(join(work, "cache/segments"));
      const [name] = readdirSync(join(work, "cache/segments", folder!));
      const descriptor = openSync(join(work, "cache/segments", folder!, name!), "r+");
      writeSync(descriptor, Buffer.from("damage"), 0, 6, 40);
      closeSync(descriptor);
      if (contents === "not read yet") rmSync(join(work, "cache/hashes"), { recursive: true });
      // By another thread, as it were, which remembers nothing of the tree.
      const second = await packTo(work, "second", input, { ...context, files: { ...context.files } });
      expect(second.segmentsReused).toBe(first.segments - 1);
      expect(second.sha256).toBe(first.sha256);
      expect(fileSha256(second.image)).toBe(first.sha256);
    },
  );

  it("does not use a segment that was damaged behind one that is made anew", async () => {
    const work = temporaryDirectory();
    const root = makeRoot(work);
    for (let file = 0; file < 6; file++) writeFileSync(join(root, `usr/large-${file}`), randomBytes(3 << 20));
    const input = packInput(join(work, "cache"), [treeLayer(root)], { compression: { codec: "zstd", level: 1 } });
    await packTo(work, "before", input);
    writeFileSync(join(root, "usr/large-0"), randomBytes(3 << 20));
    const folder = join(work, "cache/segments");
    for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
      const path = join(folder, name);
      if (!statSync(path).isFile()) continue;
      const bytes = readFileSync(path);
      bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
      writeFileSync(path, bytes);
    }
    const repacked = await packTo(work, "repacked", input);
    const anew = await packTo(work, "anew", { ...input, cache: join(work, "other") });
    expect(fileSha256(repacked.image)).toBe(fileSha256(anew.image));
  });

  it("refuses what a large file became on the disk, where that is not what was written", async () => {
    const work = temporaryDirectory();
    const root = makeRoot(work);
    writeFileSync(join(root, "usr/a-large"), randomBytes(17 << 20));
    const openReader: JobContext["files"]["openReader"] = (path) => {
      const reader = context.files.openReader(path);
      if (!reader || !/\/segments\/.*\.partial$/.test(path)) return reader;
      const read: typeof reader.read = (into, position) => {
        const length = reader.read(into, position);
        if (position === 5 << 20) into[7] = (into[7] ?? 0) ^ 1;
        return length;
      };
      return { ...reader, read };
    };
    const faulty = { ...context, files: { ...context.files, openReader } };
    const input = packInput(join(work, "cache"), [treeLayer(root)], { compression: { codec: "none", level: 0 } });
    const [image, manifest] = [join(work, "image"), join(work, "manifest")];
    await expect(jobTable.pack({ ...input, image, manifest }, faulty)).rejects.toThrow("did not read back");
    expect(existsSync(image)).toBe(false);
  });

  it("holds no more than some of what is made behind a large file, and reads the rest from the cache in its turn", async () => {
    const work = temporaryDirectory();
    const root = makeRoot(work);
    const slow = randomBytes(20 << 20).map((byte) => byte & 7);
    writeFileSync(join(root, "usr/a-large"), slow);
    for (let file = 0; file < 14; file++) writeFileSync(join(root, `usr/b-${file}`), randomBytes(2 << 20));
    let readers = 0;
    const openReader: JobContext["files"]["openReader"] = (path) => {
      const reader = context.files.openReader(path);
      if (reader && path.includes("/segments/") && !path.endsWith(".partial")) readers++;
      return reader;
    };
    const counting = { ...context, files: { ...context.files, openReader } };
    const input = packInput(join(work, "cache"), [treeLayer(root)]);
    const [image, manifest] = [join(work, "image"), join(work, "manifest")];
    const packed = await jobTable.pack({ ...input, image, manifest }, counting);
    expect(readers).toBeGreaterThan(1); // the large one itself is read once
    const again = await packTo(work, "again", { ...input, cache: join(work, "other") });
    expect(fileSha256(image)).toBe(again.sha256);
    expect(packed.sha256).toBe(again.sha256);
    expect(gunzipSync(readFileSync(image)).includes(readFileSync(join(root, "usr/b-13")))).toBe(true);
  });

  it("begins one large file beside small ones that stand before it, and another when that is made", async () => {
    const work = temporaryDirectory();
    const root = makeRoot(work);
    for (let file = 0; file < 30; file++) writeFileSync(join(root, `usr/b-${file}`), randomBytes(2 << 20));
    for (const name of ["usr/z-1", "usr/z-2"]) writeFileSync(join(root, name), randomBytes(17 << 20));
    const read: string[] = [];
    const openTreeReader: JobContext["files"]["openTreeReader"] = (tree, path) => {
      if (!read.includes(path)) read.push(path);
      return context.files.openTreeReader(tree, path);
    };
    const watching = { ...context, files: { ...context.files, openTreeReader } };
    const input = packInput(join(work, "cache"), [treeLayer(root)], { compression: { codec: "gzip", level: 1 } });
    const [image, manifest] = [join(work, "image"), join(work, "manifest")];
    await jobTable.pack({ ...input, image, manifest }, watching);
    const [first, second] = ["usr/z-1", "usr/z-2"].map((name) => read.indexOf(name));
    const small = read.findLastIndex((path) => path.startsWith("usr/b-"));
    expect(first).toBeLessThan(3);
    expect(second).toBeGreaterThan(first ?? 0);
    expect(second).toBeLessThan(small);
    expect(fileSha256(image)).toBe((await packTo(work, "again", { ...input, cache: join(work, "other") })).sha256);
  });

  it("begins nothing more when it is cancelled, whether segments are made or found, and leaves no image", async () => {
    const work = temporaryDirectory();
    const root = makeRoot(work);
    for (let file = 0; file < 30; file++) writeFileSync(join(root, `usr/b-${file}`), randomBytes(2 << 20));
    const input = packInput(join(work, "cache"), [treeLayer(root)], { compression: { codec: "gzip", level: 1 } });
    const [image, manifest] = [join(work, "image"), join(work, "manifest")];
    let [reads, readsBefore] = [0, 0];
    const count = <T>(opened: T): T => {
      reads++;
      return opened;
    };
    const files: JobContext["files"] = {
      ...context.files,
      openTreeReader: (tree, path) => count(context.files.openTreeReader(tree, path)),
      openReader: (path) =>
        path.includes("/segments/") ? count(context.files.openReader(path)) : context.files.openReader(path),
    };
    const stops = async (given: Partial<JobContext>) => {
      await expect(jobTable.pack({ ...input, image, manifest }, { ...context, files, ...given })).rejects.toThrow(
        "cancelled",
      );
      expect(existsSync(image)).toBe(false);
    };
    await stops({ progress: () => (readsBefore = reads), cancelled: () => readsBefore > 0 });
    expect([reads, reads < 30]).toEqual([readsBefore, true]); // there are more than 30 files
    const { segments } = await packTo(work, "whole", input);
    reads = 0;
    // Each is looked up first, and read when it is its turn.
    await stops({ cancelled: () => reads === segments + 4 });
    expect(reads).toBe(segments + 4);
  });

  it("keeps excluded contents out and the directory in, and does not change with them", async () => {
    const work = temporaryDirectory();
    const root = makeRoot(work);
    writeTree(root, { "tmp/a": "a", "usr/src/linux/x": "x", "usr/include/sys/types.h": "t", "sys/kernel": "k" });
    const input = packInput(join(work, "cache"), [treeLayer(root, undefined)], {
      excludes: ["tmp/*", "usr/src", "sys/*"],
    });
    const [before] = await jobTable.layers(input, context);
    const packed = await packTo(work, "image", input);
    const names = execFileSync("sh", ["-c", `zcat '${packed.image}' | cpio -it --quiet`])
      .toString()
      .split("\n");
    expect(names).toEqual(expect.arrayContaining(["tmp", "sys", "usr/include/sys/types.h"]));
    expect(names.filter((name) => /^(tmp|sys|usr\/src)\b/.test(name))).toEqual(["sys", "tmp"]);
    writeTree(root, { "tmp/b": "b" });
    expect((await jobTable.layers(input, context))[0]?.digest).toBe(before?.digest);
    writeTree(root, { "etc/hostname": "other\n" });
    expect((await jobTable.layers(input, context))[0]?.digest).not.toBe(before?.digest);
  });

  it("holds the image's own nodes, in a directory made for them", async () => {
    const work = temporaryDirectory();
    const packed = await packTo(
      work,
      "image",
      packInput(join(work, "cache"), [treeLayer(makeRoot(work))], { nodes: [CONSOLE] }),
    );
    const listing = execFileSync("sh", ["-c", `zcat '${packed.image}' | cpio -itv --quiet`]).toString();
    expect(listing).toMatch(/^crw-------\s+1 root\s+root\s+5,\s+1 .* dev\/console$/m);
    expect(listing.indexOf(" dev\n")).toBeLessThan(listing.indexOf(" dev/console"));
  });

  it("streams a file that is larger than a segment", async () => {
    const work = temporaryDirectory();
    const root = makeRoot(work);
    writeTree(root, { "large/file": "" });
    truncateSync(join(root, "large/file"), 40_000_001);
    for (const codec of ["gzip", "zstd", "none"] as const) {
      const input = packInput(join(work, "cache"), [treeLayer(root)], { compression: { codec, level: 1 } });
      const packed = await packTo(work, codec, input);
      expect(await jobTable.verify({ image: packed.image, manifest: packed.manifest, codec }, context)).toEqual({
        entries: packed.entries,
        problems: [],
      });
    }
  });

  it.runIf(process.getuid?.() === 0)("names the files whose capabilities it loses", async () => {
    const work = temporaryDirectory();
    const root = makeRoot(work);
    const capability =
      "import os,sys; os.setxattr(sys.argv[1], 'security.capability', bytes.fromhex('0100000200200000000000000000000000000000'))";
    execFileSync("python3", ["-c", capability, join(root, "usr/bin/tool")]);
    const { notes } = await packTo(work, "image", packInput(join(work, "cache"), [treeLayer(root)]));
    expect(notes[0]).toMatch(/^file capabilities are lost .*: \/usr\/bin\/tool$/);
  });

  it("leaves out sockets and says so", async () => {
    const work = temporaryDirectory();
    const root = makeRoot(work);
    const server = createServer().listen(join(root, "socket"));
    await new Promise((resolve) => server.once("listening", resolve));
    const packed = await packTo(work, "image", packInput(join(work, "cache"), [treeLayer(root)]));
    await new Promise((resolve) => server.close(resolve));
    expect(packed.notes).toContain("sockets are left out: /socket");
  });
});

describe("packing is refused", () => {
  const refusals: readonly [string, (work: string) => PackInput, object][] = [
    [
      "for an empty root",
      (work) => {
        mkdirSync(join(work, "root"));
        return packInput(join(work, "cache"), [treeLayer(join(work, "root"))], { nodes: [CONSOLE] });
      },
      { message: "cannot pack: the root is empty", retry: "waiting", condition: "RootEmpty" },
    ],
    [
      "when the excludes leave nothing",
      (work) => packInput(join(work, "cache"), [treeLayer(makeRoot(work))], { excludes: ["*"] }),
      { message: "cannot pack: the root is empty" },
    ],
    [
      "when the tree is not there",
      (work) => packInput(join(work, "cache"), [treeLayer(join(work, "nothing"))]),
      { retry: "waiting", condition: "TreeMissing" },
    ],
    [
      "without an init",
      (work) => packInput(join(work, "cache"), [treeLayer(makeRoot(work))], { init: "/sbin/init" }),
      { message: "cannot pack: /sbin/init, which the kernel starts, is missing" },
    ],
    [
      "with an init that is not executable",
      (work) => packInput(join(work, "cache"), [treeLayer(makeRoot(work))], { init: "/etc/hostname" }),
      { message: "cannot pack: /etc/hostname, which the kernel starts, is not executable" },
    ],
  ];
  for (const [name, make, error] of refusals) {
    it(name, async () => {
      const work = temporaryDirectory();
      await expect(packTo(work, "image", make(work))).rejects.toMatchObject(error);
      expect(existsSync(join(work, "image.img"))).toBe(false);
    });
  }

  it("but not when init is reached through absolute and relative symlinks", async () => {
    const work = temporaryDirectory();
    const root = makeRoot(work);
    writeTree(root, { "usr/lib/systemd/systemd": "elf" });
    chmodSync(join(root, "usr/lib/systemd/systemd"), 0o755);
    mkdirSync(join(root, "usr/sbin"));
    symlinkSync("usr/sbin", join(root, "sbin"));
    symlinkSync("../lib/systemd/systemd", join(root, "usr/sbin/init"));
    symlinkSync("/sbin/init", join(root, "start"));
    const packed = await packTo(work, "image", packInput(join(work, "cache"), [treeLayer(root)], { init: "/start" }));
    expect(packed.entries).toBeGreaterThan(10);
  });

  it("when too little space is free, with both figures", async () => {
    const work = temporaryDirectory();
    const files = { ...context.files, freeSpace_bytes: () => 1 << 20 };
    const packing = packTo(work, "image", packInput(join(work, "cache"), [treeLayer(makeRoot(work))]), {
      ...context,
      files,
    });
    await expect(packing).rejects.toMatchObject({
      message: expect.stringMatching(/has 1\.0 MiB free, about .* MiB are needed/),
      retry: "waiting",
      condition: "NoSpace",
    });
  });

  it("when the disk runs full, and nothing half written is left", async () => {
    const work = temporaryDirectory();
    const files = {
      ...context.files,
      openWriter: (path: string, mode: number) => {
        const writer = context.files.openWriter(path, mode);
        if (!path.includes(".img")) return writer;
        const write = () => {
          throw Object.assign(new Error("no space left"), { code: "ENOSPC" });
        };
        return { ...writer, write, bytes: 0 };
      },
    };
    const packing = packTo(work, "image", packInput(join(work, "cache"), [treeLayer(makeRoot(work))]), {
      ...context,
      files,
    });
    await expect(packing).rejects.toMatchObject({ retry: "waiting", condition: "NoSpace" });
    expect(readdirSync(work).sort()).toEqual(["cache", "root"]);
  });

  it("as transient when an image packed from nothing does not read back, and nothing is left of it", async () => {
    const work = temporaryDirectory();
    const openReader: typeof context.files.openReader = (path) => {
      const reader = context.files.openReader(path);
      if (!reader || !path.includes(".img")) return reader;
      const read: typeof reader.read = (into, position) => {
        const bytes = reader.read(into, position);
        if (bytes > 0) into[bytes - 1] = (into[bytes - 1] ?? 0) ^ 1;
        return bytes;
      };
      return { ...reader, read };
    };
    const packing = packTo(work, "image", packInput(join(work, "cache"), [treeLayer(makeRoot(work))]), {
      ...context,
      files: { ...context.files, openReader },
    });
    await expect(packing).rejects.toMatchObject({
      message: expect.stringContaining("did not read back as it was written"),
      retry: "transient",
    });
    expect(readdirSync(work).sort()).toEqual(["cache", "root"]);
  });

  it("as transient when a file keeps changing while it is read", async () => {
    const work = temporaryDirectory();
    const root = makeRoot(work);
    const changing = whileRead("etc/hostname", (reads) => writeFileSync(join(root, "etc/hostname"), "x".repeat(reads)));
    const packing = packTo(work, "image", packInput(join(work, "cache"), [treeLayer(root)]), changing);
    await expect(packing).rejects.toMatchObject({
      message: expect.stringContaining("/etc/hostname"),
      retry: "transient",
    });
  });
});

describe("a file that changes once while it is read", () => {
  it("is noticed and read again: the image holds what it is now", async () => {
    const work = temporaryDirectory();
    const root = makeRoot(work);
    let reads = 0;
    const changing = whileRead("etc/hostname", (number) => {
      reads = number;
      if (reads === 1) writeFileSync(join(root, "etc/hostname"), "what it is now");
    });
    const input = packInput(join(work, "cache"), [treeLayer(root)], { compression: { codec: "none", level: 0 } });
    const packed = await packTo(work, "image", input, changing);
    expect(reads).toBeGreaterThan(1);
    expect(readFileSync(packed.image, "latin1")).toContain("what it is now");
  });
});

describe("verify", () => {
  async function packed() {
    const work = temporaryDirectory();
    const input = packInput(join(work, "cache"), [treeLayer(makeRoot(work))], {
      compression: { codec: "none", level: 0 },
    });
    return packTo(work, "image", input);
  }

  it("finds one changed byte of content", async () => {
    const { image, manifest } = await packed();
    const bytes = readFileSync(image);
    bytes[bytes.indexOf("linked content")] = 0x4c;
    writeFileSync(image, bytes);
    const { problems } = await jobTable.verify({ image, manifest, codec: "none" }, context);
    expect(problems).toEqual(["/zz/linked: its content differs"]);
  });

  it("finds a cut image", async () => {
    const { image, manifest } = await packed();
    truncateSync(image, statSync(image).size - 200);
    const { problems } = await jobTable.verify({ image, manifest, codec: "none" }, context);
    expect(problems).toContain("it ends without a trailer");
  });

  it("finds an image that does not belong to the manifest", async () => {
    const { manifest } = await packed();
    const work = temporaryDirectory();
    const root = makeRoot(work);
    chmodSync(join(root, "etc/hostname"), 0o600);
    const other = await packTo(work, "other", packInput(join(work, "cache"), [treeLayer(root)]));
    const { problems } = await jobTable.verify({ image: other.image, manifest, codec: "gzip" }, context);
    expect(problems).toEqual(["/etc/hostname: mode is 33152, 33188 in the manifest"]);
  });
});

describe("drift of a recorded tree", () => {
  it("is nothing when nothing changed, and names each change otherwise", async () => {
    const work = temporaryDirectory();
    const root = makeRoot(work);
    cpSync(join(root, "etc/hostname"), join(root, "laid"));
    const place = { path: root, identity: "test", cache: join(work, "cache"), leaveOut: ["laid"] };
    const input = { ...place, manifest: join(work, "record") };
    const recorded = await jobTable.record(input, context);
    expect(recorded.entries).toBeGreaterThan(15);
    expect(await jobTable.drift(input, context)).toEqual({ count: 0, paths: [] });
    writeTree(root, { laid: "changed", "etc/hostname": "HOST\n", "etc/new": "" });
    chmodSync(join(root, "init"), 0o700);
    execFileSync("rm", [join(root, "pipe")]);
    expect(await jobTable.drift(input, context)).toEqual({
      count: 4,
      paths: [
        { path: "etc/hostname", change: "changed", what: "content" },
        { path: "etc/new", change: "added", what: "file" },
        { path: "init", change: "changed", what: "mode 755, now 700" },
        { path: "pipe", change: "removed", what: "fifo" },
      ],
    });
  });
});

describe("difference", () => {
  it("tells what an image would gain, lose and change", async () => {
    const work = temporaryDirectory();
    const root = makeRoot(work);
    const store = join(work, "store");
    const input = packInput(join(work, "cache"), [treeLayer(root)]);
    const { manifest } = await packTo(work, "image", input);
    const changed = overlay(
      "common",
      [overlayFile(store, "bin/tool", "better"), overlayFile(store, "new", "n")],
      ["pipe"],
    );
    const now = { ...input, layers: [treeLayer(root), changed], manifest };
    const difference = await jobTable.difference(now, context);
    expect(difference).toEqual({
      added: 1,
      removed: 1,
      changed: 1,
      lines: ["+ /new", "- /pipe", "~ /usr/bin/tool (content, time)"],
    });
    // Who has not written the manifest reads it, and so does who has, once somebody else wrote into it.
    const another = { ...context, files: { ...context.files } };
    expect(await jobTable.difference(now, another)).toEqual(difference);
    appendFileSync(manifest, "more\n");
    await expect(jobTable.difference(now, context)).rejects.toThrow("it goes on behind its last line");
  });
});

describe("the segment cache", () => {
  it("is swept: the oldest segments above the limit go, those in use and young partial files stay", () => {
    const cache = temporaryDirectory();
    writeTree(cache, {
      "segments/aa/old": "",
      "segments/aa/used": "",
      "segments/bb/new": "",
      "segments/bb/x.partial": "",
    });
    const path = (name: string) => join(cache, "segments", name);
    for (const name of ["aa/old", "aa/used", "bb/new"]) truncateSync(path(name), 2 ** 31);
    utimesSync(path("aa/old"), 100, 100);
    utimesSync(path("aa/used"), 50, 50);
    utimesSync(path("bb/x.partial"), 90_000, 90_000);
    sweepSegments(context.files, cache, new Set([path("aa/used")]), 1, 100_000);
    expect([...readdirSync(path("aa")), ...readdirSync(path("bb"))]).toEqual(["used", "new", "x.partial"]);
    sweepSegments(context.files, cache, new Set(), 1, 200_000);
    expect([...readdirSync(path("aa")), ...readdirSync(path("bb"))]).toEqual(["used", "new"]);
  });
});

describe("the hash of a file", () => {
  it("is read again when the file changes, and undefined when there is none", async () => {
    const work = temporaryDirectory();
    const input = { path: join(work, "file"), cache: join(work, "cache"), trustCache: true };
    expect(await jobTable.hash(input, context)).toBeUndefined();
    writeTree(work, { file: "one" });
    const first = await jobTable.hash(input, context);
    expect(await jobTable.hash(input, context)).toEqual(first);
    writeTree(work, { file: "two" });
    expect((await jobTable.hash(input, context))?.sha256).not.toBe(first?.sha256);
  });

  it("is not kept for a file that changed within two seconds of its reading", async () => {
    const work = temporaryDirectory();
    writeTree(work, { file: "one" });
    const young = { ...context, now_ms: () => statSync(join(work, "file")).ctimeMs + 500 };
    await jobTable.hash({ path: join(work, "file"), cache: join(work, "cache"), trustCache: true }, young);
    expect(existsSync(join(work, "cache/hashes/files"))).toBe(false);
    await jobTable.hash({ path: join(work, "file"), cache: join(work, "cache"), trustCache: true }, context);
    expect(existsSync(join(work, "cache/hashes/files"))).toBe(true);
  });
});
