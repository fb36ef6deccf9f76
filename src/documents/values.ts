import { FORMATS } from "../core/format.ts";
import type { ExpandedDocument } from "./expand.ts";
import { TARGET_FACTS } from "./expand.ts";
import { absolutePathFault, hostPathFault, relativePathFault } from "./paths.ts";
import type { ArchTargetSpec, DocumentKind, DocumentMap, HostSpec, ImageSpec, Problem } from "./types.ts";
import { parseInterval } from "./units.ts";
import { checkDate, checkLinks, checkSize, type Path, type Report } from "./value-checks.ts";
import { checkBoot, checkRetention } from "./values-boot.ts";
import { checkKernelConfig } from "./values-kernel.ts";
import { checkOverlay } from "./values-overlay.ts";
import { checkPicked } from "./values-picked.ts";
import { checkPublish } from "./values-publish.ts";
import { checkRoot } from "./values-root.ts";
import { checkVolume } from "./values-volume.ts";

type Check<K extends DocumentKind> = (spec: DocumentMap[K], report: Report, name: string) => void;

const CHECKS: { readonly [K in DocumentKind]: Check<K> } = {
  Host: checkHost,
  Volume: checkVolume,
  Root: checkRoot,
  Overlay: checkOverlay,
  KernelConfig: checkKernelConfig,
  ArchTarget: checkArchTarget,
  Image: checkImage,
};

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

/** What the texts of a document mean: names, sizes, modes, owners, dates, paths, and which fields go together. */
export function checkValues(document: ExpandedDocument): readonly Problem[] {
  const problems: Problem[] = [];
  const report = (path: Path, message: string, hint: string): void => {
    problems.push({ ...document.locate(path), message, hint });
  };
  for (const part of document.kind === "Overlay" ? document.name.split("/") : [document.name]) {
    if (NAME.test(part)) continue;
    const hint = "use letters, digits, dot, dash and underscore, at most 63, and start with a letter or digit";
    report(["metadata", "name"], `cannot use the name \`${part.slice(0, 100)}\` for a ${document.kind}`, hint);
  }
  const check = CHECKS[document.kind] as Check<DocumentKind>;
  check(document.spec, (path, message, hint) => report(["spec", ...path], message, hint), document.name);
  return problems;
}

function checkHost(spec: HostSpec, report: Report): void {
  checkSize(spec.budget?.memory, ["budget", "memory"], report);
  if (spec.interval !== undefined && parseInterval(spec.interval) === undefined) {
    report(["interval"], `cannot read the interval \`${spec.interval}\``, 'write a time such as "60s", "5m" or "1h"');
  }
}

function checkArchTarget(spec: ArchTargetSpec, report: Report): void {
  const facts: readonly string[] = TARGET_FACTS;
  for (const [name, value] of Object.entries(spec.variables ?? {})) {
    const path = ["variables", name];
    if (facts.includes(name)) {
      report(path, `cannot use the variable \`${name}\`: a fact has that name`, "call the variable something else");
    } else if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
      const hint = "use letters, digits and underscore, so that a shell can read it";
      report(path, `cannot use the variable \`${name.slice(0, 100)}\`: it is no name`, hint);
    }
    if (/[\u0000\n\r]/.test(value)) {
      report(path, `cannot use the variable \`${name.slice(0, 100)}\`: its value has several lines`, "write one line");
    }
  }
  checkLinks(spec.links, report);
  const fault = spec.environmentFile === undefined ? undefined : hostPathFault(spec.environmentFile);
  if (fault === undefined) return;
  const hint = "write an absolute path, or one below the state directory";
  report(["environmentFile"], `cannot use the path \`${spec.environmentFile}\`: ${fault}`, hint);
}

function checkCompression({ format = "initramfs", compression }: ImageSpec, report: Report): void {
  const { codecs, defaultCodec } = FORMATS[format];
  const { codec = defaultCodec, level } = compression ?? {};
  const facts = codecs[codec];
  if (facts === undefined) {
    const hint = `${format} has ${Object.keys(codecs).join(", ")}`;
    report(["compression", "codec"], `cannot compress an image of format ${format} with ${codec}`, hint);
    return;
  }
  if (level === undefined) return;
  const [lowest, highest] = facts.levels ?? [];
  if (lowest === undefined || highest === undefined) {
    report(["compression", "level"], `cannot use a level: the codec is ${codec}`, "leave the level out");
  } else if (level < lowest || level > highest) {
    const hint = `${codec} has levels ${lowest} to ${highest}`;
    report(["compression", "level"], `cannot compress with ${codec} level ${level}`, hint);
  }
}

function checkImage(spec: ImageSpec, report: Report): void {
  checkDate(spec.sourceDate, ["sourceDate"], report);
  checkPicked(spec, report);
  checkSize(spec.maxSize, ["maxSize"], report);
  checkCompression(spec, report);
  checkBoot(spec, report);
  checkRetention(spec, report);
  checkPublish(spec.publish, report);
  const fault = spec.init === undefined ? undefined : absolutePathFault(spec.init);
  if (fault !== undefined) {
    report(["init"], `cannot start \`${spec.init}\`: ${fault}`, "write a path inside the image, such as /init");
  }
  for (const [index, pattern] of (spec.exclude ?? []).entries()) {
    const why = relativePathFault(pattern);
    if (why === undefined) continue;
    const hint = "write a pattern from the root's top without a leading slash, such as var/cache/*";
    report(["exclude", index], `cannot exclude \`${pattern}\`: ${why}`, hint);
  }
  const seen = new Set<string>();
  for (const [index, overlay] of (spec.overlays ?? []).entries()) {
    if (seen.has(overlay)) report(["overlays", index], `cannot lay overlay ${overlay} twice`, "keep one of the two");
    seen.add(overlay);
  }
}
