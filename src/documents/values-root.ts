import { relativePathFault } from "./paths.ts";
import type { RootSpec } from "./types.ts";
import { checkLinks, type Report } from "./value-checks.ts";
import { checkMount } from "./values-mount.ts";
import { checkProvision } from "./values-provision.ts";
import { checkPackedOnly, checkSource } from "./values-source.ts";

export function checkRoot(spec: RootSpec, report: Report, name: string): void {
  checkSource(spec, report);
  checkLinks(spec.links, report);
  checkProvision(spec.provision, report);
  const fault = spec.path === undefined ? undefined : relativePathFault(spec.path);
  if (fault !== undefined) {
    report(["path"], `cannot use the path \`${spec.path}\`: ${fault}`, "write a folder below the volume, such as root");
  }
  if (spec.path?.split("/")[0] === ".rootloom") {
    report(["path"], "cannot use `.rootloom`: Rootloom keeps its own notes there", "choose another folder");
  }
  if (spec.volume === undefined) checkWithoutVolume(spec, report, name);
  const seen = new Set<string>();
  for (const [index, mount] of (spec.mounts ?? []).entries()) {
    checkMount(mount, index, report);
    if (seen.has(mount.target)) {
      const message = `cannot mount at \`${mount.target}\` twice`;
      report(["mounts", index, "target"], message, "keep one of the two");
    }
    seen.add(mount.target);
  }
}

function checkWithoutVolume(spec: RootSpec, report: Report, name: string): void {
  if (spec.source.tarball === undefined) {
    const message = `cannot fill root ${name}: it has no volume`;
    report([], message, "add `volume:`; only a tarball that is just packed needs none");
    return;
  }
  checkPackedOnly(spec.source.tarball, report);
  for (const field of ["path", "content", "snapshots", "provision", "mounts", "links"] as const) {
    if (spec[field] === undefined) continue;
    const message = `cannot use \`${field}\`: the root has no volume, its tarball is only packed`;
    report([field], message, "add `volume:`, or leave the field out");
  }
}
