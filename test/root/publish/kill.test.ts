import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { endsOf, OF_PUBLISHING, pointsOf } from "../../kills/points.ts";
import { makeSite, project, type Site } from "../../kit.ts";
import { changesOf, document, leftovers, small } from "../small-site.ts";

let site: Site;
afterEach(() => site.remove());

const place = (...names: readonly string[]): string => join(site.state, "published/a", ...names);
const deaths = (): string => join(site.directory, "deaths");

/** Lives until one life comes to its end; what is offered is whole after each. */
function live(only: string): void {
  for (let life = 0; life < 20; life++) {
    const victim = join(project, "test/kills/victim.ts");
    const flags = ["--desired", join(site.directory, "desired"), "--mount-namespace", "/proc/self/ns/mnt"];
    const ran = spawnSync(process.execPath, ["--no-warnings", victim, ...flags, "apply"], {
      env: {
        ...{ ...process.env, ROOTLOOM_STATE: site.state, ROOTLOOM_CACHE: site.cache, NO_COLOR: "1" },
        ...{ KILLS_FILE: deaths(), KILLS_ONLY: only },
      },
      encoding: "utf8",
    });
    if (existsSync(place("current"))) requireWhole();
    if (ran.signal === "SIGKILL") continue;
    expect(ran.status, ran.stdout + ran.stderr).toBe(0);
    return;
  }
  throw new Error("it never ends");
}

function requireWhole(): void {
  expect(readlinkSync(place("current"))).toMatch(/^releases\//);
  execFileSync("sha256sum", ["--check", "--strict", "--quiet", "SHA256SUMS"], { cwd: place("current") });
}

it("a publication that dies by SIGKILL before and after every effect shows nothing half, and converges", () => {
  site = makeSite(small);
  mkdirSync(join(site.state, "published"), { recursive: true });
  writeFileSync(deaths(), "");
  const image = { root: "small", overlays: ["hardware/one"], publish: { directory: place(), keep: 2 } };
  site.commit({ "desired/images/a.yaml": document("Image", "a", image) });
  live("^(step )?publish\\.");
  const points = [...pointsOf(OF_PUBLISHING), ...endsOf(["publish.upload"])];
  expect(readFileSync(deaths(), "utf8").split("\n")).toEqual(expect.arrayContaining(points));
  // Once more, with something that is offered already.
  writeFileSync(deaths(), "");
  site.commit({ "desired/overlays/hardware/one/etc/one.conf": "two\n" });
  live("^publish\\.(place|switch|prune) ");
  const images = readdirSync(place("current")).filter((name) => name.endsWith(".cpio.gz"));
  expect(images).toHaveLength(2);
  expect(readdirSync(place()).sort()).toEqual([".rootloom.json", "current", "releases"]);
  expect(readdirSync(place("releases"))).toHaveLength(1);
  expect([changesOf(site), leftovers(site)]).toEqual([[], []]);
}, 300_000);
