import { accessSync, constants, statSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { RootloomError } from "../../core/error.ts";

export const standardPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

export function requireTool(tool: string): void {
  if (find(tool) !== undefined) return;
  throw new RootloomError(`cannot run ${tool}: it is not installed`, {
    hint: "`rootloom doctor` lists the tools that are needed and the packages that have them",
  });
}

/** A missing directory would look like a missing program. */
export function requireDirectory(file: string, directory: string | undefined): void {
  if (directory === undefined) return;
  if (statSync(directory, { throwIfNoEntry: false })?.isDirectory() === true) return;
  throw new RootloomError(`cannot run ${file}: there is no directory ${directory} to run it in`);
}

export function find(tool: string): string | undefined {
  if (isAbsolute(tool)) return isExecutable(tool) ? tool : undefined;
  const directories = withSystemDirectories(process.env.PATH ?? standardPath).split(":");
  return directories.map((directory) => join(directory, tool)).find(isExecutable);
}

/** An ordinary user's PATH often lacks the directories that hold `mkfs` and `losetup`. */
export function withSystemDirectories(path: string): string {
  return [...new Set([...path.split(":").filter(isAbsolute), ...standardPath.split(":")])].join(":");
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
