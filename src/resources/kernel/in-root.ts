import type { Command, Host } from "../../host/ports.ts";
import { NOBODY } from "../../host/unprivileged.ts";

/** A directory that is seen inside under another name; `isReadOnly`: nothing can be written there. */
export interface Place {
  readonly path: string;
  readonly name: string;
  readonly isReadOnly: boolean;
}

/** What a program needs of /dev. */
const DEVICES = ["null", "zero", "full", "random", "urandom"];

/**
 * Opens all directories first: what is mounted below may hide them. The root can only be read, without what is mounted in
 * it; of its own are a /proc, a /tmp, some of /dev, and the places below /mnt.
 */
const SCRIPT = `set -eu
root=$1 count=$2
shift 2
exec 3<"$root"
descriptor=3 places=
while [ "$count" -gt 0 ]; do
	descriptor=$((descriptor + 1)) count=$((count - 1))
	eval "exec $descriptor<\\"\\$1\\""
	places="$places $descriptor:$2:$3"
	shift 3
done
mount -t tmpfs -o mode=0755,size=64k,nosuid,nodev rootloom /mnt
mkdir /mnt/root /mnt/places
chmod 755 /mnt /mnt/places
for place in $places; do
	descriptor=\${place%%:*} mode=\${place##*:} name=\${place#*:}
	name=\${name%:*}
	mkdir "/mnt/places/$name"
	mount --no-canonicalize --bind "/proc/self/fd/$descriptor" "/mnt/places/$name"
	if [ "$mode" = ro ]; then mount -o remount,bind,ro "/mnt/places/$name"; fi
done
mount --no-canonicalize --bind /proc/self/fd/3 /mnt/root
exec 3<&- 4<&- 5<&- 6<&- 7<&-
mount -o remount,bind,ro,nosuid,nodev /mnt/root
for folder in mnt proc dev tmp; do
	if [ ! -d "/mnt/root/$folder" ] || [ -L "/mnt/root/$folder" ]; then
		echo "rootloom: error: the root has no directory /$folder" >&2
		exit 125
	fi
done
mount -t proc -o nosuid,nodev,noexec proc /mnt/root/proc
mount -t tmpfs -o mode=0755,size=64k,nosuid rootloom /mnt/root/dev
for device in ${DEVICES.join(" ")}; do
	: >"/mnt/root/dev/$device"
	mount --bind "/dev/$device" "/mnt/root/dev/$device"
done
ln -s /proc/self/fd /mnt/root/dev/fd
mount -t tmpfs -o mode=1777,nosuid,nodev rootloom /mnt/root/tmp
mount --rbind /mnt/places /mnt/root/mnt
exec "$@"`;

/** The rights that a change of root and of user needs; behind it, nobody has none, and can get none. */
const RIGHTS = "-all,+sys_chroot,+setuid,+setgid";

/** A command that runs inside of a root as nobody: without a network, in namespaces of its own. */
export function inRoot(
  root: string,
  places: readonly Place[],
  words: readonly string[],
  { processes }: Pick<Host, "processes">,
): Pick<Command, "file" | "arguments" | "directory" | "privateNamespace" | "timeout_ms"> {
  const chroot = processes.find("chroot") ?? "chroot";
  const enter = [chroot, `--userspec=${NOBODY}:${NOBODY}`, "--groups=", "/mnt/root"];
  const alone = ["unshare", "--net", "--", "setpriv", "--no-new-privs", "--inh-caps=-all", `--bounding-set=${RIGHTS}`];
  const bound = places.flatMap(({ path, name, isReadOnly }) => [path, name, isReadOnly ? "ro" : "rw"]);
  return {
    file: "sh",
    arguments: ["-c", SCRIPT, "sh", root, String(places.length), ...bound, ...alone, "--", ...enter, ...words],
    directory: "/",
    privateNamespace: true,
    timeout_ms: 0,
  };
}
