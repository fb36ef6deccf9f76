import { fileURLToPath } from "node:url";
import type { ArtifactResource, KernelResource, KernelTree, Resource, TreeSource } from "../core/resource.ts";
import { loadDesired } from "../pass/desired.ts";
import type { Session } from "../pass/types.ts";
import { needsEmulation } from "../resources/tree/emulation.ts";
import type { Finding } from "./doctor.ts";

/** One row of src/tools.txt. */
export interface Tool {
  /** A command, or the absolute path of a file that has to be there. */
  readonly tool: string;
  /** `start`, `test`, or what a declaration may ask for: `zfs`, `ext4`, `squashfs`. */
  readonly purposes: readonly string[];
  /** Package by distribution; left out where that has none. */
  readonly packages: Readonly<Partial<Record<Distribution, string>>>;
}

const DISTRIBUTIONS = ["debian", "gentoo", "alpine", "arch"] as const;
export type Distribution = (typeof DISTRIBUTIONS)[number];

const INSTALL: Readonly<Record<Distribution, string>> = {
  debian: "apt-get install",
  gentoo: "emerge",
  alpine: "apk add",
  arch: "pacman -S",
};

/**
 * Tools of src/tools.txt that are not there: an error where passes or what is declared need them, else a note. Each with
 * the command that installs it on this distribution, or its package on each that we know.
 */
export async function toolFindings(session: Session): Promise<readonly Finding[]> {
  const { files, processes } = session.host;
  const text = files.readText(fileURLToPath(new URL("../tools.txt", import.meta.url))) ?? "";
  const distribution = distributionOf(files.readText("/etc/os-release") ?? "");
  const wanted = await declaredPurposes(session);
  const tools = parseTools(text);
  const isThere = (tool: string) => (tool.startsWith("/") ? files.stat(tool) : processes.find(tool)) !== undefined;
  const missing = tools.filter(({ tool }) => !isThere(tool));
  const findings = missing.map((tool) => missingFinding(tool, wanted, distribution));
  if (findings.some(({ status }) => status === "error")) return findings;
  const count = tools.length - missing.length;
  return [
    { check: "tools", status: "ok", message: `all that is needed is there (${count} tools)`, hint: "" },
    ...findings,
  ];
}

/** Rows of the table; comments and blank lines left out. */
export function parseTools(text: string): readonly Tool[] {
  return text.split("\n").flatMap((line) => {
    const [tool, purposes, ...packages] = line.split(" ");
    if (line.startsWith("#") || tool === undefined || purposes === undefined) return [];
    const named = DISTRIBUTIONS.flatMap((distribution, index) => {
      const name = packages[index];
      return name === undefined || name === "-" ? [] : [[distribution, name] as const];
    });
    return [{ tool, purposes: purposes.split(","), packages: Object.fromEntries(named) }];
  });
}

/** By ID, else by ID_LIKE, of os-release; undefined for one that we know no packages of. */
export function distributionOf(osRelease: string): Distribution | undefined {
  const value = (key: string) => new RegExp(`^${key}="?([^"\n]*)"?$`, "m").exec(osRelease)?.[1] ?? "";
  const names = [value("ID"), ...value("ID_LIKE").split(" ")];
  return DISTRIBUTIONS.find((distribution) => names.includes(distribution));
}

/** Debian's names of the processors that we run on. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: "amd64", ia32: "i386", arm64: "arm64" };

/**
 * What resources ask of the tools of a host with a processor as Node calls it -> the first of them that does:
 * `zfs` -> `volume/debian`. Pure.
 */
export function purposesOf(resources: readonly Resource[], processor: string): ReadonlyMap<string, string> {
  const purposes = new Map<string, string>();
  const own = ARCHITECTURES[processor] ?? processor;
  for (const resource of resources)
    for (const purpose of purposesOfOne(resource, own)) if (!purposes.has(purpose)) purposes.set(purpose, resource.id);
  return purposes;
}

