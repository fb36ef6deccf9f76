import type { TarMember } from "../../src/host/fake/tarball.ts";

/** A root filesystem of twenty nodes: merged /usr, a hard link set, a device, attributes worth keeping. */
export function smallTree(name: string): readonly TarMember[] {
  return [
    ...["", "dev", "etc", "mnt", "proc", "run", "usr", "usr/bin", "usr/lib", "var", "var/lib", "var/lib/dpkg"].map(
      directory,
    ),
    { path: "tmp", type: "directory", mode: 0o1777 },
    { path: "bin", type: "symlink", mode: 0o777, target: "usr/bin" },
    { path: "usr/bin/sh", type: "file", mode: 0o755, content: Buffer.from(`sh of ${name}\n`) },
    { path: "usr/bin/perl", type: "file", mode: 0o4755, content: Buffer.from("perl\n") },
    { path: "usr/bin/perl5", type: "hardlink", mode: 0o4755, target: "usr/bin/perl" },
    text("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"),
    text("etc/group", "root:x:0:\n"),
    text("etc/hostname", `${name}\n`),
    text("etc/release", `${name}\n`),
    text("usr/lib/os-release", `ID=debian\nVERSION_CODENAME=${name.split(" ")[0]}\n`),
    text("var/lib/dpkg/status", "Package: sh\nStatus: install ok installed\n"),
    { path: "dev/console", type: "character", mode: 0o600, major: 5, minor: 1 },
  ];
}

function directory(path: string): TarMember {
  return { path, type: "directory", mode: 0o755 };
}

function text(path: string, content: string): TarMember {
  return { path, type: "file", mode: 0o644, content: Buffer.from(content) };
}
