import type { OverlayTree, PublishPlace, PublishResource } from "../core/resource.ts";
import type { PublishSpec } from "../documents/types-image.ts";
import { parseInterval } from "../documents/units.ts";
import { type CompileContext, type Expanded, originOf, resolvePath, resourceId } from "./context.ts";
import { imagePlace } from "./image-place.ts";
import { refuseKeyOfGit } from "./keys.ts";

const KEEP = 3;
const TIMEOUT_S = 3600;
const RECHECK_S = 24 * 3600;

/** What becomes of the current generation of an image beside standing here; undefined where nothing is declared. */
export function compilePublish(
  document: Expanded<"Image">,
  overlays: ReadonlyMap<string, OverlayTree>,
  context: CompileContext,
): PublishResource | undefined {
  const { name, spec } = document;
  const place = spec.publish === undefined ? undefined : placeOf(spec.publish);
  if (spec.publish === undefined || place === undefined) return undefined;
  const { publish } = spec;
  const { artifact, path } = imagePlace(document, context);
  const secret = (spec.overlays ?? []).find((overlay) => overlays.get(overlay)?.secret === true);
  if (secret !== undefined && publish.secret !== true) {
    const message = `cannot publish Image ${name}: overlay ${secret} in it is secret`;
    const hint = "leave the overlay out, or say that it may be seen there: `secret: true`";
    context.report(document, ["spec", "publish"], message, hint);
  }
  const seconds = (time: string | undefined) => (time === undefined ? undefined : parseInterval(time));
  const sign = signOf(publish);
  const keys = { "ssh.identityFile": publish.ssh?.identityFile, "sign.gpg": publish.sign?.gpg };
  for (const [field, key] of Object.entries({ ...keys, "sign.minisign": publish.sign?.minisign }))
    refuseKeyOfGit(document, ["spec", "publish", ...field.split(".")], key, context);
  return {
    id: resourceId("publish", name),
    kind: "publish",
    name,
    identity: place.type === "directory" ? `path:${place.path}` : `ssh:${place.host}:${place.port}:${place.path}`,
    dependsOn: [artifact],
    origin: originOf(document, ["spec", "publish"]),
    protect: false,
    onDelete: "retain",
    artifact,
    images: path,
    place,
    keep: publish.keep ?? KEEP,
    ...(sign === undefined ? {} : { sign }),
    checked: spec.check?.boot !== undefined,
    secret: secret !== undefined,
    timeout_s: seconds(publish.timeout) ?? TIMEOUT_S,
    recheck_s: seconds(publish.recheck) ?? RECHECK_S,
  };
}

function placeOf({ directory, ssh }: PublishSpec): PublishPlace | undefined {
  if (directory !== undefined) return { type: "directory", path: resolvePath("/", directory) };
  if (ssh === undefined) return undefined;
  const { host, user, port = 22 } = ssh;
  const [path, identityFile, knownHosts] = [ssh.path, ssh.identityFile, ssh.knownHosts].map((file) =>
    resolvePath("/", file),
  ) as [string, string, string];
  return { type: "ssh", host, port, user, path, identityFile, knownHosts };
}

function signOf({ sign }: PublishSpec): PublishResource["sign"] {
  if (sign?.gpg !== undefined) return { tool: "gpg", key: resolvePath("/", sign.gpg) };
  return sign?.minisign === undefined ? undefined : { tool: "minisign", key: resolvePath("/", sign.minisign) };
}
