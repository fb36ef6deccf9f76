import { RootloomError } from "../../core/error.ts";
import { architectureOf } from "../../core/kernel.ts";
import type { KernelArchitecture, KernelResource } from "../../core/resource.ts";
import type { Host } from "../../host/ports.ts";
import { type Programs, programsOf } from "./programs.ts";

/** What a kernel is compiled with. */
export interface Toolchain {
  readonly architecture: KernelArchitecture;
  /** Before the names of its tools: `aarch64-linux-gnu-`; empty for the host's own. */
  readonly prefix: string;
  /** First line of what the compiler says of itself. */
  readonly version: string;
  /** Whether there is a ccache beside it. */
  readonly hasCache: boolean;
}

/** What each architecture's compiler is called on Debian where nothing else is declared. */
const TRIPLETS: Readonly<Record<KernelArchitecture, string>> = {
  x86_64: "x86_64-linux-gnu",
  i386: "i686-linux-gnu",
  arm64: "aarch64-linux-gnu",
};

/** Tools of every build, and their Debian packages. */
const TOOLS = ["make", "flex", "bison", "bc"] as const;

type Wanted = Pick<KernelResource, "name" | "architecture" | "triplet" | "crossPrefix" | "buildIn">;

/**
 * The compiler for a kernel: the one of the declared prefix or triplet, the own one of the host or the root that builds
 * where that makes the same code (x86_64 makes i386 too), else the one of the architecture's usual triplet.
 * @throws RootloomError (waiting) that names the package, or the root that is not there.
 */
export async function findToolchain(wanted: Wanted, host: Host, signal: AbortSignal | undefined): Promise<Toolchain> {
  const programs = programsOf(wanted, host, signal);
  for (const tool of TOOLS) await requireProgram(tool, tool, wanted, programs);
  const native = (await programs.has("gcc")) ? await programs.firstLine("gcc", "-dumpmachine") : "";
  const architecture = wanted.architecture ?? architectureOf(native);
  if (architecture === undefined)
    throw new RootloomError(
      `cannot build kernel ${wanted.name}: the own compiler ${programs.place} is for ${native === "" ? "nothing: gcc is not installed" : native}`,
      {
        hint: "name an ArchTarget as `target`: kernels are built for x86_64, i686 and aarch64",
        retry: "waiting",
        condition: "ToolMissing",
      },
    );
  const prefix = await prefixFor({ ...wanted, architecture }, native, programs);
  await requireProgram(`${prefix}gcc`, packageOf(prefix), wanted, programs);
  const version = await programs.firstLine(`${prefix}gcc`, "--version");
  return { architecture, prefix, version, hasCache: await programs.has("ccache") };
}

async function prefixFor(
  { crossPrefix, triplet, architecture }: Wanted & { readonly architecture: KernelArchitecture },
  native: string,
  programs: Programs,
): Promise<string> {
  if (crossPrefix !== undefined) return crossPrefix;
  const usual = TRIPLETS[architecture];
  let found: string | undefined;
  for (const each of [triplet, usual])
    if (found === undefined && each !== undefined && each !== native && (await programs.has(`${each}-gcc`)))
      found = each;
  if (triplet !== undefined && found === triplet) return `${triplet}-`;
  return makes(architectureOf(native), architecture) ? "" : `${found ?? triplet ?? usual}-`;
}

function makes(native: KernelArchitecture | undefined, wanted: KernelArchitecture): boolean {
  return native === wanted || (native === "x86_64" && wanted === "i386");
}

async function requireProgram(tool: string, debian: string, { name }: Wanted, programs: Programs): Promise<void> {
  if (await programs.has(tool)) return;
  const where = programs.place === "of the host" ? "" : ` ${programs.place.replace(/^of/, "in")}`;
  throw new RootloomError(`cannot build kernel ${name}: ${tool} is not installed${where}`, {
    hint: `apt-get install ${debian}${where}`,
    retry: "waiting",
    condition: "ToolMissing",
  });
}

function packageOf(prefix: string): string {
  return `gcc${prefix === "" ? "" : `-${prefix.slice(0, -1).replaceAll("_", "-")}`}`;
}
