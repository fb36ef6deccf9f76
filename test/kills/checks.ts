import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { eventually, fingerprint, type Site } from "../kit.ts";
import { changesOf, imageOf, leftovers } from "../root/small-site.ts";

const run = (file: string, ...words: readonly string[]): string =>
  execFileSync(file, words, { encoding: "utf8", maxBuffer: 1 << 26, stdio: ["ignore", "pipe", "ignore"] });

/** What nobody declared, byte for byte. */
export const bystander = (site: Site): string => fingerprint(join(site.state, "volumes/bystander"));

/** What must hold at every instant, also just after a kill, asked of other tools; empty when all holds. */
export async function wrongNow(site: Site): Promise<readonly string[]> {
  const left = () =>
    run("ps", "-eo", "pid,args")
      .split("\n")
      .filter((line) => line.includes(site.directory));
  await eventually("the end of its children", 10_000, () => (left().length === 0 ? true : undefined)).catch(() => {});
  return [...left().map((line) => `it lives on: ${line}`), ...wrongMounts(site)];
}

/** No mount twice in one place. */
function wrongMounts(site: Site): readonly string[] {
  const targets = mountsOf(site);
  return targets.filter((target, index) => targets.indexOf(target) !== index).map((target) => `stacked: ${target}`);
}

export function mountsOf(site: Site): readonly string[] {
  const all = run("findmnt", "--list", "--noheadings", "--output", "TARGET").split("\n");
  return all.map((line) => line.trim()).filter((target) => target.startsWith(`${site.directory}/`));
}

/** Where there is a current image, it is a whole one of the generation that it says. */
export function wrongImage(site: Site): readonly string[] {
  const directory = join(site.state, "artifacts/a");
  if (!existsSync(join(directory, "current"))) return [];
  const generation = readlinkSync(join(directory, "current"));
  const report = JSON.parse(readFileSync(join(directory, generation, "report.json"), "utf8"));
  const [sha256] = run("sha256sum", imageOf(site)).split(" ");
  if (sha256 !== report.sha256) return [`the current image is ${sha256}, its report says ${report.sha256}`];
  const names = run("sh", "-c", 'gzip -dc "$1" | cpio -it --quiet', "sh", imageOf(site)).trim().split("\n");
  return names.includes("init") ? [] : [`${imageOf(site)} holds ${names.length} names, and no init`];
}

/** What must hold when it converged: nothing to do, nothing half-made, nothing open in the journal. */
export function wrongAtRest(site: Site): readonly string[] {
  const store = new DatabaseSync(join(site.state, "rootloom.db"), { readOnly: true });
  const open = store.prepare("select step_id from steps where ended_at is null").all();
  store.close();
  return [
    ...changesOf(site).map((step) => `it is not at rest: ${step}`),
    ...leftovers(site).map((path) => `left: ${path}`),
    ...open.map((row) => `open in the journal: ${row.step_id}`),
  ];
}
