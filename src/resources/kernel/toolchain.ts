import { RootloomError } from "../../core/error.ts";
import { architectureOf } from "../../core/kernel.ts";
import type { KernelArchitecture, KernelResource } from "../../core/resource.ts";
import type { Host } from "../../host/ports.ts";
import { requireTool } from "../tree/unprivileged.ts";

/** What a kernel is compiled with. */
export interface Toolchain {
  readonly architecture: KernelArchitecture;
  /** Before the names of its tools: `aarch64-linux-gnu-`; empty for the host's own. */
  readonly prefix: string;
  /** First line of what the compiler says of itself. */
  readonly version: string;
}

/** What each architecture's compiler is called on Debian where nothing else is declared. */
const TRIPLETS: Readonly<Record<KernelArchitecture, string>> = {
  x86_64: "x86_64-linux-gnu",
  i386: "i686-linux-gnu",
  arm64: "aarch64-linux-gnu",
};

/** Tools of every build, and their Debian packages. */
const TOOLS = ["make", "flex", "bison", "bc"] as const;

type Wanted = Pick<KernelResource, "name" | "architecture" | "triplet" | "crossPrefix">;

/**
 * The compiler for a kernel: the one of the declared prefix or triplet, the host's own where that makes the same code
 * (x86_64 makes i386 too), else the one of the architecture's usual triplet.
 * @throws RootloomError (waiting) that names the package.
 */
export async function findToolchain(wanted: Wanted, host: Host, signal: AbortSignal | undefined): Promise<Toolchain> {
  const what = `build kernel ${wanted.name}`;
  for (const tool of TOOLS) requireTool(tool, what, tool, { host });
  const native = host.processes.find("gcc") === undefined ? "" : await firstLine(host, "gcc", "-dumpmachine", signal);
  const architecture = wanted.architecture ?? architectureOf(native);
  if (architecture === undefined)
    throw new RootloomError(
      `cannot ${what}: the host's own compiler is for ${native === "" ? "nothing: gcc is not installed" : native}`,
      {
        hint: "name an ArchTarget as `target`: kernels are built for x86_64, i686 and aarch64",
        retry: "waiting",
        condition: "ToolMissing",
      },
    );
  const prefix = prefixFor({ ...wanted, architecture }, native, host);
  requireTool(`${prefix}gcc`, what, packageOf(prefix), { host });
  return { architecture, prefix, version: await firstLine(host, `${prefix}gcc`, "--version", signal) };
}

function prefixFor(
  { crossPrefix, triplet, architecture }: Wanted & { readonly architecture: KernelArchitecture },
  native: string,
  host: Host,
): string {
  if (crossPrefix !== undefined) return crossPrefix;
  const usual = TRIPLETS[architecture];
  const found = [triplet, usual].find(
    (each) => each !== undefined && each !== native && host.processes.find(`${each}-gcc`) !== undefined,
  );
  if (triplet !== undefined && found === triplet) return `${triplet}-`;
  return makes(architectureOf(native), architecture) ? "" : `${found ?? triplet ?? usual}-`;
}

function makes(native: KernelArchitecture | undefined, wanted: KernelArchitecture): boolean {
  return native === wanted || (native === "x86_64" && wanted === "i386");
}

function packageOf(prefix: string): string {
  return `gcc${prefix === "" ? "" : `-${prefix.slice(0, -1).replaceAll("_", "-")}`}`;
}

async function firstLine(host: Host, file: string, argument: string, signal: AbortSignal | undefined): Promise<string> {
  const { stdout } = await host.processes.run({ file, arguments: [argument], signal });
  return stdout.split("\n")[0]?.trim() ?? "";
}
