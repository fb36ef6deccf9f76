import type { MountResource } from "../../core/resource.ts";
import { isBind, isImageFile } from "./types.ts";

type Propagation = NonNullable<MountResource["propagation"]>;

/**
 * Commands of util-linux that make a mount at `resource.target`, in order; the target must be resolved. Pure.
 * @param inherited flags of a bind that its source's mount has: the kernel takes them away where others are set.
 */
export function mountCommands(resource: MountResource, inherited: readonly string[]): string[][] {
  const { type, source, target } = resource;
  const propagation = effectivePropagation(resource);
  // The loop device goes with its last mount: mount(8) asks the kernel for that.
  const options = [...(isImageFile(resource) ? ["loop"] : []), ...resource.options];
  const make = isBind(resource)
    ? ["mount", `--${type}`, "--", source, target]
    : ["mount", "--types", type, ...(options.length > 0 ? ["--options", options.join(",")] : []), "--", source, target];
  return [
    make,
    ...(propagation === undefined ? [] : [["mount", `--make-${propagation}`, "--", target]]),
    // Flags of a bind are its own only after a remount of it: with the bind itself the kernel drops them without a word.
    ...(isBind(resource) && options.length > 0 ? remountCommands(resource, inherited) : []),
  ];
}

/** Changes options and propagation of a mount that stands, without unmounting it. Pure. */
export function remountCommands(resource: MountResource, inherited: readonly string[]): string[][] {
  const { source, target, options } = resource;
  const kept = inherited.filter((flag) => !options.includes(flag));
  const flags = ["remount", ...(isBind(resource) ? ["bind"] : []), ...withReadWrite(options), ...kept];
  // With both names given, no line of fstab is mixed in.
  return [["mount", "--options", flags.join(","), "--", source, target]];
}

/** The command that sets the propagation, where one is wanted. Pure. */
export function propagationCommands(resource: MountResource): string[][] {
  const propagation = effectivePropagation(resource);
  return propagation === undefined ? [] : [["mount", `--make-${propagation}`, "--", resource.target]];
}

/**
 * Undeclared, an rbind is made `rslave` and a bind `private`: else what is mounted or unmounted in the
 * root would be so on the host too (shared subtrees, Documentation/filesystems/sharedsubtree.rst).
 */
export function effectivePropagation(resource: MountResource): Propagation | undefined {
  if (resource.propagation !== undefined) return resource.propagation;
  if (resource.type === "rbind") return "rslave";
  return resource.type === "bind" ? "private" : undefined;
}

/** Commands as one line of shell that stops at the first failure. */
export function shellLine(commands: readonly (readonly string[])[]): string {
  return commands.map((command) => command.map(shellQuote).join(" ")).join(" && ");
}

export function shellQuote(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

function withReadWrite(options: readonly string[]): readonly string[] {
  return options.includes("ro") || options.includes("rw") ? options : ["rw", ...options];
}
