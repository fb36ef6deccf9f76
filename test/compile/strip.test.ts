import { describe, expect, it } from "vitest";
import type { ArtifactResource } from "../../src/core/resource.ts";
import { compileExcludes } from "../../src/pack/excludes.ts";
import { type Files, head, resourcesOf } from "./written.ts";

const FILES: Files = {
  "v.yaml": `${head("Volume", "v")}  backend: directory\n`,
  "r.yaml": `${head("Root", "r")}  volume: v\n  source: {mmdebstrap: {suite: s}}\n`,
};
const image = (spec: string): ArtifactResource => {
  const files = { ...FILES, "i.yaml": `${head("Image", "i")}  root: r\n  exclude: [usr/src]\n${spec}` };
  return resourcesOf(files).get("artifact/i") as ArtifactResource;
};
const STRIP = "  strip: packageManager\n";

/** Files as these managers lay them: none of them is left in an image that strips its package manager. */
const GONE: Readonly<Record<string, readonly string[]>> = {
  apt: [
    ...["usr/bin/apt", "usr/bin/apt-get", "usr/bin/apt-cache", "usr/bin/dpkg", "usr/bin/dpkg-deb"],
    ...["usr/sbin/dpkg-preconfigure", "usr/lib/apt/methods/https", "usr/lib/dpkg/methods/apt/install"],
    ...["usr/lib/x86_64-linux-gnu/libapt-pkg.so.6.0", "usr/libexec/dpkg/dpkg-db-backup", "usr/share/dpkg/cputable"],
    ...["etc/apt/sources.list", "etc/dpkg/dpkg.cfg", "var/lib/apt/lists/lock", "var/lib/dpkg/status"],
    ...["var/cache/apt/archives/lock", "var/log/apt/history.log", "var/log/dpkg.log"],
  ],
  portage: [
    ...["usr/bin/emerge", "usr/bin/ebuild", "usr/bin/portageq", "usr/bin/emaint", "usr/bin/egencache"],
    ...["usr/bin/quickpkg", "usr/bin/glsa-check", "usr/bin/emirrordist", "usr/sbin/emerge-webrsync"],
    ...["usr/sbin/etc-update", "usr/sbin/dispatch-conf", "usr/sbin/env-update", "usr/sbin/fixpackages"],
    ...["usr/sbin/archive-conf", "usr/lib/portage/python3.12/ebuild.sh"],
    ...["usr/lib/python3.12/site-packages/portage/__init__.py", "usr/lib/python3.12/site-packages/_emerge/main.py"],
    ...["usr/share/portage/config/make.globals", "etc/portage/package.use", "etc/make.conf"],
    ...["var/lib/portage/world", "var/db/pkg/sys-libs/glibc-2.40/CONTENTS", "var/db/repos/gentoo/metadata/layout.conf"],
    ...["var/cache/edb/counter", "var/cache/distfiles/a.tar.xz", "var/cache/binpkgs/Packages"],
  ],
};

/** What packages brought, and what only lies beside. */
const STAYS = [
  ...[
    "usr/bin/aptitude",
    "usr/bin/python3.12",
    "usr/sbin/adduser",
    "usr/lib/x86_64-linux-gnu/libc.so.6",
    "usr/lib/aptly",
  ],
  ...["usr/lib/python3.12/site-packages/yaml/__init__.py", "usr/share/doc/apt/copyright", "etc/make.conf.d/a"],
  ...[
    "etc/hostname",
    "var/lib/systemd/random-seed",
    "var/cache/ldconfig/aux-cache",
    "var/log/lastlog",
    "opt/usr/bin/apt",
  ],
];

describe("an image that strips its package manager", () => {
  it.each(Object.entries(GONE))("is without the programs, libraries and databases of %s", (manager, paths) => {
    const { excludes, strip } = image(STRIP);
    const own = compileExcludes(strip?.[manager] ?? []);
    expect(paths.filter((path) => !own.covers(path))).toEqual([]);
    const all = compileExcludes(excludes);
    expect(paths.filter((path) => !all.covers(path))).toEqual([]);
  });

  it("has each pattern for something that lies there", () => {
    for (const [manager, patterns] of Object.entries(image(STRIP).strip ?? {})) {
      const idle = patterns.filter((pattern) => !(GONE[manager] ?? []).some(compileExcludes([pattern]).covers));
      expect(idle, manager).toEqual([]);
    }
  });

  it("keeps what the packages brought, and its own excludes", () => {
    const { excludes } = image(STRIP);
    const { covers } = compileExcludes(excludes);
    expect(STAYS.filter(covers)).toEqual([]);
    expect(covers("usr/src/linux/Makefile")).toBe(true);
  });
});

it("an image that strips nothing says so, and leaves out what it declares", () => {
  const { excludes, strip } = image("");
  expect({ excludes, strip }).toStrictEqual({ excludes: ["usr/src"], strip: undefined });
});
