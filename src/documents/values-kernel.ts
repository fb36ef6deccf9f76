import { hostPathFault, relativePathFault } from "./paths.ts";
import type { KernelConfigSpec } from "./types.ts";
import { checkDate, checkSize, type Path, type Report } from "./value-checks.ts";
import { checkGuest, checkRetention } from "./values-boot.ts";
import { checkPublish } from "./values-publish.ts";
import { checkTarball } from "./values-source.ts";

/** The files and symbols of a kernel, and how it is built. */
export function checkKernelConfig(spec: KernelConfigSpec, report: Report): void {
  checkSymbols(spec, report);
  checkDate(spec.sourceDate, ["sourceDate"], report);
  checkSize(spec.maxSize, ["maxSize"], report);
  checkRetention(spec, report);
  checkPublish(spec.publish, report);
  if (spec.check?.boot !== undefined) checkGuest(spec.check.boot, report);
  if (spec.source === undefined) checkUnbuilt(spec, report);
  else checkSource(spec, spec.source, report);
}

function checkSymbols(spec: KernelConfigSpec, report: Report): void {
  for (const [index, file] of [spec.config, ...(spec.fragments ?? [])].entries()) {
    const fault = relativePathFault(file);
    const path: Path = index === 0 ? ["config"] : ["fragments", index - 1];
    if (fault !== undefined) report(path, `cannot read \`${file}\`: ${fault}`, "name a file beside the document");
  }
  for (const [symbol, value] of Object.entries(spec.require ?? {})) {
    if (!/^[A-Z0-9_a-z]+$/.test(symbol) || symbol.startsWith("CONFIG_")) {
      const hint = "write it without CONFIG_, such as `RD_GZIP: y`";
      report(["require", symbol], `cannot require \`${symbol.slice(0, 100)}\`: it is no symbol`, hint);
    }
    if (typeof value === "string" && value.includes("\n")) {
      report(["require", symbol], `cannot require \`${symbol}\`: its value has several lines`, "write one line");
    }
  }
}

const OF_BUILDS = [
  "needs",
  "patches",
  "target",
  "initramfs",
  "buildIn",
  "modules",
  "maxSize",
  "check",
  "publish",
  "sourceDate",
  "retention",
  "protect",
  "onDelete",
] as const;

/** Without a source there is nothing that these could be about. */
function checkUnbuilt(spec: KernelConfigSpec, report: Report): void {
  for (const field of OF_BUILDS) {
    if (spec[field] === undefined) continue;
    report([field], `cannot use \`${field}\`: the kernel has no source and is not built`, "add `source:`");
  }
}

const PACKAGE = /^[a-z0-9][a-z0-9.+-]+$/;
const VERSION = /^[0-9][A-Za-z0-9.+:~-]*$/;

function checkSource(spec: KernelConfigSpec, source: NonNullable<KernelConfigSpec["source"]>, report: Report): void {
  const { directory, volume, tarball } = source;
  const given = Object.keys(source);
  if (given.length !== 1) {
    const why = given.length === 0 ? "none is declared" : `${given.join(" and ")} are both declared`;
    report(
      ["source"],
      `cannot find the kernel's source: ${why}`,
      "write one of directory, volume, tarball and package",
    );
  }
  const fault =
    directory === undefined ? undefined : directory.startsWith("/") ? hostPathFault(directory) : "it is not absolute";
  if (fault !== undefined)
    report(["source", "directory"], `cannot use the source \`${directory}\`: ${fault}`, "write an absolute path");
  const inside = volume?.path === undefined ? undefined : relativePathFault(volume.path);
  if (inside !== undefined)
    report(
      ["source", "volume", "path"],
      `cannot use the source \`${volume?.path}\`: ${inside}`,
      "write a folder in the volume",
    );
  if (tarball !== undefined) checkTarball(tarball, report);
  if (source.package !== undefined) checkPackage(source.package, report);
  checkPatches(spec, source, report);
}

function checkPackage({ name, version }: { readonly name: string; readonly version?: string }, report: Report): void {
  const at = (field: string): Path => ["source", "package", field];
  if (!PACKAGE.test(name))
    report(at("name"), `cannot fetch \`${name}\`: it is no name of a package`, "such as linux-source-6.1");
  if (version !== undefined && !VERSION.test(version))
    report(at("version"), `cannot fetch version \`${version}\`: it is none`, "write it as `apt-cache policy` shows it");
}

/** A source of somebody else's is only read. */
function checkPatches(
  { patches = [] }: KernelConfigSpec,
  { directory, volume }: object & NonNullable<KernelConfigSpec["source"]>,
  report: Report,
): void {
  if (patches.length > 0 && (directory !== undefined || volume !== undefined)) {
    const hint = "name a tarball or a package as source, or patch the directory by hand";
    report(["patches"], "cannot patch a source that is only read", hint);
  }
  for (const [index, path] of patches.entries()) {
    const fault = relativePathFault(path);
    if (fault !== undefined)
      report(
        ["patches", index],
        `cannot use the patch \`${path}\`: ${fault}`,
        "write a path below the folder of the documents",
      );
  }
}