function purposesOfOne(resource: Resource, own: string): readonly string[] {
  if (resource.kind === "volume")
    return [resource.backend, resource.filesystem ?? [], resource.thinPool === undefined ? [] : "thin"].flat();
  if (resource.kind === "artifact") return purposesOfImage(resource);
  if (resource.kind === "publish")
    return [
      ...(resource.place.type === "ssh" ? ["publish"] : []),
      ...(resource.sign?.tool === "minisign" ? ["minisign"] : []),
    ];
  if (resource.kind !== "tree" && resource.kind !== "kernel") return [];
  const { source } = resource;
  return [...(resource.kind === "kernel" ? purposesOfKernel(resource, own) : []), ...purposesOfSource(source, own)];
}

function purposesOfImage({ format, bootCheck, modules, boot }: ArtifactResource): readonly string[] {
  const sign = boot?.sign === undefined ? [] : ["sign"];
  return [format, ...sign, ...(bootCheck === undefined ? [] : ["boot"]), ...(modules === undefined ? [] : ["modules"])];
}

function purposesOfKernel(kernel: KernelResource, own: string): readonly string[] {
  const { bootCheck, architecture, buildIn, patches } = kernel;
  // A root that builds has compilers of its own; patches are applied by the host.
  const made = buildIn === undefined || patches.length > 0 ? ["kernel"] : [];
  // Kernels for x86_64 are checked by a program of their source, which is compiled first.
  const isFor64 = architecture === "x86_64" || (architecture === undefined && own === "amd64");
  const checked = buildIn === undefined && isFor64 ? ["objtool"] : [];
  const booted = architecture === "arm64" ? "bootarm64" : "boot";
  return [...made, ...checked, ...(bootCheck === undefined ? [] : [booted])];
}

function purposesOfSource(source: TreeSource | KernelTree, own: string): readonly string[] {
  if (source.type === "mmdebstrap" || source.type === "debootstrap")
    return [source.type, ...(needsEmulation(source, own) ? ["emulation"] : [])];
  if (source.type !== "tarball") return [source.type];
  const addresses = [source.location, source.digests ?? "", source.signature ?? ""];
  const packed = /\.(bz2|tbz2?)$/.test(source.location) ? ["bzip2"] : [];
  const fetched = addresses.some((address) => address.includes("://")) ? ["download"] : [];
  return [...packed, ...fetched, ...((source.signature ?? source.keyring) === undefined ? [] : ["signature"])];
}

/** Documents that cannot be read ask for nothing: `rootloom validate` says what is wrong with them. */
async function declaredPurposes(session: Session): Promise<ReadonlyMap<string, string>> {
  try {
    return purposesOf((await loadDesired(session)).graph.resources, process.arch);
  } catch {
    return new Map();
  }
}

/** Exported for its tests. */
export function missingFinding(
  tool: Tool,
  wanted: ReadonlyMap<string, string>,
  distribution: Distribution | undefined,
): Finding {
  const asking = tool.purposes.flatMap((purpose) => wanted.get(purpose) ?? []);
  const check = `tool ${tool.tool}`;
  const hint = installHint(tool, distribution);
  if (tool.purposes.includes("start")) return { check, status: "error", message: `${tool.tool} is missing`, hint };
  const [first] = asking;
  if (first !== undefined)
    return { check, status: "error", message: `${tool.tool} is missing: ${first} needs it`, hint };
  const [purpose] = tool.purposes;
  const why = purpose === "test" ? "only the tests need it" : `nothing declared needs it (${purpose})`;
  return { check, status: "note", message: `${tool.tool} is missing; ${why}`, hint };
}

function installHint({ packages }: Tool, distribution: Distribution | undefined): string {
  const own = distribution === undefined ? undefined : packages[distribution];
  if (distribution !== undefined && own !== undefined) return `${INSTALL[distribution]} ${own}`;
  const others = DISTRIBUTIONS.flatMap((name) => (packages[name] === undefined ? [] : [`${name}: ${packages[name]}`]));
  const here = distribution === undefined ? "" : `${distribution} has no package of it; `;
  return `${here}elsewhere it is in ${others.join(", ")}`;
}
