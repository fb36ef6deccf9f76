import { contentBytes } from "../content.ts";
import { notEmulated } from "../errno.ts";
import { encode, Kernel } from "../kernel.ts";
import { decode, mountInformation } from "../mount-table.ts";
import { type Answer, type CommandEmulation, type Invocation, parseArguments } from "../processes.ts";
import { runScript } from "../shell.ts";
import { copyAll } from "./copy-all.ts";

/** Small commands of every machine. */
export const basicCommands: readonly CommandEmulation[] = [
  { name: "true", run: () => ({}) },
  { name: ":", run: () => ({}) },
  { name: "set", run: () => ({}) },
  { name: "false", run: () => ({ exitCode: 1 }) },
  { name: "echo", run: (invocation) => ({ stdout: `${invocation.arguments.join(" ")}\n` }) },
  { name: "printf", run: (invocation) => ({ stdout: invocation.arguments.join(" ").replaceAll("\\n", "\n") }) },
  { name: "cat", run: concatenate },
  { name: "ls", run: list },
  { name: "mkdir", run: makeDirectories },
  { name: "mknod", run: makeNode },
  { name: "rmdir", run: removeDirectories },
  { name: "cp", run: copy },
  { name: "test", run: testPath },
  { name: "[", run: testPath },
  { name: "findmnt", run: () => ({ exitCode: 1 }) },
  { name: "sh", run: shell },
  { name: "env", run: (invocation) => pass(invocation, withoutAssignments(invocation.arguments)) },
  { name: "setpriv", run: (invocation) => pass(invocation, afterOptions(invocation.arguments)) },
  { name: "unshare", run: unshare },
  { name: "chroot", run: changeRoot },
];

function concatenate({ arguments: paths, kernel, command }: Invocation): Answer {
  if (paths.length === 0) return { stdout: command.input ?? "" };
  const texts = paths.map((path) => {
    if (/^\/proc\/(self|thread-self|\d+)\/mountinfo$/.test(path)) return mountInformation(kernel.table.entries());
    return Buffer.from(contentBytes(kernel.get(encode(path), true).inode.content)).toString();
  });
  return { stdout: texts.join("") };
}

/** ls -A. */
function list({ arguments: values, kernel }: Invocation): Answer {
  const { rest } = parseArguments(values, []);
  const names = [...kernel.directory(encode(rest[0] ?? "/")).inode.entries.keys()].map(decode).sort();
  return { stdout: names.map((name) => `${name}\n`).join("") };
}

function makeDirectories({ arguments: values, kernel }: Invocation): Answer {
  const { options, rest } = parseArguments(values, ["-m", "--mode"]);
  for (const path of rest) {
    const parts = encode(path).split("/").slice(1);
    for (let count = options.has("-p") ? 1 : parts.length; count <= parts.length; count += 1) {
      const directory = `/${parts.slice(0, count).join("/")}`;
      const isThere = kernel.look(directory, true) !== undefined;
      if (!isThere || !options.has("-p")) kernel.create(directory, { type: "directory", mode: 0o755 });
    }
  }
  return {};
}

function makeNode({ arguments: values, kernel }: Invocation): Answer {
  const { options, rest } = parseArguments(values, ["-m", "--mode"]);
  const [path = "", kind = "", major = "0", minor = "0"] = rest;
  const type = kind === "p" ? "fifo" : kind === "b" ? "block" : "character";
  const mode = Number.parseInt(options.get("-m")?.[0] ?? options.get("--mode")?.[0] ?? "644", 8);
  kernel.create(encode(path), { type, mode, major: Number(major), minor: Number(minor) });
  return {};
}

function copy(invocation: Invocation): Answer {
  const { kernel } = invocation;
  const { options, rest } = parseArguments(invocation.arguments, []);
  const [from = "", to = ""] = rest;
  if (options.has("--archive")) return copyAll(invocation, from, to);
  const source = kernel.get(encode(from), true).inode;
  if (source.type !== "file") return { exitCode: 1, stderr: `cp: -r not specified; omitting directory '${from}'\n` };
  if (options.get("--reflink")?.[0] === "always" && !source.fileSystem.reflink) {
    return { exitCode: 1, stderr: `cp: failed to clone '${to}' from '${from}': Operation not supported\n` };
  }
  const inode = kernel.open(encode(to), source.mode, true);
  inode.fileSystem.setContent(inode, source.content);
  return {};
}

function removeDirectories({ arguments: values, kernel }: Invocation): Answer {
  for (const path of parseArguments(values, []).rest) kernel.removeDirectory(encode(path));
  return {};
}

/** A question about one path, also in brackets, and also with a `!` before it. */
function testPath({ arguments: values, kernel }: Invocation): Answer {
  const isDenied = values[0] === "!";
  const [flag = "", path = ""] = isDenied ? values.slice(1) : values;
  const inode = kernel.look(encode(path), true)?.inode;
  const types: Readonly<Record<string, boolean>> = {
    "-e": inode !== undefined,
    "-d": inode?.type === "directory",
    "-f": inode?.type === "file",
    "-x": inode !== undefined && (inode.mode & 0o111) !== 0,
    "-r": inode !== undefined,
  };
  return { exitCode: (types[flag] === true) === isDenied ? 1 : 0 };
}

function shell(invocation: Invocation): Promise<Answer> {
  const { options, rest } = parseArguments(invocation.arguments, ["-c"]);
  const script = options.get("-c")?.[0];
  if (script === undefined) throw notEmulated("sh without -c SCRIPT");
  const stop = [...options.keys()].some((name) => name === "-e");
  return runScript(script, rest, (file, values) => invocation.start(file, values), stop);
}

function unshare(invocation: Invocation): Promise<Answer> {
  const words = afterOptions(invocation.arguments);
  const isMount = invocation.arguments.some((word) => word === "--mount" || word === "-m");
  const kernel = isMount ? new Kernel(invocation.kernel.table.copy()) : undefined;
  return invocation.start(words[0] ?? "sh", words.slice(1), kernel);
}

function changeRoot(invocation: Invocation): Promise<Answer> {
  const words = afterOptions(invocation.arguments);
  const { kernel } = invocation;
  // Below a root, no mount bars the way: a chroot sees what is mounted in it.
  const inside = kernel.changeRoot(kernel.directory(encode(words[0] ?? "/")));
  return invocation.start(words[1] ?? "sh", words.slice(2), inside);
}

function pass(invocation: Invocation, words: readonly string[]): Promise<Answer> {
  return invocation.start(words[0] ?? "true", words.slice(1));
}

function withoutAssignments(words: readonly string[]): readonly string[] {
  const first = words.findIndex((word) => !word.startsWith("-") && !/^[A-Za-z_]\w*=/.test(word));
  return first < 0 ? [] : words.slice(first);
}

/** What follows the options; those that take the next word are few. */
function afterOptions(words: readonly string[]): readonly string[] {
  const valued = ["--propagation", "--pdeathsig", "--setuid", "--reuid", "--regid", "--userspec"];
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index] ?? "";
    if (word === "--") return words.slice(index + 1);
    if (!word.startsWith("-")) return words.slice(index);
    if (valued.includes(word)) index += 1;
  }
  return [];
}
