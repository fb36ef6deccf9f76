import { absolutePathFault, hostPathFault, relativePathFault } from "./paths.ts";
import type { MountSpec, RootSpec } from "./types.ts";
import { checkDate, checkLinks, type Report } from "./value-checks.ts";

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

function checkSource({ source }: RootSpec, report: Report): void {
  const { tarball, mmdebstrap } = source;
  if (tarball !== undefined) {
    if (!/^[0-9a-f]{64}$/.test(tarball.sha256)) {
      const message = "cannot use the tarball's sha256: it is not 64 hex digits in lower case";
      report(["source", "tarball", "sha256"], message, "run `sha256sum` on the file");
    }
    const fault = tarballFault(tarball.path);
    if (fault !== undefined) {
      const hint = "write an absolute path, or one relative to the folder of the documents";
      report(["source", "tarball", "path"], `cannot use the tarball \`${tarball.path}\`: ${fault}`, hint);
    }
    checkDate(tarball.sourceDate, ["source", "tarball", "sourceDate"], report);
  }
  for (const field of ["suite", "architecture", "mirror"] as const) {
    const value = mmdebstrap?.[field];
    if (value !== undefined) checkArgument(value, ["source", "mmdebstrap", field], report);
  }
  for (const field of ["include", "components"] as const) {
    for (const [index, value] of (mmdebstrap?.[field] ?? []).entries()) {
      checkArgument(value, ["source", "mmdebstrap", field, index], report);
    }
  }
}

/** A relative one may lead out of the folder by leading `..`: tarballs seldom stand in git. */
function tarballFault(path: string): string | undefined {
  const below = path.replace(/^(\.\.\/)+/, "");
  return hostPathFault(below === "" ? ".." : below);
}

/** These become arguments of a command: none may read as an option or as two. */
function checkArgument(value: string, path: readonly (string | number)[], report: Report): void {
  if (!/^[^-\s,][^\s,]*$/.test(value)) {
    report(path, `cannot use \`${value}\``, "write one word that does not start with a dash");
  }
}

function checkWithoutVolume(spec: RootSpec, report: Report, name: string): void {
  if (spec.source.tarball === undefined) {
    const message = `cannot fill root ${name}: it has no volume`;
    report([], message, "add `volume:`; only a tarball that is just packed needs none");
    return;
  }
  for (const field of ["path", "content", "mounts", "links"] as const) {
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
