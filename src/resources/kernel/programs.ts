import { RootloomError } from "../../core/error.ts";
import type { KernelResource } from "../../core/resource.ts";
import type { Host } from "../../host/ports.ts";
import { inRoot } from "./in-root.ts";

/** The programs that make kernels: those of the host, or of a root. */
export interface Programs {
  /** Completes "the compiler ...": `of the host`. */
  readonly place: string;
  has(tool: string): Promise<boolean>;
  firstLine(tool: string, argument: string): Promise<string>;
}

export function programsOf(
  { name, buildIn }: Pick<KernelResource, "name" | "buildIn">,
  host: Host,
  signal: AbortSignal | undefined,
): Programs {
  return buildIn === undefined ? ofHost(host, signal) : ofRoot(name, buildIn, host, signal);
}

function ofHost({ processes }: Host, signal: AbortSignal | undefined): Programs {
  return {
    place: "of the host",
    has: async (tool) => processes.find(tool) !== undefined,
    async firstLine(tool, argument) {
      const { stdout } = await processes.run({ file: tool, arguments: [argument], signal });
      return lineOf(stdout);
    },
  };
}

/** Of a root they are asked in it, as nobody and without a network. */
function ofRoot(
  name: string,
  { tree, path }: NonNullable<KernelResource["buildIn"]>,
  host: Host,
  signal: AbortSignal | undefined,
): Programs {
  if (host.files.stat(path)?.type !== "directory")
    throw new RootloomError(`cannot build kernel ${name}: its root ${path} is not there`, {
      hint: `see ${tree}`,
      retry: "waiting",
      condition: "RootMissing",
    });
  const run = (words: readonly string[]) =>
    host.processes.run({ ...inRoot(path, [], words, host), environment: { LC_ALL: "C" }, accept: [0, 1, 127], signal });
  return {
    place: `of ${tree}`,
    has: async (tool) => (await run(["/bin/sh", "-c", 'command -v -- "$0"', tool])).exitCode === 0,
    firstLine: async (tool, argument) => lineOf((await run([tool, argument])).stdout),
  };
}

function lineOf(text: string): string {
  return text.split("\n")[0]?.trim() ?? "";
}
