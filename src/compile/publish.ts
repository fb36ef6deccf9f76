import type { ArtifactResource, KernelResource, PublishPlace, PublishResource } from "../core/resource.ts";
import type { PublishSpec } from "../documents/types-image.ts";
import { parseInterval } from "../documents/units.ts";
import { type CompileContext, type Expanded, originOf, resourceId } from "./context.ts";
import { refuseKeyOfGit } from "./keys.ts";

const KEEP = 3;
const TIMEOUT_S = 3600;
const RECHECK_S = 24 * 3600;

/** An image or a kernel, and a secret overlay in it; `embedded`: directory of the image that is in a kernel. */
type Made = Pick<ArtifactResource | KernelResource, "id" | "path" | "bootCheck"> &
  Pick<ArtifactResource, "secretOverlay"> & { readonly embedded?: string | undefined };

/** What becomes of the current generation of an image or a kernel beside standing here; undefined where nothing is declared. */
export function compilePublish(
  document: Expanded<"Image"> | Expanded<"KernelConfig">,
  made: Made,
  context: CompileContext,
): PublishResource | undefined {
  const { name, kind } = document;
  const { publish } = document.spec;
  if (publish === undefined) return undefined;
  const place = placeOf(publish);
  if (place === undefined) return undefined;
  const { id: artifact, path, bootCheck, embedded, secretOverlay: secret } = made;
  if (secret !== undefined && publish.secret !== true) {
    const message = `cannot publish ${kind} ${name}: overlay ${secret} in it is secret`;
    const hint = "leave the overlay out, or say that it may be seen there: `secret: true`";
    context.report(document, ["spec", "publish"], message, hint);
  }
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
    embedded,
    place,
    keep: publish.keep ?? KEEP,
    sign: signOf(publish),
    checked: bootCheck !== undefined,
    secret: secret !== undefined,
    timeout_s: parseInterval(publish.timeout) ?? TIMEOUT_S,
    recheck_s: parseInterval(publish.recheck) ?? RECHECK_S,
  };
}

function placeOf({ directory, ssh }: PublishSpec): PublishPlace | undefined {
  if (directory !== undefined) return { type: "directory", path: directory };
  return ssh === undefined ? undefined : { port: 22, ...ssh, type: "ssh" };
}

function signOf({ sign }: PublishSpec): PublishResource["sign"] {
  if (sign?.gpg !== undefined) return { tool: "gpg", key: sign.gpg };
  return sign?.minisign === undefined ? undefined : { tool: "minisign", key: sign.minisign };
}
