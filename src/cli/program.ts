import { Command, CommanderError } from "commander";
import type { Flags } from "../configuration.ts";
import type { CommandDefinition, Given } from "./command.ts";
import { commandWord, GLOBAL_OPTIONS } from "./global-options.ts";
import { commands } from "./table.ts";

/** What argv asks for. `shown`: help or version was printed, or the command line was refused; the code says which. */
export type Parsed =
  | { readonly type: "run"; readonly command: CommandDefinition; readonly given: Given; readonly flags: GlobalFlags }
  | { readonly type: "shown"; readonly exitCode: number };

export type GlobalFlags = Flags & { readonly color?: boolean };

/** Reads argv (without node and script); loads only the command that it names, or all of them for help. */
export async function parseArguments(
  argv: readonly string[],
  streams: { readonly out: (text: string) => void; readonly error: (text: string) => void },
  version: string,
): Promise<Parsed> {
  let parsed: Parsed | undefined;
  const program = new Command("rootloom");
  program
    .description("Keeps a build host's roots, overlays and boot images exactly as one git commit says.")
    .version(version, "--version", "print the version")
    .helpOption("-h, --help", "show help")
    .helpCommand(false)
    .exitOverride()
    .configureOutput({ writeOut: streams.out, writeErr: streams.error });
  for (const [syntax, summary] of GLOBAL_OPTIONS) program.option(syntax, summary);
  for (const command of await commandsFor(argv)) {
    addCommand(program, command, (given, flags) => {
      parsed = { type: "run", command, given, flags };
    });
  }
  try {
    await program.parseAsync([...argv], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return { type: "shown", exitCode: error.code === "commander.help" ? 1 : error.exitCode };
  }
  return parsed ?? { type: "shown", exitCode: 1 };
}

function addCommand(
  program: Command,
  definition: CommandDefinition,
  found: (given: Given, flags: GlobalFlags) => void,
): void {
  const command = program
    .command(definition.name)
    .description(definition.summary)
    .helpOption("-h, --help", "show help");
  if (definition.argument !== undefined) command.argument(...definition.argument);
  for (const [syntax, summary] of definition.options ?? []) command.option(syntax, summary);
  const examples = definition.examples.map(([line, what]) => `  ${line}\n      ${what}`);
  command.addHelpText("after", `\nExamples:\n${examples.join("\n")}`);
  command.action((...all: unknown[]) => {
    const positional = definition.argument === undefined ? [] : [all[0]].flat();
    const names = positional.filter((name): name is string => typeof name === "string");
    found({ names, options: command.opts() }, program.opts<GlobalFlags>());
  });
}

/** The one command that argv names; all of them when it names none, for help and for suggestions. */
async function commandsFor(argv: readonly string[]): Promise<readonly CommandDefinition[]> {
  const first = commandWord(argv);
  const load = first === undefined || !Object.hasOwn(commands, first) ? undefined : commands[first];
  if (load !== undefined) return [await load()];
  return Promise.all(Object.values(commands).map((each) => each()));
}
