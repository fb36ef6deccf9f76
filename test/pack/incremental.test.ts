import { randomBytes } from "node:crypto";
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { beforeEach, describe, expect, it } from "vitest";
import type { PackInput } from "../../src/host/jobs.ts";
import type { JobContext } from "../../src/host/ports.ts";
import { jobTable } from "../../src/pack/jobs.ts";
import {
  context,
  fileSha256,
  overlay,
  overlayFile,
  packInput,
  temporaryDirectory,
  treeLayer,
  writeTree,
} from "./workspace.ts";

/** The clock as it is: what just changed is not to be trusted, and nothing of it remembered. `context` remembers all. */
const now: JobContext = { ...context, now_ms: () => Date.now() };
const SEEDS = [1, 2, 3, 4];
const ROUNDS = 12;
const EDITS_IN_ROUND = 40;

/** Mulberry32: the same edits for the same seed. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

type Random = ReturnType<typeof randomOf>;

function filesBelow(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    return entry.isDirectory() ? filesBelow(path) : entry.isFile() ? [path] : [];
  });
}

/** Everything that people and package managers do to a root. */
const EDITS: readonly ((root: string, files: readonly string[], random: Random) => void)[] = [
  (root, _, random) => writeTree(root, { [`usr/lib/d${random(9)}/new${random(99)}`]: "n".repeat(random(200_000)) }),
  (_, files, random) => rmSync(files[random(files.length)]!),
  (root, files, random) => {
    mkdirSync(join(root, "usr/lib/moved"), { recursive: true });
    renameSync(files[random(files.length)]!, join(root, `usr/lib/moved/m${random(50)}`));
  },
  (_, files, random) => chmodSync(files[random(files.length)]!, 0o600 + random(0o200)),
  (_, files, random) => process.getuid?.() === 0 && chownSync(files[random(files.length)]!, random(3), random(3)),
  (root, files, random) => {
    const name = join(root, `usr/lib/link${random(60)}`);
    if (!existsSync(name)) linkSync(files[random(files.length)]!, name);
  },
  (_, files, random) => {
    // The same length, in the same tick as whatever was written before.
    const path = files[random(files.length)]!;
    writeFileSync(path, String(random(10)).repeat(lstatSync(path).size));
  },
  (root, _, random) => {
    const path = join(root, `usr/share/s${random(4)}`);
    const isLink = lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;
    rmSync(path, { recursive: true, force: true });
    if (isLink) writeTree(path, { a: "a", b: String(random(9)) });
    else symlinkSync("../lib", path);
  },
  (root, _, random) => {
    // A directory near the top that has directories in it, or has none any more.
    const path = join(root, random(2) === 0 ? "usr/bin/more" : "srv/more");
    if (existsSync(path)) rmSync(path, { recursive: true });
    else writeTree(path, { a: String(random(9)) });
  },
];

/** Now and then so few that most of the tree stays as it was. */
function edit(root: string, random: Random): void {
  const edits = random(2) === 0 ? EDITS_IN_ROUND : 1 + random(3);
  for (let count = 0; count < edits; count++) {
    const files = filesBelow(join(root, "usr"));
    EDITS[random(EDITS.length)]!(root, files, random);
  }
}

function makeRoot(root: string): void {
  writeTree(root, { init: "#!/bin/sh\n" });
  chmodSync(join(root, "init"), 0o755);
  for (let index = 0; index < 120; index++) {
    writeTree(root, { [`usr/lib/d${index % 9}/f${index}`]: `${index} `.repeat(1 + ((index * 7919) % 40_000)) });
  }
  for (let index = 0; index < 4; index++) writeTree(root, { [`usr/share/s${index}/a`]: "a" });
  for (let index = 0; index < 20; index++) writeTree(root, { [`usr/bin/b${index}`]: "b".repeat(index * 20_000) });
  mkdirSync(join(root, "srv"));
}

/** Writes over the last bytes of a file. */
function writeInto(path: string, text: string): void {
  const descriptor = openSync(path, "r+");
  writeSync(descriptor, text, lstatSync(path).size - 100);
  closeSync(descriptor);
}

/** Paths of the files that this process has open. */
function openFiles(): readonly string[] {
  const opened = readdirSync("/proc/self/fd").map((descriptor) => `/proc/self/fd/${descriptor}`);
  return opened.flatMap((each) => (existsSync(each) ? [readlinkSync(each)] : []));
}

