import type { PublishResource } from "../../core/resource.ts";
import type { Files } from "../../host/ports.ts";
import { CURRENT, type GenerationReport, listGenerations, readReport } from "../artifact/generations.ts";
import { readVerdict, type Verdict } from "../artifact/verdict.ts";
import { KERNEL, readKernel } from "../kernel/generations.ts";
import type { Version } from "./release.ts";

/** What is published of a generation, of an image or of a kernel: the file that is the whole, and what comes with it. */
export type Published = Pick<
  GenerationReport,
  "generation" | "revision" | "runId" | "createdAt" | "inputs" | "file" | "sha256" | "size_bytes" | "files" | "tools"
> & {
  /** Of a kernel: the image that is in it. */
  readonly initramfs?: Content | undefined;
} & Partial<Content>;

/** What an image was made of. */
type Content = Pick<GenerationReport, "inputs" | "layers" | "manifestSha256">;

/** The current generation of an image or a kernel, or why there is none that may be published. */
export type Chosen =
  | { readonly report: Published; readonly verdict: Verdict | undefined; readonly why: "" }
  | { readonly report: undefined; readonly why: string };

/** What `current` names, if it is ours and passed what is asked of it. */
export function chooseGeneration(resource: PublishResource, files: Files, instance: string): Chosen {
  const { images, checked } = resource;
  const current = files.readLink(`${images}/${CURRENT}`) ?? "";
  const isKernel = resource.artifact.startsWith("kernel/");
  const report = isKernel
    ? kernelAt(resource, current, { files, instance })
    : imageAt(images, current, files, instance);
  if (report === undefined) return { report: undefined, why: `it is not ${isKernel ? "built" : "packed"} yet` };
  const verdict = readVerdict(files, `${images}/${current}`);
  if (verdict?.healthy === false) return { report: undefined, why: `generation ${current} failed its boot check` };
  if (checked && verdict === undefined)
    return { report: undefined, why: `generation ${current} was not checked by booting it yet` };
  return { report, verdict, why: "" };
}

function imageAt(images: string, current: string, files: Files, instance: string): Published | undefined {
  const report = readReport(files, images, current);
  return report?.instance === instance ? report : undefined;
}

function kernelAt(
  { images, embedded }: PublishResource,
  current: string,
  { files, instance }: { readonly files: Files; readonly instance: string },
): Published | undefined {
  const report = readKernel(files, images, current);
  if (report?.instance !== instance) return undefined;
  const { generation, revision, runId, createdAt, inputs, size_bytes } = report;
  const image =
    embedded === undefined
      ? undefined
      : listGenerations(files, embedded, instance).find(({ sha256 }) => sha256 === inputs.initramfs);
  const made = { generation, revision, runId, createdAt, inputs, file: KERNEL, size_bytes };
  const content = image && { inputs: image.inputs, layers: image.layers, manifestSha256: image.manifestSha256 };
  return { ...made, sha256: report.files[KERNEL] ?? "", ...(content === undefined ? {} : { initramfs: content }) };
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
  report: Pick<Published, "file" | "sha256" | "size_bytes" | "files">,
): readonly PublishedFile[] {
  const { file: path, sha256, size_bytes, files = [] } = report;
  const program = files.filter((each) => each.path.endsWith(".efi"));
  const all = program.length > 0 ? program : [{ path, sha256, size_bytes }, ...files];
  return all.map((each) => ({ ...each, name: `${image}_${version.text}.${endingOf(each.path)}` }));
}

/** `efi`, `conf`, else the file's own name: `initramfs.cpio.gz`, `vmlinuz`, `kernel`. */
function endingOf(path: string): string {
  const name = path.slice(path.lastIndexOf("/") + 1);
  return /\.(efi|conf)$/.exec(name)?.[1] ?? name;
}

/** An entry whose files are called as they are published, in one directory. */
export function publishedEntry(text: string, image: string, version: Pick<Version, "text">): string {
  return text.replace(/^(linux|initrd) .*\/([^/\n]+)$/gm, `$1 /${image}_${version.text}.$2`);
}
