import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { eventually, makeSite, type Site, sha256Of } from "../kit.ts";
import { changesOf, imageOf, leftovers, processesOf, rootOf, small, tarball, tarballRoot } from "./small-site.ts";

/** How many moments are tried; more, where a fault is looked for: ROOTLOOM_KILLS=40. */
const MOMENTS = Number(process.env.ROOTLOOM_KILLS ?? 6);

let site: Site;
afterEach(() => site.remove());

function applied(...more: readonly string[]): number {
  const begun = performance.now();
  const ran = site.run("apply", ...more);
  expect(ran.exitCode, ran.stdout + ran.stderr).toBe(0);
  return performance.now() - begun;
}

/** Starts an apply and kills it after so many milliseconds, unless it ended before. */
async function killedAfter(duration_ms: number, ...more: readonly string[]): Promise<void> {
  const running = site.start("apply", ...more);
  running.stdout?.resume();
  running.stderr?.resume();
  const ended = new Promise((resolve) => running.once("exit", resolve));
  const timer = setTimeout(() => running.kill("SIGKILL"), duration_ms);
  await ended;
  clearTimeout(timer);
  await eventually("the end of its children", 5_000, () => (processesOf(site).length === 0 ? true : undefined));
}

/** Moments from when the program has loaded to its end, in milliseconds. */
function moments(whole_ms: number): readonly number[] {
  return Array.from({ length: MOMENTS }, (_, index) => whole_ms * (0.15 + (0.85 * (index + 1)) / MOMENTS));
}

function expectWhole(digest: string): void {
  expect(changesOf(site)).toEqual([]);
  expect(leftovers(site)).toEqual([]);
  expect(sha256Of(imageOf(site))).toBe(digest);
  expect(readFileSync(rootOf(site, "opt/tool.conf"), "utf8")).toBe("a = 1\n");
}

describe("kill -9 of an apply at any moment", () => {
  it("of a first converge: the next one makes the rest, leaves nothing temporary and no child, and makes one generation", async () => {
    site = makeSite(small);
    const whole_ms = applied();
    const digest = sha256Of(imageOf(site));
    await site.remove();
    for (const moment_ms of moments(whole_ms)) {
      site = makeSite(small);
      await killedAfter(moment_ms);
      applied();
      expectWhole(digest);
      const generations = readdirSync(join(site.state, "artifacts/a")).filter((name) => /^[0-9a-f]{16}$/.test(name));
      expect(generations.length, `killed after ${moment_ms} ms`).toBe(1);
      await site.remove();
    }
  }, 600_000);

  it("of a replacement: the next one finishes it, and each root that gave way is kept exactly once, with its files", async () => {
    site = makeSite(small);
    applied();
    const digest = sha256Of(imageOf(site));
    const other = join(site.directory, "other.tar");
    writeFileSync(other, Buffer.concat([readFileSync(tarball), Buffer.alloc(10_240)]));
    const kept = join(site.state, "volumes/small/.rootloom/kept");
    const replace = (round: number): void => {
      writeFileSync(rootOf(site, "opt/mine"), `of round ${round}\n`);
      site.commit({ "desired/roots/small.yaml": round % 2 === 0 ? tarballRoot({}, other) : tarballRoot() });
    };
    replace(0);
    const whole_ms = applied("--yes");
    for (const [index, moment_ms] of moments(whole_ms).entries()) {
      replace(index + 1);
      await killedAfter(moment_ms, "--yes");
      applied("--yes");
      expectWhole(digest);
      const mine = readdirSync(kept).flatMap((name) => {
        const file = [join(kept, name, "opt/mine"), join(kept, name, "root/opt/mine")].find((path) => existsSync(path));
        return file === undefined ? [] : [readFileSync(file, "utf8")];
      });
      const rounds = Array.from({ length: index + 2 }, (_, round) => `of round ${round}\n`);
      expect(mine.sort(), `killed after ${moment_ms} ms`).toEqual(rounds.sort());
    }
  }, 600_000);
});