async function packWith(work: string, name: string, input: PackInput, using: JobContext) {
  const [image, manifest] = [join(work, `${name}.img`), join(work, `${name}.manifest`)];
  const packed = await jobTable.pack({ ...input, image, manifest }, using);
  return { ...packed, image, manifest };
}

describe("an image packed again and again", () => {
  for (const seed of SEEDS) {
    it(`is the one packed from nothing, after up to ${ROUNDS * EDITS_IN_ROUND} edits of root and overlay (seed ${seed})`, async () => {
      const random = randomOf(seed);
      const using = seed % 2 === 0 ? now : context;
      const work = temporaryDirectory();
      const root = join(work, "root");
      makeRoot(root);
      const inputOf = (cache: string, text: string) =>
        packInput(join(work, cache), [
          treeLayer(root, undefined),
          overlay("common", [overlayFile(join(work, "store"), "etc/motd", text)]),
        ]);
      let previous: PackInput["previous"];
      for (let round = 0; round < ROUNDS; round++) {
        // Sometimes only the overlay changes, sometimes nothing does.
        if (random(3) > 0) edit(root, random);
        const text = `round ${round - random(2)}`;
        const [layer] = await jobTable.layers(inputOf("warm", text), using);
        const warm = await packWith(work, "warm", { ...inputOf("warm", text), previous, seen: layer?.seen }, using);
        const cold = await packWith(work, "cold", inputOf(`cold-${round}`, text), now);
        expect(warm.sha256).toBe(cold.sha256);
        expect(warm.manifestSha256).toBe(cold.manifestSha256);
        expect(fileSha256(warm.image)).toBe(warm.sha256);
        expect(layer?.digest).toBe(cold.layers[0]?.digest);
        const kept = join(work, "previous.img");
        renameSync(warm.image, kept);
        renameSync(warm.manifest, join(work, "previous.manifest"));
        previous = { image: kept, sha256: warm.sha256, manifest: join(work, "previous.manifest") };
        rmSync(join(work, `cold-${round}`), { recursive: true });
      }
    });
  }

  it("begins with the bytes of the one before, and is read back from its own", async () => {
    const work = temporaryDirectory();
    const root = join(work, "root");
    makeRoot(root);
    const inputOf = (text: string) =>
      packInput(join(work, "cache"), [
        treeLayer(root),
        overlay("common", [overlayFile(join(work, "store"), "a", text)]),
      ]);
    const starts: number[] = [];
    const files: JobContext["files"] = {
      ...context.files,
      openWriter: (path, mode) => {
        const writer = context.files.openWriter(path, mode);
        return {
          ...writer,
          get bytes() {
            return writer.bytes;
          },
          startWith: (other, length_bytes) => {
            starts.push(length_bytes);
            return writer.startWith(other, length_bytes);
          },
        };
      },
    };
    const settled = { ...context, files };
    const place = (name: string) => ({ image: join(work, name), manifest: join(work, `${name}.manifest`) });
    const first = await jobTable.pack({ ...inputOf("one"), ...place("first") }, settled);
    const previous = { image: join(work, "first"), sha256: first.sha256 };
    const second = await jobTable.pack({ ...inputOf("two"), ...place("second"), previous }, settled);
    expect(starts).toEqual([expect.any(Number)]);
    expect(starts[0]).toBeGreaterThan(0);
    expect(second.segmentsReused).toBe(second.segments - 1);
    expect(fileSha256(join(work, "second"))).toBe(second.sha256);
    expect(await jobTable.verify({ ...place("second"), codec: "gzip" }, context)).toMatchObject({ problems: [] });
  });

  describe("where other threads write what stands behind a change", () => {
    let work: string;
    let input: ReturnType<typeof packInput>;
    let log: string[];
    let onPiece: () => void;

    /** A writer whose pieces are written late, by what is in the buffer then; some fail. */
    const late = (fails: boolean): JobContext["files"] => ({
      ...context.files,
      openWriter: (path, mode) => {
        const writer = context.files.openWriter(path, mode);
        let pending = false;
        const alone =
          <A extends readonly unknown[], R>(name: string, call: (...values: A) => R) =>
          (...values: A): R => {
            if (pending) log.push(`${name} meanwhile`);
            return call(...values);
          };
        return {
          ...writer,
          get bytes() {
            return writer.bytes;
          },
          write: alone("write", writer.write),
          close: alone("close", writer.close),
          sync: alone("sync", writer.sync),
          writeLater: alone("writeLater", async (bytes) => {
            pending = true;
            onPiece();
            await setTimeout(3);
            pending = false;
            log.push("written");
            if (fails) throw Object.assign(new Error("no space left"), { code: "ENOSPC" });
            writer.write(bytes);
          }),
        };
      },
    });

    /** Packs once, and then with another content of the first file; `other` writes the first image. */
    const repack = async (files: JobContext["files"], other = files, between: () => void = () => undefined) => {
      const first = await packWith(work, "first", input, { ...context, files: other });
      writeFileSync(join(work, "root/a"), randomBytes(600_000));
      const previous = { image: first.image, sha256: first.sha256 };
      between();
      log = [];
      return packWith(work, "second", { ...input, previous }, { ...context, files });
    };

    beforeEach(() => {
      work = temporaryDirectory();
      const content = (size: number) => randomBytes(size).toString("latin1");
      writeTree(join(work, "root"), { init: "#!/bin/sh\n", a: "first", z: "last" });
      chmodSync(join(work, "root/init"), 0o755);
      for (const name of ["b", "c", "d"]) writeFileSync(join(work, "root", name), content(3_500_000), "latin1");
      input = packInput(join(work, "cache"), [treeLayer(join(work, "root"))]);
      log = [];
      onPiece = () => undefined;
    });

    it("holds the same bytes, each piece behind the one before, and is closed when all are written", async () => {
      const second = await repack(late(false));
      expect(second.segmentsReused).toBeGreaterThan(1);
      expect(log.length).toBeGreaterThan(6);
      expect(new Set(log)).toEqual(new Set(["written"]));
      expect(fileSha256(second.image)).toBe(second.sha256);
      const cold = await packWith(work, "cold", { ...input, cache: join(work, "cold") }, context);
      expect(cold.sha256).toBe(second.sha256);
    });

    it("comes from the image before, where the same thread has written that: the cache is not asked", async () => {
      const noCache = () => rmSync(join(work, "cache/segments"), { recursive: true });
      const second = await repack(late(false), undefined, noCache);
      expect(second.segmentsReused).toBeGreaterThan(1);
      expect(openFiles().filter((path) => path.startsWith(work))).toEqual([]);
      const cold = await packWith(work, "cold", { ...input, cache: join(work, "cold") }, context);
      expect(fileSha256(second.image)).toBe(cold.sha256);
    });

    it.each([
      ["the image before", () => truncateSync(join(work, "first.img"), 0)],
      ["the image before, written in place", () => writeInto(join(work, "first.img"), "other bytes")],
      ["the cache", () => rmSync(join(work, "cache/segments"), { recursive: true })],
    ])("waits for the piece that is being written before it gives up on %s", async (from, change) => {
      onPiece = () => {
        onPiece = () => undefined;
        change();
      };
      const isCache = from === "the cache";
      const second = await repack(late(false), isCache ? { ...context.files } : undefined);
      // It was tried once more, from the cache or from nothing.
      expect(second.segmentsReused).toBe(isCache ? 0 : second.segments);
      expect(new Set(log)).toEqual(new Set(["written"]));
      expect(fileSha256(second.image)).toBe(second.sha256);
      const cold = await packWith(work, "cold", { ...input, cache: join(work, "cold") }, context);
      expect(second.sha256).toBe(cold.sha256);
    });

    it("is refused when the disk runs full, and nothing half written is left", async () => {
      await expect(repack(late(true))).rejects.toMatchObject({ retry: "waiting", condition: "NoSpace" });
      expect(new Set(log)).toEqual(new Set(["written"]));
      expect(readdirSync(work).filter((name) => name.includes("second"))).toEqual([]);
    });
  });

  it("takes nothing from an image that another wrote, or that was replaced", async () => {
    const work = temporaryDirectory();
    const root = join(work, "root");
    makeRoot(root);
    const input = packInput(join(work, "cache"), [treeLayer(root)]);
    const first = await packWith(work, "first", input, context);
    writeFileSync(`${first.image}.other`, "x".repeat(first.size_bytes));
    renameSync(`${first.image}.other`, first.image);
    const previous = { image: first.image, sha256: first.sha256 };
    const second = await packWith(work, "second", { ...input, previous }, context);
    expect(fileSha256(second.image)).toBe(first.sha256);
  });
});
