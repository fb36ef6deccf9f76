import { bytesContent } from "../content.ts";
import { ErrnoError, notEmulated } from "../errno.ts";
import type { FileSystem } from "../file-system.ts";
import { encode, type Kernel } from "../kernel.ts";
import { type Location, type Mount, type MountTable, mountInformation } from "../mount-table.ts";
import { type Answer, type CommandEmulation, type Invocation, parseArguments } from "../processes.ts";
import { attachShared, detachShared } from "../propagation.ts";
import { attachImage } from "./devices.ts";
import { applyFlags, sizeOf, superOptions } from "./mount-options.ts";

const PROPAGATIONS = ["shared", "slave", "private", "unbindable", "rshared", "rslave", "rprivate", "runbindable"];
const VALUED = ["-t", "--types", "-o", "--options", "--source", "--target"];
const KNOWN = [...VALUED, "--bind", "-B", "--rbind", "-R", "-r", "--read-only", "-n", "--no-mtab", "-i", "-c"];
KNOWN.push("--internal-only", "--no-canonicalize", "-v", "--verbose", "--move", "-M");
KNOWN.push(...PROPAGATIONS.map((name) => `--make-${name}`));

/** mount(8) for binds, fresh file systems, remounts and propagation. */
const mountCommand: CommandEmulation = {
  name: "mount",
  run: (invocation) => {
    const { options, rest } = parseArguments(invocation.arguments, VALUED);
    for (const name of options.keys()) if (!KNOWN.includes(name)) throw notEmulated(`mount ${name}`);
    const words = [...(options.get("-o") ?? []), ...(options.get("--options") ?? [])].flatMap((text) =>
      text.split(","),
    );
    if (options.has("-r") || options.has("--read-only")) words.push("ro");
    if (options.has("--bind") || options.has("-B")) words.push("bind");
    if (options.has("--rbind") || options.has("-R")) words.push("rbind");
    if (options.has("--move") || options.has("-M")) throw notEmulated("mount --move");
    const propagations = [...options.keys()].filter((name) => name.startsWith("--make-")).map((name) => name.slice(7));
    propagations.push(...words.filter((word) => PROPAGATIONS.includes(word)));
    const target = options.get("--target")?.at(-1) ?? rest.at(-1);
    const source = options.get("--source")?.at(-1) ?? (rest.length > 1 ? rest[0] : undefined);
    if (target === undefined) return { stdout: mountList(invocation.kernel.table) };
    const type = options.get("-t")?.at(-1) ?? options.get("--types")?.at(-1);
    const rules = words.filter((word) => !PROPAGATIONS.includes(word));
    const location = invocation.kernel.get(encode(target), true);
    if (rules.includes("remount")) remount(invocation.kernel.table, location, rules);
    else if (source !== undefined) attach(invocation, { source, target, type, rules });
    else if (propagations.length === 0) return failed(`mount: ${target}: can't find in /etc/fstab.`, 1);
    for (const propagation of propagations) propagate(invocation.kernel, target, propagation);
    return {};
  },
};

/** umount(8): refuses what is busy; a lazy one is not emulated, since nothing may use it. */
const umountCommand: CommandEmulation = {
  name: "umount",
  run: (invocation) => {
    const { options, rest } = parseArguments(invocation.arguments, []);
    for (const name of options.keys()) {
      if (!["-n", "--no-mtab", "-c", "--no-canonicalize", "-R", "--recursive", "-i", "-v"].includes(name)) {
        throw notEmulated(`umount ${name}`);
      }
    }
    for (const target of rest) {
      const answer = unmount(invocation, target, options.has("-R") || options.has("--recursive"));
      if (answer !== undefined) return answer;
    }
    return {};
  },
};

export const mountCommands: readonly CommandEmulation[] = [mountCommand, umountCommand];

interface Request {
  readonly source: string;
  readonly target: string;
  readonly type: string | undefined;
  readonly rules: readonly string[];
}

function attach(invocation: Invocation, request: Request): void {
  const { kernel } = invocation;
  const { table } = kernel;
  const found = kernel.find(encode(request.target), true);
  const covered = kernel.get(encode(request.target), true);
  const at = { parent: found.parent, name: found.name, covered };
  const propagation = covered.mount.propagation.some((word) => word.startsWith("shared:"));
  if (request.rules.includes("bind") || request.rules.includes("rbind")) {
    const from = kernel.get(encode(request.source), true);
    if ((from.inode.type === "directory") !== (covered.inode.type === "directory")) {
      throw new ErrnoError("ENOTDIR", request.target);
    }
    const submounts = request.rules.includes("rbind") ? mountsBelow(table, from) : [];
    const { source, options, superOptions, fileSystem } = from.mount;
    const base = { at, root: from.inode, fileSystem, source, options, superOptions };
    const mount = attachShared(table, { ...base, propagation: from.mount.propagation });
    if (submounts.length > 0) copySubmounts(table, submounts, from.mount, mount);
    applyFlags(mount, request.rules);
    return;
  }
  const image = request.rules.includes("loop") ? attachImage(invocation, request) : undefined;
  const fileSystem = image?.fileSystem ?? freshFileSystem(invocation, request);
  const mount = attachShared(table, {
    at,
    fileSystem,
    root: fileSystem.root,
    source: image?.source ?? request.source,
    options: ["rw", "relatime"],
    superOptions: ["rw", ...superOptions(request.rules)],
    propagation: propagation ? [`shared:${table.nextGroup()}`] : [],
  });
  applyFlags(mount, request.rules);
}

