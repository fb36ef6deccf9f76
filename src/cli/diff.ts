import { RootloomError } from "../core/error.ts";
import type { Session } from "../pass/types.ts";
import type { ImageDifference } from "../report/image-diff.ts";
import { type CliContext, type CommandDefinition, flagOf, nameOf } from "./command.ts";
import { findSource, generationOf, type ImageSource, type KnownImage, sourceText } from "./image-source.ts";
import { interruption } from "./interruption.ts";
import { showReading } from "./reading.ts";

export const diff: CommandDefinition = {
  name: "diff",
  summary: "compare two generations of an image, or any two initramfs files",
  argument: ["<what...>", "an image and up to two of its generations; or two files; or an image and a file"],
  options: [
    ["--all", "times and hard links, too"],
    ["--json", "one JSON document"],
  ],
  examples: [
    ["rootloom diff image/debian", "the current generation with the one before it; 0: alike, 2: differences, 1: error"],
    ["rootloom diff debian 3f2a 91c0", "two generations, by the beginnings of their names"],
    ["rootloom diff /boot/initrd.img.old /boot/initrd.img", "two files of anybody"],
  ],
  run: async (context, given) => {
    const session = await context.session();
    const [before, after] = await sourcesOf(context, session, given.names);
    const { compareImages, imageDiffJson, imageDiffText } = await import("../report/image-diff.ts");
    const entries = [await entriesOf(context, session, before), await entriesOf(context, session, after)] as const;
    const found: ImageDifference = compareImages(...entries, { all: flagOf(given, "all") });
    const names = { before: sourceText(before), after: sourceText(after) };
    if (flagOf(given, "json")) context.output.document(imageDiffJson(found, names));
    else context.output.write(imageDiffText(found, names, context.output));
    return found.differences.length === 0 ? 0 : 2;
  },
};

/** What is compared with what, the older one first. */
async function sourcesOf(
  context: CliContext,
  session: Session,
  names: readonly string[],
): Promise<readonly [ImageSource, ImageSource]> {
  const first = await findSource(session, context.directory, nameOf({ names, options: {} }));
  const [, second, third, ...more] = names;
  if (more.length > 0 || (third !== undefined && typeof first === "string")) {
    throw new RootloomError("cannot compare more than two images", {
      hint: "rootloom diff NAME [OLDER [NEWER]] | FILE FILE",
    });
  }
  if (typeof first === "string") {
    if (second === undefined)
      throw new RootloomError(`cannot compare ${first} with nothing`, { hint: "name two files" });
    return [{ type: "file", path: first }, await otherSource(context, session, second)];
  }
  if (second === undefined) return [generationOf(first, "previous"), generationOf(first, "current")];
  if (third !== undefined) return [generationOf(first, second), generationOf(first, third)];
  if (isGeneration(first, second)) return [generationOf(first, second), generationOf(first, "current")];
  return [generationOf(first, "current"), await otherSource(context, session, second)];
}

async function otherSource(context: CliContext, session: Session, given: string): Promise<ImageSource> {
  const found = await findSource(session, context.directory, given);
  return typeof found === "string" ? { type: "file", path: found } : generationOf(found, "current");
}

function isGeneration({ generations }: KnownImage, given: string): boolean {
  return /^(previous|current)$/.test(given) || generations.some(({ generation }) => generation.startsWith(given));
}

async function entriesOf({ output }: CliContext, { host }: Session, source: ImageSource) {
  if (source.type === "generation") {
    const { readManifest } = await import("../pack/manifest.ts");
    return readManifest(host.files, source.manifest);
  }
  const { collectImage } = await import("../pack/foreign/collect-image.ts");
  const { signal, release } = interruption(host, () => undefined);
  const { progress, end } = showReading(output, host.clock, source.path);
  try {
    return await collectImage(host, source.path, { signal, progress });
  } finally {
    end();
    release();
  }
}
