import { resolve } from "node:path";
import { RootloomError } from "../core/error.ts";
import type { ConfigurationFile } from "../documents/import.ts";
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
    const { files, notes } = importConfiguration(readTree(host.files, directory, ""));
    const target = configuration.source.desired;
    writeTree(host, target, files);
    context.output.write(`${files.length} files written to ${target}\n`);
    for (const note of notes) context.output.write(`note: ${note}\n`);
    context.output.write("next: read them, commit, then rootloom validate\n");
    return 0;
  },
};

/** Files and links below a directory, by their path in it; anything else there is no configuration. */
function readTree(files: Files, directory: string, prefix: string): ReadonlyMap<string, ConfigurationFile> {
  const tree = new Map<string, ConfigurationFile>();
  for (const name of files.list(directory) ?? []) {
    const path = `${directory}/${name}`;
    const stat = files.stat(path);
    const key = `${prefix}${name}`;
    if (stat?.type === "directory") {
      for (const [below, file] of readTree(files, path, `${key}/`)) tree.set(below, file);
    } else if (stat?.type === "symlink") {
      tree.set(key, { bytes: new Uint8Array(), executable: false, target: files.readLink(path) ?? "" });
    } else if (stat?.type === "file") {
      tree.set(key, { bytes: files.readBytes(path) ?? new Uint8Array(), executable: (stat.mode & 0o111) !== 0 });
    }
  }
  return tree;
}
