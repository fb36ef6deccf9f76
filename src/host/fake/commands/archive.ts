import { RootloomError } from "../../../core/error.ts";
import { bytesContent, contentBytes } from "../content.ts";
import { isErrno, notEmulated } from "../errno.ts";
import { makeParents } from "../file-context.ts";
import { debianTree } from "../fixture.ts";
import { encode, type Kernel } from "../kernel.ts";
import { type CommandEmulation, type Invocation, parseArguments } from "../processes.ts";
import { makeTarball, readTarball, type TarMember } from "../tarball.ts";

const TAR_VALUED = [
  "-f",
  "--file",
  "-C",
  "--directory",
  "--xattrs-include",
  "-T",
  "--files-from",
  "--use-compress-program",
  "-I",
];
const TAR_KNOWN = [
  ...TAR_VALUED,
  ...["-x", "--extract", "--get", "-p", "--preserve-permissions", "--same-permissions", "--same-owner"],
  ...[
    "--numeric-owner",
    "--xattrs",
    "--acls",
    "--selinux",
    "--no-acls",
    "--no-selinux",
    "-z",
    "--gzip",
    "--zstd",
    "-v",
  ],
  ...["--auto-compress", "--delay-directory-restore", "--null", "--no-recursion", "--warning", "--anchored"],
  ...[
    "--no-wildcards",
    "--verbatim-files-from",
    "--sparse",
    "-S",
    "--force-local",
    "--no-overwrite-dir",
    "--same-order",
  ],
  ...["--exclude", "--no-wildcards-match-slash", "--checkpoint", "--checkpoint-action", "--strip-components"],
  ...[
    "-t",
    "--list",
    "--occurrence",
    "--quoting-style",
    "--xattrs-exclude",
    "--blocking-factor",
    "-b",
    "--keep-directory-symlink",
  ],
];

/** tar(1), extracting and listing. Members come from real archive bytes. */
const tarCommand: CommandEmulation = {
  name: "tar",
  run: async (invocation) => {
    const { options, rest } = parseArguments(invocation.arguments, TAR_VALUED);
    for (const name of options.keys()) if (!TAR_KNOWN.includes(name)) throw notEmulated(`tar ${name}`);
    const value = (...names: readonly string[]) => names.flatMap((name) => options.get(name) ?? []).at(-1);
    const archive = value("-f", "--file") ?? "-";
    const { kernel } = invocation;
    const bytes = contentBytes(kernel.get(encode(archive), true).inode.content);
    let members: readonly TarMember[];
    try {
      members = readTarball(bytes);
    } catch (thrown) {
      if (thrown instanceof RootloomError && thrown.condition === "NotEmulated") throw thrown;
      return { exitCode: 2, stderr: `tar: ${thrown instanceof Error ? thrown.message : ""}\n` };
    }
    const wanted = await wantedNames(invocation, value("-T", "--files-from"), options.has("--null"), rest);
    const chosen = members.filter(({ path }) => isWanted(path, wanted, options.has("--no-recursion")));
    const missing = wanted?.find((name) => !chosen.some(({ path }) => path === name || path.startsWith(`${name}/`)));
    if (options.has("-t") || options.has("--list")) {
      return { stdout: chosen.map(({ path, type }) => `./${path}${type === "directory" ? "/" : ""}\n`).join("") };
    }
    const directory = value("-C", "--directory") ?? invocation.command.directory ?? "/";
    extract(invocation, chosen, kernel.table.pathOf(kernel.directory(encode(directory))));
    if (missing !== undefined) return { exitCode: 2, stderr: `tar: ${missing}: Not found in archive\n` };
    return {};
  },
};

/** mmdebstrap(1): a small fixed Debian tree as a tarball; the same arguments give the same bytes. */
const mmdebstrapCommand: CommandEmulation = {
  name: "mmdebstrap",
  run: ({ arguments: values, kernel, command, point }) => {
    const valued = ["--variant", "--include", "--mode", "--format", "--architectures", "--components", "--arch"];
    const { options, rest } = parseArguments(values, valued);
    const [suite = "", target = "-"] = rest;
    if (target === "-") throw notEmulated("mmdebstrap with a tarball on standard output");
    const packages = (options.get("--include") ?? []).flatMap((list) => list.split(","));
    const modified_s = Number(command.environment?.SOURCE_DATE_EPOCH ?? 0);
    const inode = kernel.open(encode(target), 0o644, true);
    point("begun", target);
    const tree = debianTree({ suite, packages, architecture: options.get("--architectures")?.[0] ?? "amd64" });
    inode.fileSystem.setContent(inode, bytesContent(makeTarball(tree.map((member) => ({ ...member, modified_s })))));
    return {};
  },
};

export const archiveCommands: readonly CommandEmulation[] = [tarCommand, mmdebstrapCommand];

async function wantedNames(
  invocation: Invocation,
  listFile: string | undefined,
  isNullSeparated: boolean,
  rest: readonly string[],
): Promise<readonly string[] | undefined> {
  const names = rest.map((name) => Buffer.from(name).toString("latin1"));
  if (listFile !== undefined) {
    const text =
      listFile === "-"
        ? Buffer.from(invocation.command.input ?? "")
        : contentBytes(invocation.kernel.get(encode(listFile), true).inode.content);
    const listed = Buffer.from(text)
      .toString("latin1")
      .split(isNullSeparated ? "\0" : "\n");
    names.push(...listed.filter((name) => name !== ""));
  } else if (names.length === 0) return undefined;
  return names.map((name) => name.replace(/^(\.?\/)+/, "").replace(/\/+$/, ""));
}

function isWanted(path: string, wanted: readonly string[] | undefined, exact: boolean): boolean {
  if (wanted === undefined) return true;
  return wanted.some(
    (name) => path === name || (!exact && (name === "" || name === "." || path.startsWith(`${name}/`))),
  );
}

function extract(invocation: Invocation, members: readonly TarMember[], top: string): void {
  const { kernel, point } = invocation;
  const prefix = top === "/" ? "" : top;
  const delayed: (() => void)[] = [];
  for (const member of members) {
    const path = member.path === "" ? top : `${prefix}/${member.path}`;
    point("extracting", member.path);
    makeParents(kernel, path);
    if (member.type === "hardlink") {
      removeExisting(kernel, path);
      kernel.link(`${prefix}/${member.target ?? ""}`, path);
      continue;
    }
    const there = kernel.look(path);
    if (member.type === "directory" && there?.inode.type === "directory") {
      // Kept; its attributes follow below.
    } else {
      removeExisting(kernel, path);
      const { type, mode, target = "", major = 0, minor = 0, content } = member;
      const node = { type, mode, target, major, minor };
      kernel.create(path, type === "file" ? { ...node, content: bytesContent(content ?? "") } : node);
    }
    const { owner = 0, group = 0, mode, modified_s = 0 } = member;
    // A directory's time is set last: what is put into it changes it.
    const finish = () => kernel.setAttributes(kernel.get(path), { owner, group, mode, modified_s });
    if (member.type === "directory") delayed.push(finish);
    else finish();
  }
  for (const finish of delayed) finish();
}

function removeExisting(kernel: Kernel, path: string): void {
  try {
    kernel.unlink(path);
  } catch (thrown) {
    if (!isErrno(thrown, "ENOENT")) throw thrown;
  }
}
