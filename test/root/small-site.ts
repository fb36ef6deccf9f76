import { join } from "node:path";
import { type FileTree, fixtures, type Site, sha256Of } from "../kit.ts";

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

export const rootOf = (site: Site, path = ""): string => join(site.state, "volumes/small/root", path);
export const imageOf = (site: Site, name = "a"): string =>
  join(site.state, "artifacts", name, "current/initramfs.cpio.gz");

/** The steps that would change something: `create volume/small`. */
export function changesOf(site: Site): readonly string[] {
  const plan = site.json<PlanJson>("plan");
  return plan.steps.filter((step) => step.action !== "keep").map((step) => `${step.action} ${step.id}`);
}
