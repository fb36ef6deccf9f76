import { documentFile, type TreeFile, textFile } from "./tree-file.ts";

/** What `rootloom init` writes: a small `desired/` tree that is valid as it stands. Paths are below `desired/`. */
export function templateTree(): readonly TreeFile[] {
  return [
    documentFile(
      "host.yaml",
      "Host",
      "host",
      { prune: { maxDeletions: 3 }, drift: { policy: "correct" }, retention: { generations: 3 }, interval: "60s" },
      ["Policy: what a pass may do here. The limits file of the host can only make it stricter."],
    ),
    documentFile("volumes/debian.yaml", "Volume", "debian", { backend: "directory" }, [
      "Storage for the root. Without a `path` it stands at volumes/debian below the state directory.",
    ]),
    documentFile(
      "roots/debian.yaml",
      "Root",
      "debian",
      {
        volume: "debian",
        source: { mmdebstrap: { suite: "bookworm", variant: "minbase" } },
        content: "managed",
        mounts: [{ target: "/proc", type: "proc", namespace: "private" }],
      },
      [
        "A root filesystem. `content: managed` puts hand-made edits back; `live` is for a root that people work in.",
        "Other sources: `tarball: {path, sha256}` or `{url, sha512}`, `debootstrap: {suite}`, `clone: {root}`, `existing: {}`.",
      ],
    ),
    documentFile(
      "images/debian.yaml",
      "Image",
      "debian",
      { root: "debian", overlays: ["hardware/generic"], compression: { codec: "gzip" } },
      ["The root with the overlays common and hardware/generic over it, packed as one initramfs."],
    ),
    documentFile(
      "overlays/common/overlay.yaml",
      "Overlay",
      undefined,
      { rules: [{ path: "init", owner: "0:0", mode: "0755" }], directories: [{ path: "etc/site", mode: "0755" }] },
      ["What git cannot keep: owners, modes, nodes, empty directories. Files of git are 0:0, 0644 or 0755."],
    ),
    textFile("overlays/common/init", INIT, true),
    textFile("overlays/hardware/generic/etc/site/hardware", "generic\n"),
  ];
}

/**
 * The text of a limits file that allows what the template needs, and nothing else: `/etc/rootloom/limits.yaml`,
 * owned by root. `state` is the absolute path of the state directory.
 */
export function proposedLimits(state: string): string {
  return `# What Rootloom may touch on this host. Never read from git: save it as /etc/rootloom/limits.yaml,
# owned by root and writable by nobody else. Without it only the state directory is allowed.
paths:
  - ${JSON.stringify(state)}
pools: []
volumeGroups: []
devices: []
maxDeletions: 3
# Whether commands of documents may run on the host itself.
hostCommands: false
`;
}

const INIT = `#!/bin/sh
# The first program of the image: replace the shell by what the machine is for.
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
exec /bin/sh
`;
