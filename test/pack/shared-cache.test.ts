import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { jobTable } from "../../src/pack/jobs.ts";
import { sweepSegments } from "../../src/pack/sweep.ts";
import { inputOf, VARIANTS } from "./variants.ts";
import { context, fileSha256, temporaryDirectory, writeTree } from "./workspace.ts";

const child = new URL("./pack-child.ts", import.meta.url).pathname;

let work: string;
let cache: string;
/** Digests of the variants, each packed with a cache of its own. */
let expected: readonly string[];
beforeEach(async () => {
  work = temporaryDirectory();
  cache = join(work, "cache");
  writeTree(join(work, "root"), { init: "#!/bin/sh\n", "etc/hostname": "host\n" });
  chmodSync(join(work, "root/init"), 0o755);
  for (let part = 0; part < 6; part++) {
    mkdirSync(join(work, `root/usr/lib/part-${part}`), { recursive: true });
    writeFileSync(join(work, `root/usr/lib/part-${part}/data`), randomBytes(700_000));
  }
  const packed: string[] = [];
  for (let variant = 0; variant < VARIANTS; variant++) packed.push(await pack(variant, join(work, `own-${variant}`)));
  expected = packed;
});

async function pack(variant: number, withCache: string): Promise<string> {
  const image = join(work, `here-${variant}.img`);
  const { sha256 } = await jobTable.pack(
    { ...inputOf(work, withCache, variant), image, manifest: `${image}.manifest` },
    context,
  );
  expect(fileSha256(image)).toBe(sha256);
  return sha256;
}

function segments(): readonly string[] {
  const folder = join(cache, "segments");
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((path) => path.includes("/"));
}

function start(name: string, runs: number): ChildProcess {
  const words = ["--disable-warning=ExperimentalWarning", child, work, cache, name, String(runs)];
  return spawn(process.execPath, words, { stdio: ["ignore", "pipe", "inherit"] });
}

async function textOf({ stdout }: ChildProcess): Promise<string> {
  let text = "";
  stdout?.setEncoding("latin1").on("data", (part: string) => {
    text += part;
  });
  if (stdout) await once(stdout, "close");
  return text;
}

/** What a packer said of each image, with what it should be. */
function pairs(text: string): readonly (readonly [string | undefined, string | undefined])[] {
  const lines = text.split("\n").filter((line) => line !== "");
  return lines.map((line) => {
    const [variant, sha256] = line.split(" ");
    return [sha256, expected[Number(variant)]] as const;
  });
}

describe("a cache that is shared", () => {
  it("serves two packers at once, while a third takes segments away: each image is the one it would be alone", async () => {
    const packers = [start("one", 12), start("other", 12)];
    const texts = packers.map(textOf);
    const ended = Promise.all(packers.map((packer) => once(packer, "exit")));
    let isBusy = true;
    let removed = 0;
    const removing = (async () => {
      for (; isBusy; await new Promise((resolve) => setTimeout(resolve, 10))) {
        const [path] = segments().filter((name) => !name.endsWith(".partial"));
        if (path === undefined) continue;
        rmSync(join(cache, "segments", path), { force: true });
        removed++;
      }
    })();
    expect(await ended).toEqual([
      [0, null],
      [0, null],
    ]);
    isBusy = false;
    await removing;
    expect(removed).toBeGreaterThan(5);
    for (const text of await Promise.all(texts)) {
      expect(pairs(text).length).toBe(12);
      for (const [sha256, wanted] of pairs(text)) expect(sha256).toBe(wanted);
    }
  });

  it("is as good as before when packers were killed at any moment, and what they left half written is swept", async () => {
    for (let kill = 0; kill < 12; kill++) {
      const packer = start(`killed-${kill}`, 1_000);
      const text = textOf(packer);
      if (packer.stdout) await once(packer.stdout, "data");
      await new Promise((resolve) => setTimeout(resolve, kill * 7));
      packer.kill("SIGKILL");
      await once(packer, "exit");
      for (const [sha256, wanted] of pairs((await text).replace(/[^\n]*$/, ""))) expect(sha256).toBe(wanted);
    }
    for (let variant = 0; variant < VARIANTS; variant++) expect(await pack(variant, cache)).toBe(expected[variant]);
    sweepSegments(context.files, cache, new Set(), 0, Date.now() / 1000 + 1e6);
    expect(segments().filter((path) => path.endsWith(".partial"))).toEqual([]);
  });
});
