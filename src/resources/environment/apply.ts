import { posix } from "node:path";
import { RootloomError } from "../../core/error.ts";
import type { EnvironmentResource } from "../../core/resource.ts";
import { checkHostPath, isWithin } from "../limits.ts";
import { detail, recordOf } from "../owned.ts";
import type { ApplyContext, Executor } from "../types.ts";
import { digest, environmentAt } from "./observe.ts";
import { renderEnvironment, variableProblem } from "./render.ts";

/** Writes the whole file beside and renames it over ours; an adopted foreign file is first copied to `FILE.before-rootloom`. */
export const writeEnvironment: Executor<"environment.write"> = async (step, context) => {
  const { resource } = step.arguments;
  const { path, name, mode } = resource;
  const { files, clock } = context.host;
  check(path, context);
  const problem = variableProblem(resource.variables);
  if (problem !== undefined) throw cannotWrite(resource, problem, "use letters, digits and `_`");
  const found = environmentAt(path, name, context, files);
  if (found.state === "foreign" && !(step.action === "adopt" && found.adoptable))
    throw cannotWrite(resource, `${path} is ${found.what}`, `rootloom adopt ${resource.id}, or move it away`);
  const text = renderEnvironment(resource.variables, context.instance, name);
  const content = digest(text);
  if (found.sha256 !== content || found.mode !== mode)
    await context.effect("environment.write", { path }, () => {
      if (isWithin(posix.dirname(path), context.state)) files.makeDirectories(posix.dirname(path));
      const original = `${path}.before-rootloom`;
      if (found.state === "foreign" && files.stat(original) === undefined) files.copyFile(path, original);
      files.writeFile(path, text, { owner: 0, group: 0, mode });
    });
  const owned = context.owned(resource.id);
  const old = detail(owned, "path");
  if (old !== "" && old !== path) await removeOwn(old, name, owned?.inputs.content ?? "", context);
  const { runId, revision } = context;
  const inputs = { content, mode: mode.toString(8).padStart(4, "0") };
  const record = recordOf(resource, { runId, revision, now_ms: clock.now_ms() }, { inputs, details: { path } });
  return { record, result: "written" };
};

/** Removes the file while it is as we wrote it. */
export const deleteEnvironment: Executor<"environment.delete"> = async (step, context) => {
  const { record } = step.arguments;
  const path = detail(record, "path");
  check(path, context);
  const removed = await removeOwn(path, record.name, record.inputs.content ?? "", context);
  return { record: undefined, result: removed ? "deleted" : "found changed or gone, and left" };
};

export const environmentExecutors = {
  "environment.write": writeEnvironment,
  "environment.delete": deleteEnvironment,
};

function check(path: string, context: ApplyContext): void {
  const refused = checkHostPath(context.host.files, path, context.limits, context.state);
  if (refused !== undefined) throw refused;
}

async function removeOwn(path: string, name: string, content: string, context: ApplyContext): Promise<boolean> {
  const { files } = context.host;
  const isOwn = (): boolean => {
    const found = environmentAt(path, name, context, files);
    return found.state === "ours" && found.sha256 === content;
  };
  if (!isOwn()) return false;
  return context.effect("environment.delete", { path }, () => {
    // While that was written down, another may have taken its place.
    if (!isOwn()) return false;
    files.removeFile(path);
    return true;
  });
}

function cannotWrite(resource: EnvironmentResource, why: string, hint: string): RootloomError {
  return new RootloomError(`cannot write environment file ${resource.path}: ${why}`, { hint });
}
