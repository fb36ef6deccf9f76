import { absolutePathFault, relativePathFault } from "./paths.ts";
import type { MountSpec } from "./types.ts";
import { checkAttributes, type Path, type Report } from "./value-checks.ts";

/** One mount of a root. */
export function checkMount(mount: MountSpec, index: number, report: Report): void {
  const at = (...path: Path): Path => ["mounts", index, ...path];
  const fault = absolutePathFault(mount.target);
  if (fault !== undefined) {
    const hint = "write an absolute path inside the root, such as /proc";
    report(at("target"), `cannot mount at \`${mount.target}\`: ${fault}`, hint);
  }
  if (/^\/\.rootloom(\/|$)/.test(mount.target)) {
    report(at("target"), "cannot mount at `/.rootloom`: Rootloom keeps its own notes there", "choose another folder");
  }
  const isImage = mount.type === "squashfs" || mount.type === "erofs";
  for (const [option, text] of (mount.options ?? []).entries()) {
    if (/[\s,\u0000-\u001f]/.test(text)) {
      report(at("options", option), `cannot use the option \`${text}\``, "write one option an item, without spaces");
    }
    if (isImage && text === "rw") {
      const hint = `leave it out; to write there, bind the volume instead`;
      report(at("options", option), `cannot mount a ${mount.type} read-write`, hint);
    }
  }
  checkSource(mount, at, report);
  checkFolder(mount, at, report);
}

/** What may be named as the source of each type. */
const SOURCES: Readonly<Record<string, readonly ("source" | "volume" | "image")[]>> = {
  bind: ["source", "volume", "image"],
  rbind: ["source", "volume"],
  squashfs: ["source", "image"],
  erofs: ["source", "image"],
};

function checkSource(mount: MountSpec, at: (...path: Path) => Path, report: Report): void {
  const { type, target, source } = mount;
  const allowed = SOURCES[type] ?? [];
  const named = (["source", "volume", "image"] as const).filter((field) => mount[field] !== undefined);
  for (const field of named) {
    if (allowed.includes(field)) continue;
    const what = field === "source" ? "a source" : field === "volume" ? "a volume" : "an image";
    const hint = allowed.length === 0 ? `leave \`${field}\` out` : `write ${oneOf(allowed)}`;
    report(at(field), `cannot mount ${what} as ${type}`, hint);
  }
  if (allowed.length > 0 && named.length !== 1) {
    const why = named.length === 0 ? "nothing is named" : "two things are named";
    report(at(), `cannot mount a ${type} at \`${target}\`: ${why}`, `write either ${oneOf(allowed)}`);
  }
  // The top of the host is a legal source of a bind, if a bold one.
  const fault = source === undefined || source === "/" ? undefined : absolutePathFault(source);
  if (fault !== undefined) {
    report(at("source"), `cannot bind \`${source}\`: ${fault}`, "write an absolute path on the host");
  }
}

function checkFolder(mount: MountSpec, at: (...path: Path) => Path, report: Report): void {
  const { subdirectory, volume } = mount;
  for (const field of ["subdirectory", "owner", "mode"] as const) {
    const needs = field === "subdirectory" ? "volume" : "subdirectory";
    if (mount[field] === undefined || mount[needs] !== undefined) continue;
    const hint = `leave it out, or say what it is about by \`${needs}\``;
    report(at(field), `cannot use \`${field}\` without \`${needs}\``, hint);
  }
  checkAttributes(mount, at(), report);
  const fault = subdirectory === undefined ? undefined : relativePathFault(subdirectory);
  if (fault !== undefined) {
    report(at("subdirectory"), `cannot bind \`${subdirectory}\` of ${volume}: ${fault}`, "write a folder below it");
  }
  if (subdirectory?.split("/")[0] === ".rootloom") {
    const message = "cannot bind `.rootloom`: Rootloom keeps its own notes there";
    report(at("subdirectory"), message, "choose another folder");
  }
}

function oneOf(fields: readonly string[]): string {
  const names = fields.map((field) => `\`${field}\``);
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} or ${names.at(-1)}`;
}
