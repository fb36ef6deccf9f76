import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { project, type Site } from "../kit.ts";

/** A filesystem that shares blocks, in a file, mounted where the state's volumes are; returns how to take it away. */
export function sharingVolumes(site: Site, type: "btrfs" | "xfs"): () => void {
  const image = join(site.directory, `${type}.img`);
  const place = join(site.state, "volumes");
  writeFileSync(image, "");
  truncateSync(image, 1024 * 2 ** 20);
  execFileSync(`mkfs.${type}`, ["-q", image]);
  mkdirSync(place, { recursive: true });
  execFileSync("mount", ["-o", "loop", image, place]);
  return () => {
    execFileSync("umount", [place]);
  };
}

/** Runs a command that dies at each matching point of its journal once, until one lives to its end: that one mends what the last left. */
export function dieUntilDone(site: Site, deaths: string, only: string, ...words: readonly string[]): void {
  for (let life = 0; life < 40; life++) if (liveOnce(site, deaths, only, ...words) === "done") return;
  throw new Error(`${words.join(" ")} never ends`);
}

/** Runs a command that dies at the first matching point of its journal that is not in the file of deaths. */
export function liveOnce(site: Site, deaths: string, only: string, ...words: readonly string[]): "killed" | "done" {
  const flags = ["--desired", join(site.directory, "desired"), "--mount-namespace", "/proc/self/ns/mnt"];
  const victim = ["--no-warnings", join(project, "test/kills/victim.ts")];
  const places = { ROOTLOOM_STATE: site.state, ROOTLOOM_CACHE: site.cache, KILLS_FILE: deaths, KILLS_ONLY: only };
  const ran = spawnSync(process.execPath, [...victim, ...flags, ...words], {
    env: { ...process.env, ...places },
    encoding: "utf8",
  });
  if (ran.signal === "SIGKILL") return "killed";
  if (ran.status === 0) return "done";
  throw new Error(`${words.join(" ")}: ${ran.status}: ${ran.stdout}${ran.stderr}`);
}
