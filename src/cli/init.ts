import { resolve } from "node:path";
import { type CommandDefinition, flagOf } from "./command.ts";

export const init: CommandDefinition = {
  name: "init",
  summary: "write a small desired/ tree to begin with, and propose a limits file",
  argument: ["[dir]", "where desired/ goes (default: --desired)"],
  options: [["--limits", "only print the proposed limits file"]],
  examples: [
    ["rootloom init host/desired", "never over existing files; then edit, commit, `rootloom plan`"],
    ["rootloom init --limits > /etc/rootloom/limits.yaml", "what this host allows"],
  ],
  run: async (context, given) => {
    const { host, configuration } = await context.session();
    const { proposedLimits, templateTree } = await import("../documents/template.ts");
    const limits = proposedLimits(configuration.state);
    if (flagOf(given, "limits")) {
      context.output.write(limits);
      return 0;
    }
    const { writeTree } = await import("./write-tree.ts");
    const [directory] = given.names;
    const target = directory === undefined ? configuration.source.desired : resolve(context.directory, directory);
    const files = templateTree();
    writeTree(host, target, files);
    context.output.write(`${files.map((file) => `${target}/${file.path}`).join("\n")}\n`);
    context.output.write(`\nProposed /etc/rootloom/limits.yaml:\n\n${limits}`);
    context.output.write(`\nnext: commit ${target}, then rootloom plan\n`);
    return 0;
  },
};
