import type { PublishResource } from "../../core/resource.ts";
import type { Files } from "../../host/ports.ts";
import { CURRENT, type GenerationReport, readReport } from "../artifact/generations.ts";
import { readVerdict, type Verdict } from "../artifact/verdict.ts";
import type { Version } from "./release.ts";

/** The current generation of an image, or why there is none that may be published. */
export type Chosen =
  | { readonly report: GenerationReport; readonly verdict: Verdict | undefined; readonly why: "" }
  | { readonly report: undefined; readonly why: string };

/** What `current` names, if it is ours and passed what is asked of it. */
export function chooseGeneration(resource: PublishResource, files: Files, instance: string): Chosen {
  const { images, checked } = resource;
  const current = files.readLink(`${images}/${CURRENT}`) ?? "";
  const report = readReport(files, images, current);
  if (report === undefined || report.instance !== instance) return { report: undefined, why: "it is not packed yet" };
  const verdict = readVerdict(files, `${images}/${current}`);
  if (verdict?.healthy === false) return { report: undefined, why: `generation ${current} failed its boot check` };
  if (checked && verdict === undefined)
    return { report: undefined, why: `generation ${current} was not checked by booting it yet` };
  return { report, verdict, why: "" };
}

/** A file of a generation, and what it is called where it is published. */
export interface PublishedFile {
  readonly name: string;
  /** Below the generation's directory. */
  readonly path: string;
  readonly sha256: string;
  readonly size_bytes: number;
}

/** Is rewritten, since it names files that are called otherwise there. */
export function isEntry({ path }: Pick<PublishedFile, "path">): boolean {
  return path.endsWith(".conf");
}

/** All that a machine needs of a generation: an EFI program holds the initramfs already. */
export function filesOf(
  image: string,
  version: Pick<Version, "text">,
  report: GenerationReport,
): readonly PublishedFile[] {
  const { file: path, sha256, size_bytes, files = [] } = report;
  const program = files.filter((each) => each.path.endsWith(".efi"));
  const all = program.length > 0 ? program : [{ path, sha256, size_bytes }, ...files];
  return all.map((each) => ({ ...each, name: `${image}_${version.text}.${endingOf(each.path)}` }));
}

/** `efi`, `conf`, else the file's own name: `initramfs.cpio.gz`, `vmlinuz`. */
function endingOf(path: string): string {
  const name = path.slice(path.lastIndexOf("/") + 1);
  return /\.(efi|conf)$/.exec(name)?.[1] ?? name;
}

/** An entry whose files are called as they are published, in one directory. */
export function publishedEntry(text: string, image: string, version: Pick<Version, "text">): string {
  return text.replace(/^(linux|initrd) .*\/([^/\n]+)$/gm, `$1 /${image}_${version.text}.$2`);
}
