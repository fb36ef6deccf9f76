import { resolve } from "node:path";
import { RootloomError } from "../core/error.ts";
import type { ConfigurationFile } from "../documents/import.ts";
import type { Unusual } from "../documents/import-rules.ts";
import type { Files } from "../host/ports.ts";
import { type CommandDefinition, nameOf } from "./command.ts";

export const importCommand: CommandDefinition = {
  name: "import",
  summary: "turn the config/ tree of the older scripts into a desired/ tree",
  argument: ["<dir>", "the config directory: build-env/, common/, overlays/, kernel/"],
  examples: [
    ["rootloom --desired host/desired import /root/scripts/config", "never over existing files; read its notes"],
  ],
  run: async (context, given) => {
    const { host, configuration } = await context.session();
    const directory = resolve(context.directory, nameOf(given));
    if (host.files.stat(directory)?.type !== "directory") {
      throw new RootloomError(`cannot import ${directory}: it is no directory`);
    }
    const { importConfiguration } = await import("../documents/import.ts");
    const { writeTree } = await import("./write-tree.ts");
    const { isUnusual } = await import("../documents/import-rules.ts");
    const read: Read = { tree: new Map(), unusual: new Map(), isUnusual };
    readTree(host.files, directory, "", read);
    const { files, notes } = importConfiguration(read.tree, read.unusual);
    const target = configuration.source.desired;
    writeTree(host, target, files);
    context.output.write(`${files.length} files written to ${target}\n`);
    for (const note of notes) context.output.write(`note: ${note}\n`);
    context.output.write("next: read them, commit, then rootloom validate\n");
    return 0;
  },
};

interface Read {
  readonly tree: Map<string, ConfigurationFile>;
  readonly unusual: Map<string, Unusual>;
  readonly isUnusual: (entry: Unusual, isEmpty: boolean) => boolean;
}

/** Files and links below a directory, by their path in it, and what git would lose of them and of all else. */
function readTree(files: Files, directory: string, prefix: string, read: Read): void {
  for (const name of files.list(directory) ?? []) {
    const path = `${directory}/${name}`;
    const key = `${prefix}${name}`;
    const stat = files.stat(path);
    if (stat === undefined) continue;
    const { type, mode, major, minor } = stat;
    if (type === "symlink") {
      read.tree.set(key, { bytes: new Uint8Array(), executable: false, target: files.readLink(path) ?? "" });
      continue;
    }
    const isEmpty = type === "directory" && (files.list(path) ?? []).length === 0;
    const entry = { type, mode, major, minor };
    if (read.isUnusual(entry, isEmpty)) read.unusual.set(key, entry);
    if (type === "directory") readTree(files, path, `${key}/`, read);
    if (type === "file") {
      read.tree.set(key, { bytes: files.readBytes(path) ?? new Uint8Array(), executable: (mode & 0o111) !== 0 });
    }
  }
}
