import { type Entry, type EntryType, showPath } from "../core/entry.ts";
import { RootloomError } from "../core/error.ts";
import type { Session } from "../pass/types.ts";
import { type CliContext, type CommandDefinition, flagOf, nameOf } from "./command.ts";
import { findSource, generationOf, type ImageSource, sourceText } from "./image-source.ts";
import { interruption } from "./interruption.ts";
import type { Output } from "./output.ts";
import { showReading } from "./reading.ts";

export const ls: CommandDefinition = {
  name: "ls",
  summary: "list what an image holds: a generation of ours, or any initramfs file",
  argument: ["<what...>", "an image, with a generation behind it if not the current one; or a file"],
  options: [["--json", "one JSON document"]],
  examples: [
    ["rootloom ls image/debian", "the current generation, with the layer that each entry came from"],
    ["rootloom ls debian previous", "the one before it; a name, or the beginning of one, does too"],
    ["rootloom ls /boot/initrd.img", "a file of anybody: raw, gzip, zstd or xz, in any number of members"],
  ],
  run: async (context, given) => {
    const session = await context.session();
    const [, generation, ...more] = given.names;
    const found = await findSource(session, context.directory, nameOf(given));
    if (more.length > 0 || (typeof found === "string" && generation !== undefined)) {
      throw new RootloomError("cannot list more than one image", { hint: "rootloom ls NAME [GENERATION] | FILE" });
    }
    const source: ImageSource =
      typeof found === "string" ? { type: "file", path: found } : generationOf(found, generation ?? "current");
    const entries = entriesOf(context, session, source);
    if (flagOf(given, "json")) await printJson(context.output, source, entries);
    else await printText(context.output, entries);
    return 0;
  },
};

const TEXT_MAX = 1 << 16;

/** An entry, and where it came from: a layer of ours, or a member of a file. */
type Listed = Entry & { readonly layer: string };

/** One after another: of an archive, never more than a part is in memory. */
function entriesOf(context: CliContext, session: Session, source: ImageSource): AsyncIterable<Listed> {
  return source.type === "file"
    ? fileEntries(context, session, source.path)
    : manifestEntries(session, source.manifest);
}

async function* fileEntries({ output }: CliContext, { host }: Session, path: string): AsyncGenerator<Listed> {
  const { readImage } = await import("../pack/foreign/read-image.ts");
  const { signal, release } = interruption(host, () => undefined);
  const { progress, end } = showReading(output, host.clock, path, true);
  try {
    for await (const { member, ...entry } of readImage(host, path, { hash: false, signal, progress })) {
      yield { ...entry, layer: `member ${member}` };
    }
  } finally {
    end();
    release();
  }
}

async function* manifestEntries({ host }: Session, manifest: string): AsyncGenerator<Listed> {
  const { readManifest } = await import("../pack/manifest.ts");
  yield* readManifest(host.files, manifest);
}

async function printText(output: Output, entries: AsyncIterable<Listed>): Promise<void> {
  let layer: string | undefined;
  let text = "";
  try {
    for await (const entry of entries) {
      // A layer is told where it changes: a column of it would push the paths off the screen.
      if (entry.layer !== layer) text += `# ${entry.layer}\n`;
      layer = entry.layer;
      text += `${lineOf(entry)}\n`;
      if (text.length < TEXT_MAX) continue;
      output.write(text);
      text = "";
    }
  } finally {
    // What could be read of a damaged one is shown, too.
    output.write(text);
  }
}

/** One document, written piece by piece: there may be millions of entries. */
async function printJson(output: Output, source: ImageSource, entries: AsyncIterable<Listed>): Promise<void> {
  output.write(`{"source": ${JSON.stringify(sourceText(source))}, "entries": [`);
  let first = true;
  for await (const { path, target, layer, ...entry } of entries) {
    const { type, mode, owner, group, modified_s, size, sha256, major, minor } = entry;
    const shown = { path: showPath(path), type, mode: mode.toString(8), owner, group, modified_s, size, sha256 };
    const more = { target: showPath(target), major, minor, layer };
    output.write(`${first ? "" : ","}\n  ${JSON.stringify({ ...shown, ...more })}`);
    first = false;
  }
  output.write("\n]}\n");
}

const LETTERS: Readonly<Record<EntryType, string>> = {
  file: "-",
  directory: "d",
  symlink: "l",
  character: "c",
  block: "b",
  fifo: "p",
  socket: "s",
};

/** As `ls -ln` has it, with the time in UTC. */
function lineOf(entry: Entry): string {
  const { type, mode, owner, group, major, minor, size, modified_s } = entry;
  const isNode = type === "character" || type === "block";
  const measure = isNode ? `${major}, ${minor}` : String(size);
  const time = new Date(modified_s * 1000).toISOString().slice(0, 16).replace("T", " ");
  const target = type === "symlink" ? ` -> ${showPath(entry.target)}` : "";
  const path = entry.path === "" ? "." : showPath(entry.path);
  return `${LETTERS[type]}${modeText(mode)} ${`${owner}:${group}`.padEnd(9)} ${measure.padStart(10)} ${time} ${path}${target}`;
}

/** `rwsr-xr-t`. */
export function modeText(mode: number): string {
  const letters = [...Array(9).keys()].map((index) => ((mode >> (8 - index)) & 1 ? "rwx".charAt(index % 3) : "-"));
  const special = [
    [0o4000, 2, "s"],
    [0o2000, 5, "s"],
    [0o1000, 8, "t"],
  ] as const;
  for (const [bit, place, letter] of special) {
    if (mode & bit) letters[place] = letters[place] === "x" ? letter : letter.toUpperCase();
  }
  return letters.join("");
}