function freshFileSystem(invocation: Invocation, request: Request): FileSystem {
  const { type = "", rules, target } = request;
  if (!["proc", "tmpfs", "sysfs", "devtmpfs"].includes(type)) throw new ErrnoError("ENODEV", target);
  const size = rules.find((rule) => rule.startsWith("size="));
  const capacity_bytes = size === undefined ? 512 * 1024 ** 2 : sizeOf(size.slice(5));
  const fileSystem = invocation.makeFileSystem({ type, capacity_bytes });
  const mode = rules.find((rule) => rule.startsWith("mode="))?.slice(5);
  fileSystem.root.mode = mode === undefined ? (type === "tmpfs" ? 0o1777 : 0o555) : Number.parseInt(mode, 8);
  if (type === "proc") {
    const text = fileSystem.makeInode({ type: "file", mode: 0o444, content: bytesContent("0.00 0.00\n") });
    fileSystem.change([{ directory: fileSystem.root, name: "uptime", after: text }]);
  }
  return fileSystem;
}

function remount(table: MountTable, location: Location, rules: readonly string[]): void {
  if (!table.isMountRoot(location)) throw new ErrnoError("EINVAL", table.targetOf(location.mount));
  const { mount } = location;
  applyFlags(
    mount,
    rules.filter((rule) => rule !== "remount"),
  );
  if (rules.includes("bind")) return;
  const access = mount.options.includes("ro") ? "ro" : "rw";
  const kept = mount.superOptions.filter((option) => option !== "ro" && option !== "rw");
  const changed = superOptions(rules);
  const names = changed.map((option) => option.split("=")[0]);
  mount.superOptions = [access, ...kept.filter((option) => !names.includes(option.split("=")[0])), ...changed];
}

/** Mounts that hang, directly or not, inside the part of a mount that a location shows. */
function mountsBelow(table: MountTable, top: Location): readonly Mount[] {
  const inside = new Set<Mount>();
  for (const mount of table.all) {
    if (mount.at === undefined) continue;
    const { covered } = mount.at;
    let below = inside.has(covered.mount);
    for (let here = covered.inode; !below && covered.mount === top.mount; here = here.parent ?? here) {
      below = here === top.inode && covered.inode !== top.inode;
      if (here.parent === undefined || here.parent === here) break;
    }
    if (below) inside.add(mount);
  }
  return [...inside];
}

function copySubmounts(table: MountTable, submounts: readonly Mount[], from: Mount, to: Mount): void {
  const copies = new Map<Mount, Mount>([[from, to]]);
  for (const mount of submounts) {
    if (mount.at === undefined) continue;
    const move = (location: Location): Location => ({
      mount: copies.get(location.mount) ?? location.mount,
      inode: location.inode,
    });
    const at = { ...mount.at, parent: move(mount.at.parent), covered: move(mount.at.covered) };
    copies.set(mount, table.attach({ ...mount, at }));
  }
}

function propagate(kernel: Kernel, target: string, propagation: string): void {
  const { table } = kernel;
  const location = kernel.get(encode(target), true);
  if (location.inode !== location.mount.root) throw new ErrnoError("EINVAL", target);
  const recursive = propagation.startsWith("r") && propagation !== "rshared" ? true : propagation === "rshared";
  const kind = recursive ? propagation.slice(1) : propagation;
  const todo: Mount[] = [location.mount];
  for (let mount = todo.pop(); mount !== undefined; mount = todo.pop()) {
    mount.propagation = changed(mount, kind);
    if (recursive) todo.push(...table.childrenOf(mount));
  }
}

function changed(mount: Mount, kind: string): readonly string[] {
  const group = mount.propagation.find((word) => word.startsWith("shared:"))?.slice(7);
  if (kind === "private") return [];
  if (kind === "unbindable") return ["unbindable"];
  if (kind === "slave") return group === undefined ? mount.propagation : [`master:${group}`];
  return group === undefined ? [...mount.propagation, `shared:${mount.id}`] : mount.propagation;
}

function unmount(invocation: Invocation, target: string, recursive: boolean): Answer | undefined {
  const { table } = invocation.kernel;
  const location = invocation.kernel.look(encode(target), true);
  if (location === undefined) return failed(`umount: ${target}: no mount point specified.`, 32);
  if (!table.isMountRoot(location)) return failed(`umount: ${target}: not mounted.`, 32);
  const busy = invocation.processes.some(({ uses }) =>
    uses.some((path) => invocation.kernel.look(encode(path), true)?.mount === location.mount),
  );
  const children = table.childrenOf(location.mount);
  if (busy || (children.length > 0 && !recursive)) return failed(`umount: ${target}: target is busy.`, 32);
  for (const child of [...children].reverse()) {
    const answer = unmount(invocation, Buffer.from(table.targetOf(child), "latin1").toString("utf8"), true);
    if (answer !== undefined) return answer;
  }
  detachShared(table, location.mount);
  if (location.mount.source.startsWith("/dev/loop")) invocation.loops.sweep(table);
  return undefined;
}

function mountList(table: MountTable): string {
  return mountInformation(table.entries());
}

function failed(line: string, exitCode: number): Answer {
  return { exitCode, stderr: `${line}\n` };
}
