import { posix } from "node:path";
import type { EntryType } from "../../core/entry.ts";
import type { Files } from "../../host/ports.ts";
import { checkHostPath, isWithin } from "../limits.ts";
import { detail } from "../owned.ts";
import type { ObserveContext, Observer } from "../types.ts";

export interface ObservedLink {
  readonly path: string;
  readonly type: EntryType | "nothing";
  /** Exact target of a link; empty for all else. */
  readonly target: string;
  /** False when the directory above is missing and we may not make it. */
  readonly parent: boolean;
  readonly refusal: string;
  readonly hint: string;
}

export const linkObserver: Observer<"link"> = {
  observe: async (resource, _owned, context) => observeLink(resource.path, context),
  observeRemoved: async (record, context) => observeLink(detail(record, "path"), context),
};

function observeLink(path: string, context: ObserveContext): ObservedLink {
  const { files } = context.host;
  const refused = checkHostPath(files, path, context.limits, context.state);
  if (refused !== undefined)
    return { path, type: "nothing", target: "", parent: true, refusal: refused.message, hint: refused.hint ?? "" };
  const parentPath = posix.dirname(path);
  const parent = files.realPath(parentPath) !== undefined || isWithin(parentPath, context.state);
  return { path, ...linkAt(files, path), parent, refusal: "", hint: "" };
}

/** What stands at a path, never followed. */
export function linkAt(files: Files, path: string): Pick<ObservedLink, "type" | "target"> {
  const type = files.stat(path)?.type ?? "nothing";
  return { type, target: type === "symlink" ? (files.readLink(path) ?? "") : "" };
}
