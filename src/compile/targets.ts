import type { Resource } from "../core/resource.ts";
import { type CompileContext, compileLinks, type Expanded, originOf, resolvePath, resourceId } from "./context.ts";

/** The links of a target, and its file of variables. */
export function compileTarget(document: Expanded<"ArchTarget">, context: CompileContext): readonly Resource[] {
  const links = compileLinks(document, document.spec.links, []);
  const { environmentFile, variables = {} } = document.spec;
  if (environmentFile === undefined) return links;
  const path = resolvePath(context.state, environmentFile);
  const environment: Resource = {
    id: resourceId("environment", document.name),
    kind: "environment",
    name: document.name,
    identity: `path:${path}`,
    dependsOn: [],
    origin: originOf(document, ["spec", "environmentFile"]),
    protect: false,
    onDelete: "destroy",
    path,
    variables: Object.fromEntries(Object.entries(variables).sort(([left], [right]) => (left < right ? -1 : 1))),
    mode: 0o644,
  };
  return [...links, environment];
}
