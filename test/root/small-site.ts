import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type FileTree, fingerprint, fixtures, type Site, sha256Of } from "../kit.ts";

/** A root of two megabytes, and what the tests of bad input and of kills do with it. */
export const tarball = join(fixtures, "busybox-bookworm.tar");

export interface PlannedStep {
  readonly id: string;
  readonly action: string;
  readonly cause: string;
  readonly reason: string;
  readonly destroys: string | null;
  readonly blocked: { readonly condition: string; readonly message: string; readonly hint: string } | null;
}

export interface PlanJson {
  readonly steps: readonly PlannedStep[];
}

/** A document as JSON, which is YAML. */
export function document(kind: string, name: string, spec: object): string {
  return JSON.stringify({ apiVersion: "rootloom/v1", kind, metadata: { name }, spec });
}

export function tarballRoot(extra: object = {}, location = tarball, sha256 = sha256Of(location)): string {
  return document("Root", "small", { volume: "small", source: { tarball: { path: location, sha256 } }, ...extra });
}

/** One volume, one managed root from a tarball, one overlay copied into it, and one image. */
export const small: FileTree = {
  "desired/host.yaml": document("Host", "host", { budget: { jobs: 2 } }),
  "desired/volumes/small.yaml": document("Volume", "small", { backend: "directory" }),
  "desired/roots/small.yaml": tarballRoot(),
  "desired/images/a.yaml": document("Image", "a", { root: "small", overlays: ["hardware/one"] }),
  "desired/overlays/common/init": { text: "#!/bin/busybox sh\necho hello\n", executable: true },
  "desired/overlays/hardware/one/etc/one.conf": "one\n",
  "desired/overlays/hardware/live/opt/tool.conf": "a = 1\n",
  "desired/overlays/hardware/live/opt/other.conf": "c = 3\n",
  "desired/overlays/hardware/live/overlay.yaml": document("Overlay", "hardware/live", {
    into: "root",
    roots: ["small"],
  }),
};

/** The same with a shell in the root, and its provisioning. */
export const provisioned = (provision: object, extra: object = {}): FileTree => ({
  ...small,
  "desired/overlays/hardware/live/bin/sh": { link: "busybox" },
  "desired/roots/small.yaml": provisionedRoot(provision, extra),
});
export const provisionedRoot = (provision: object, extra: object = {}): string =>
  tarballRoot({ provision, mounts: [{ target: "/proc", type: "proc" }], ...extra });

export const rootOf = (site: Site, path = ""): string => join(site.state, "volumes/small/root", path);
export const imageOf = (site: Site, name = "a"): string =>
  join(site.state, "artifacts", name, "current/initramfs.cpio.gz");

/** The steps that would change something: `create volume/small`. */
export function changesOf(site: Site): readonly string[] {
  const plan = site.json<PlanJson>("plan");
  return plan.steps.filter((step) => step.action !== "keep").map((step) => `${step.action} ${step.id}`);
}

/** Everything that a person could lose: volumes and artifacts, byte for byte. */
export function keptOf(site: Site): string {
  const tops = ["volumes", "artifacts"].map((name) => join(site.state, name));
  return tops.map((top) => (existsSync(top) ? fingerprint(top) : `${top} is not there`)).join("\n");
}

/** Names of what a kill or a failure may leave beside: none of them may outlive the next success. */
const TEMPORARY = /^(\.rootloom-|\.build-|\.damaged-|\.check-|\.publish-|\.tmp|build\/.)|~$/;

/** Temporary objects below the state directory; those of the cache, which others may be writing, go by age with `gc`. */
export function leftovers(site: Site): readonly string[] {
  const found: string[] = [];
  const visit = (directory: string, name: string): void => {
    for (const entry of readdirSync(directory, { withFileTypes: true })) {
      const path = join(directory, entry.name);
      const inBuild = name === "build" && directory.endsWith("/.rootloom/build");
      if (TEMPORARY.test(entry.name) || inBuild) found.push(path);
      else if (entry.isDirectory()) visit(path, entry.name);
    }
  };
  if (existsSync(site.state)) visit(site.state, "");
  return found;
}

/** Processes that were started for this site and still live, by their command lines. */
export function processesOf(of: Pick<Site, "directory">): readonly string[] {
  return readdirSync("/proc").flatMap((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return [];
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
      return command.includes(of.directory) ? [`${pid} ${command}`] : [];
    } catch {
      return [];
    }
  });
}
