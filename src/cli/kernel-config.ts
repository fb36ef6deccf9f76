import { RootloomError } from "../core/error.ts";
import { type CommandDefinition, flagOf } from "./command.ts";
import { decided, send } from "./decide.ts";

export const kernelConfig: CommandDefinition = {
  name: "kernel-config",
  summary: "carry a kernel's configuration to its source and compiler, and show what becomes of it",
  argument: ["<what...>", "`update`, then the name of a KernelConfig"],
  options: [
    ["--write", "rewrite the .kconfig file beside its document; review and commit it"],
    ["--json", "one JSON line an event, change_summary last"],
  ],
  examples: [
    ["rootloom kernel-config update small", "the symbols that change, and no file; 0: none, 2: some, 1: error"],
    ["rootloom kernel-config update small --write && git diff", "for review; run again, nothing changes"],
  ],
  run: (context, given) => {
    const [verb, name, ...more] = given.names;
    if (verb !== "update" || name === undefined || more.length > 0)
      throw new RootloomError("cannot tell what to do with the configuration", {
        hint: "rootloom kernel-config update NAME",
      });
    const arguments_ = { ...decided(context, { ...given, names: [name] }), write: flagOf(given, "write") };
    return send(context, given, { command: "kernelConfig", arguments: arguments_ });
  },
};
