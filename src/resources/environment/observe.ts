import { createHash } from "node:crypto";
import { posix } from "node:path";
import type { EnvironmentResource } from "../../core/resource.ts";
import type { Files } from "../../host/ports.ts";
import { checkHostPath, isWithin } from "../limits.ts";
import { detail } from "../owned.ts";
import type { ObserveContext, Observer, Places } from "../types.ts";
import { changedNames, firstLine, renderEnvironment, variableProblem } from "./render.ts";

export interface ObservedEnvironment {
  readonly state: "absent" | "ours" | "foreign";
  readonly path: string;
  /** What a foreign thing is: `a directory`, `a file that was not made by Rootloom`. */
  readonly what: string;
  readonly adoptable: boolean;
  /** sha256 of the file, and of what would be written. Values stay out of plans. */
  readonly sha256: string;
  readonly wanted: string;
  /** Names of the variables whose lines differ. */
  readonly changed: readonly string[];
  readonly mode: number;
  readonly parent: boolean;
  readonly refusal: string;
  readonly hint: string;
}

export const environmentObserver: Observer<"environment"> = {
  observe: async (resource, _owned, context) => observe(resource, context),
  observeRemoved: async (record, context) => {
    const path = detail(record, "path");
    const blind = { path, wanted: "", changed: [], parent: true };
    const refused = checkHostPath(context.host.files, path, context.limits, context.state);
    if (refused !== undefined) return { ...NOTHING, ...blind, refusal: refused.message, hint: refused.hint ?? "" };
    return { ...blind, ...environmentAt(path, record.name, context, context.host.files), refusal: "", hint: "" };
  },
};

type Standing = Pick<ObservedEnvironment, "state" | "what" | "adoptable" | "sha256" | "mode">;

const NOTHING: Standing = { state: "absent", what: "", adoptable: false, sha256: "", mode: 0 };

/** What stands at a path, and whether its first line says that it is ours. */
export function environmentAt(path: string, name: string, places: Places, files: Files): Standing {
  const stat = files.stat(path);
  if (stat === undefined) return NOTHING;
  const { mode } = stat;
  if (stat.type !== "file") return { state: "foreign", what: `a ${stat.type}`, adoptable: false, sha256: "", mode };
  const text = files.readText(path) ?? "";
  const ours = text.startsWith(`${firstLine(places.instance, name)}\n`);
  const what = ours ? "" : "a file that was not made by Rootloom";
  return { state: ours ? "ours" : "foreign", what, adoptable: !ours, sha256: digest(text), mode };
}

export function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function observe(resource: EnvironmentResource, context: ObserveContext): ObservedEnvironment {
  const { files } = context.host;
  const { path, name, variables } = resource;
  const text = renderEnvironment(variables, context.instance, name);
  const base = { path, wanted: digest(text) };
  const refused = checkHostPath(files, path, context.limits, context.state);
  if (refused !== undefined)
    return { ...base, ...NOTHING, changed: [], parent: true, refusal: refused.message, hint: refused.hint ?? "" };
  const problem = variableProblem(variables);
  if (problem !== undefined)
    return { ...base, ...NOTHING, changed: [], parent: true, refusal: problem, hint: "use letters, digits and `_`" };
  const found = environmentAt(path, name, context, files);
  const changed = found.state === "ours" ? changedNames(files.readText(path) ?? "", text) : [];
  const above = posix.dirname(path);
  const parent = files.realPath(above) !== undefined || isWithin(above, context.state);
  return { ...base, ...found, changed, parent, refusal: "", hint: "" };
}
