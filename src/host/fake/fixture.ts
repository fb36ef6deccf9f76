import { toTreePath } from "../../core/entry.ts";
import type { TarMember } from "./tarball.ts";

export interface DebianTreeOptions {
  readonly suite: string;
  readonly packages: readonly string[];
  readonly architecture: string;
}

/** A tree with the shape of a Debian root in some fifty nodes: merged /usr, passwd, devices, a hard link set. */
export function debianTree(options: DebianTreeOptions): readonly TarMember[] {
  const { suite, packages, architecture } = options;
  const status = ["base-files", "bash", ...packages].map((name) => `Package: ${name}\nStatus: install ok installed\n`);
  return [
    ...DIRECTORIES.map((path) => ({ path, type: "directory", mode: path === "root" ? 0o700 : 0o755 }) as const),
    { path: "tmp", type: "directory", mode: 0o1777 },
    { path: "var/tmp", type: "directory", mode: 0o1777 },
    ...["bin", "lib", "sbin"].map((name) => link(name, `usr/${name}`)),
    link("usr/sbin/init", "../lib/systemd/systemd"),
    link("etc/os-release", "../usr/lib/os-release"),
    program("usr/bin/bash"),
    program("usr/bin/dpkg"),
    program("usr/lib/systemd/systemd"),
    { path: "usr/bin/perl", type: "file", mode: 0o755, content: Buffer.from("perl\n") },
    { path: "usr/bin/perl5.36", type: "hardlink", mode: 0o755, target: "usr/bin/perl" },
    link("usr/bin/sh", "bash"),
    { path: "usr/bin/su", type: "file", mode: 0o4755, content: Buffer.from("su\n") },
    { path: "usr/bin/wall", type: "file", mode: 0o2755, group: 5, content: Buffer.from("wall\n") },
    text("etc/passwd", "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/:/usr/sbin/nologin\n"),
    text("etc/group", "root:x:0:\ndaemon:x:1:\ntty:x:5:\nshadow:x:42:\n"),
    { path: "etc/shadow", type: "file", mode: 0o640, group: 42, content: Buffer.from("root:*:19000::::::\n") },
    text("etc/hostname", "debian\n"),
    text("etc/debian_version", `${suite}\n`),
    text("usr/lib/os-release", `ID=debian\nVERSION_CODENAME=${suite}\n`),
    text("var/lib/dpkg/status", status.join("\n")),
    text("var/lib/dpkg/arch", `${architecture}\n`),
    ...packages.map((name) => text(`usr/share/doc/${name}/copyright`, `${name}\n`)),
    text(toTreePath("usr/share/ca-certificates/NetLock_Arany_Főtanúsítvány.crt"), "certificate\n"),
    { path: "dev/null", type: "character", mode: 0o666, major: 1, minor: 3 },
    { path: "dev/console", type: "character", mode: 0o600, major: 5, minor: 1 },
  ];
}

const DIRECTORIES = [
  ...["", "boot", "dev", "etc", "etc/apt", "home", "mnt", "proc", "root", "run", "srv", "sys", "usr", "usr/bin"],
  ...["usr/lib", "usr/lib/systemd", "usr/sbin", "usr/share", "usr/share/ca-certificates", "usr/share/doc", "var"],
  ...["var/cache", "var/cache/apt", "var/cache/apt/archives", "var/lib", "var/lib/dpkg", "var/log"],
];

function text(path: string, content: string): TarMember {
  return { path, type: "file", mode: 0o644, content: Buffer.from(content) };
}

function program(path: string): TarMember {
  return { path, type: "file", mode: 0o755, content: Buffer.from(`#!ELF ${path}\n`) };
}

function link(path: string, target: string): TarMember {
  return { path, type: "symlink", mode: 0o777, target };
}
