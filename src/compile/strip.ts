/**
 * What `strip: packageManager` leaves out of an image, by package manager: programs, libraries and databases, anchored at
 * the root's top. What the packages themselves brought stays.
 */
export const PACKAGE_MANAGERS: Readonly<Record<string, readonly string[]>> = {
  apt: [
    ...["usr/bin/apt", "usr/bin/apt-*", "usr/bin/dpkg", "usr/bin/dpkg-*", "usr/sbin/dpkg-*"],
    ...["usr/lib/apt", "usr/lib/dpkg", "usr/lib/*/libapt-*", "usr/libexec/dpkg", "usr/share/dpkg"],
    ...["etc/apt", "etc/dpkg", "var/lib/apt", "var/lib/dpkg", "var/cache/apt", "var/log/apt", "var/log/dpkg.log"],
  ],
  portage: [
    ...["usr/bin/emerge", "usr/bin/ebuild", "usr/bin/portageq", "usr/bin/emaint", "usr/bin/egencache"],
    ...["usr/bin/quickpkg", "usr/bin/glsa-check", "usr/bin/emirrordist", "usr/sbin/emerge-webrsync"],
    ...["usr/sbin/etc-update", "usr/sbin/dispatch-conf", "usr/sbin/env-update", "usr/sbin/fixpackages"],
    ...["usr/sbin/archive-conf", "usr/lib/portage", "usr/lib/python*/site-packages/portage"],
    ...["usr/lib/python*/site-packages/_emerge", "usr/share/portage", "etc/portage", "etc/make.conf"],
    ...["var/lib/portage", "var/db/pkg", "var/db/repos", "var/cache/edb", "var/cache/distfiles", "var/cache/binpkgs"],
  ],
};
