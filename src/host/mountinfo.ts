import { RootloomError } from "../core/error.ts";
import type { MountEntry } from "./ports.ts";

/**
 * One line of /proc/PID/mountinfo; undefined when it is none.
 * https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html
 */
export function parseMountLine(line: string): MountEntry | undefined {
  const fields = line.split(" ");
  const separator = fields.indexOf("-", 6);
  const [id, parent, device, root, target, options] = fields;
  const [type, source, superOptions] = fields.slice(separator + 1);
  if (separator < 0 || id === undefined || parent === undefined || device === undefined) return undefined;
  if (root === undefined || target === undefined || options === undefined) return undefined;
  if (type === undefined || source === undefined || superOptions === undefined) return undefined;
  if (!/^\d+$/.test(id) || !/^\d+$/.test(parent)) return undefined;
  return {
    id: Number(id),
    parent: Number(parent),
    device,
    root: unescapeOctal(root),
    target: unescapeOctal(target),
    options: options.split(","),
    superOptions: unescapeOctal(superOptions).split(","),
    propagation: fields.slice(6, separator),
    type: unescapeOctal(type),
    source: unescapeOctal(source),
  };
}

/** All lines of a mountinfo file, in its order: a later mount at one target covers an earlier one. */
export function parseMounts(text: string): readonly MountEntry[] {
  const mounts: MountEntry[] = [];
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const mount = parseMountLine(line);
    if (mount === undefined) throw new RootloomError(`cannot read the list of mounts: a line of unknown form: ${line}`);
    mounts.push(mount);
  }
  return mounts;
}

/** Space, tab, newline, backslash and # stand as \ooo. */
function unescapeOctal(field: string): string {
  if (!field.includes("\\")) return field;
  return field.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}
