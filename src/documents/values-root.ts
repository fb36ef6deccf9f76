import { absolutePathFault, relativePathFault } from "./paths.ts";
import type { MountSpec, RootSpec } from "./types.ts";
import { checkLinks, type Report } from "./value-checks.ts";
import { checkPackedOnly, checkSource } from "./values-source.ts";

export function checkRoot(spec: RootSpec, report: Report, name: string): void {
  checkSource(spec, report);
  checkLinks(spec.links, report);
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
  for (const field of ["path", "content", "snapshots", "mounts", "links"] as const) {
    if (spec[field] === undefined) continue;
    const message = `cannot use \`${field}\`: the root has no volume, its tarball is only packed`;
    report([field], message, "add `volume:`, or leave the field out");
  }
}

function checkMount(mount: MountSpec, index: number, report: Report): void {
  const at = (...path: readonly (string | number)[]): readonly (string | number)[] => ["mounts", index, ...path];
  const fault = absolutePathFault(mount.target);
  if (fault !== undefined) {
    const hint = "write an absolute path inside the root, such as /proc";
    report(at("target"), `cannot mount at \`${mount.target}\`: ${fault}`, hint);
  }
  if (/^\/\.rootloom(\/|$)/.test(mount.target)) {
    report(at("target"), "cannot mount at `/.rootloom`: Rootloom keeps its own notes there", "choose another folder");
  }
  for (const [option, text] of (mount.options ?? []).entries()) {
    if (/[\s,\u0000-\u001f]/.test(text)) {
      report(at("options", option), `cannot use the option \`${text}\``, "write one option an item, without spaces");
    }
  }
  const binds = mount.type === "bind" || mount.type === "rbind";
  if (!binds && mount.volume !== undefined) {
    report(at("volume"), `cannot mount a volume as ${mount.type}`, "use type bind, or leave `volume` out");
  }
  if (!binds && mount.source !== undefined) {
    report(at("source"), `cannot use a source: ${mount.type} has none`, "leave `source` out");
  }
  if (!binds) return;
  if ((mount.source === undefined) === (mount.volume === undefined)) {
    const why = mount.source === undefined ? "nothing is named" : "two things are named";
    report(at(), `cannot mount a ${mount.type} at \`${mount.target}\`: ${why}`, "write either `source` or `volume`");
  }
  // The top of the host is a legal source of a bind, if a bold one.
  const sourceFault = mount.source === undefined || mount.source === "/" ? undefined : absolutePathFault(mount.source);
  if (sourceFault !== undefined) {
    report(at("source"), `cannot bind \`${mount.source}\`: ${sourceFault}`, "write an absolute path on the host");
  }
}
