import { posix } from "node:path";
import { RootloomError } from "../../core/error.ts";
import { checkHostPath, isWithin } from "../limits.ts";
import { detail, recordOf } from "../owned.ts";
import type { ApplyContext, Executor } from "../types.ts";
import { linkAt } from "./observe.ts";

/** Makes or corrects one link. A link that moved is removed from its old path while it is still ours. */
export const writeLink: Executor<"link.write"> = async (step, context) => {
  const { resource } = step.arguments;
  const { path, target } = resource;
  const { files, clock } = context.host;
  check(path, context);
  const owned = context.owned(resource.id);
  const found = linkAt(files, path);
  const mayReplace = detail(owned, "path") === path || step.action === "adopt" || found.target === target;
  if (found.type !== "nothing" && (found.type !== "symlink" || !mayReplace))
    throw new RootloomError(`cannot write link ${path}: a ${found.type} that we did not make stands there`, {
      hint: `move ${path} away`,
    });
  if (found.type === "nothing" || found.target !== target)
    await context.effect("link.write", { path, target }, () => {
      if (isWithin(posix.dirname(path), context.state)) files.makeDirectories(posix.dirname(path));
      files.writeLink(path, target);
    });
  const old = detail(owned, "path");
  if (old !== "" && old !== path) await removeOwn(old, detail(owned, "target"), context);
  const { runId, revision } = context;
  const record = recordOf(
    resource,
    { runId, revision, now_ms: clock.now_ms() },
    { inputs: { target }, details: { path, target } },
  );
  return { record, result: `written: ${path} leads to ${target}` };
};

/** Removes a link while it still has the recorded target. */
export const deleteLink: Executor<"link.delete"> = async (step, context) => {
  const { record } = step.arguments;
  const path = detail(record, "path");
  check(path, context);
  const removed = await removeOwn(path, detail(record, "target"), context);
  return { record: undefined, result: removed ? "deleted" : "found changed or gone, and left" };
};

export const linkExecutors = { "link.write": writeLink, "link.delete": deleteLink };

function check(path: string, context: ApplyContext): void {
  const refused = checkHostPath(context.host.files, path, context.limits, context.state);
  if (refused !== undefined) throw refused;
}

async function removeOwn(path: string, target: string, context: ApplyContext): Promise<boolean> {
  const { files } = context.host;
  const isOwn = (): boolean => {
    const found = linkAt(files, path);
    return found.type === "symlink" && found.target === target;
  };
  if (!isOwn()) return false;
  return context.effect("link.delete", { path, target }, () => {
    // While that was written down, another may have taken its place.
    if (!isOwn()) return false;
    files.removeFile(path);
    return true;
  });
}
