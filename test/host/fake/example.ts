import type { Change } from "../../../src/host/fake/git-objects.ts";
import { createFakeHost, type FakeHost, type FakeHostOptions } from "../../../src/host/fake/host.ts";

/** A small desired tree that is valid: one volume, one root, an overlay of each class, one image. */
export const EXAMPLE: Readonly<Record<string, Change>> = {
  "desired/host.yaml": document("Host", "example", ["drift:", "  policy: correct"]),
  "desired/volumes/builds.yaml": document("Volume", "builds", ["backend: directory"]),
  "desired/roots/debian.yaml": document("Root", "debian", [
    "volume: builds",
    "source:",
    "  mmdebstrap:",
    "    suite: bookworm",
    "    variant: minbase",
    "mounts:",
    "  - target: /proc",
    "    type: proc",
  ]),
  "desired/images/debian.yaml": document("Image", "debian", [
    "root: debian",
    "overlays: [hardware/qemu, secret-sauce/demo]",
  ]),
  "desired/overlays/common/init": { content: "#!/bin/sh\necho started\n", executable: true },
  "desired/overlays/common/etc/motd": "welcome\n",
  "desired/overlays/hardware/qemu/etc/rootloom/hardware": "qemu\n",
  "desired/overlays/secret-sauce/demo/etc/rootloom/secret": "not a secret\n",
};

export const STATE = "/var/lib/rootloom";
export const CACHE = "/var/cache/rootloom";
export const DESIRED = "/srv/config/desired";

/** A host with the example committed in /srv/config, an empty state and an empty cache. */
export function exampleHost(
  options: Partial<FakeHostOptions> = {},
  changes: Readonly<Record<string, Change>> = {},
): FakeHost {
  const host = createFakeHost({ seed: 1, ...options });
  host.outside.files.makeDirectories(STATE, 0o700);
  host.outside.files.makeDirectories(CACHE, 0o700);
  host.repository.commit({ ...EXAMPLE, ...changes }, { message: "the example" });
  return host;
}

function document(kind: string, name: string, spec: readonly string[]): string {
  const lines = ["apiVersion: rootloom/v1", `kind: ${kind}`, "metadata:", `  name: ${name}`, "spec:"];
  return [...lines, ...spec.map((line) => `  ${line}`), ""].join("\n");
}
