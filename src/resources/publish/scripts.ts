import { CURRENT, INCOMING, MARKER } from "./look.ts";
import { RELEASES, SUMS } from "./release.ts";

/**
 * What is done at the place that an image is published to: for a shell of any POSIX system with sha256sum and `mv -T`
 * (GNU, busybox), here or on another machine. Each begins with its own words as `$1`, `$2`, ...
 */

/** $1 the directory. Prints what stands there, a line each. */
export const LOOK = `
if ! cd "$1" 2>/dev/null; then
  if [ -e "$1" ] || [ -L "$1" ]; then echo other; else echo absent; fi
  exit 0
fi
echo "inode $(stat -c %i .)"
[ -z "$(ls -A | grep -v '^\\${MARKER}\\.new$')" ] || echo filled
[ ! -f ${MARKER} ] || echo "marker $(tr -d '\\n' <${MARKER})"
if [ -L ${CURRENT} ]; then echo "current $(readlink ${CURRENT})"; elif [ -e ${CURRENT} ]; then echo blocked; fi
cd ${CURRENT}/ 2>/dev/null || exit 0
for name in *; do
  case $name in *[!A-Za-z0-9._-]*) continue ;; esac
  [ -f "$name" ] && [ ! -L "$name" ] || continue
  echo "file $(sha256sum <"$name" | cut -d' ' -f1) $(stat -c %s "$name") $name"
done
[ ! -f ${SUMS} ] || sed 's/^/sums /' ${SUMS}
`;

/** $1 the directory, $2 its mode, $3 and $4 the marker's text before and behind its inode. */
export const MARK = `
set -eu
umask 077
[ -d "$1" ] || { mkdir "$1"; chmod "$2" "$1"; }
cd "$1"
printf '%s%s%s\\n' "$3" "$(stat -c %i .)" "$4" >${MARKER}.new
sync ${MARKER}.new 2>/dev/null || sync
mv -f ${MARKER}.new ${MARKER}
sync . 2>/dev/null || sync
`;

/**
 * $1 the directory, $2 the mode of files, then digests. Prints those that are not here whole, each with the bytes of it that
 * are, and at last how many KiB are free, where df tells it.
 */
export const RECEIVED = `
set -eu
umask 077
cd "$1"
mode=$2
shift 2
[ -d ${INCOMING} ] || mkdir ${INCOMING}
for digest; do
  file=${INCOMING}/$digest
  if [ -f "$file" ] && [ "$(sha256sum <"$file" | cut -d' ' -f1)" = "$digest" ]; then
    chmod "$mode" "$file"
    sync "$file" 2>/dev/null || sync
  else
    echo "$digest $(stat -c %s "$file" 2>/dev/null || echo 0)"
  fi
done
df -Pk . | sed -n '$s/^.* \\([0-9][0-9]*\\)  *[0-9]*% .*$/free \\1/p'
`;

/** $1 the directory, then digests: what came wrong is not gone on with. */
export const DISCARD = `
cd "$1"
shift
for digest; do rm -f "${INCOMING}/$digest"; done
`;

/**
 * $1 the directory, $2 the release, $3 its mode, $4 that of its files, then three words a file: its digest, its name in the
 * current release where that has it, and its name. The list comes first: what stands in the directory is known by it.
 */
export const PLACE = `
set -eu
umask 077
cd "$1"
release=$2
mode=$3
files=$4
shift 4
[ -d ${RELEASES} ] || { mkdir ${RELEASES}; chmod "$mode" ${RELEASES}; }
mkdir ".new-$release"
while [ $# -gt 0 ]; do
  if [ -n "$2" ]; then from=${CURRENT}/$2; else from=${INCOMING}/$1; fi
  ln "$from" ".new-$release/$3"
  chmod "$files" ".new-$release/$3"
  shift 3
done
chmod "$mode" ".new-$release"
sync ".new-$release" 2>/dev/null || sync
mv -T ".new-$release" "${RELEASES}/$release"
sync ${RELEASES} . 2>/dev/null || sync
`;

/** $1 the directory, $2 the release. */
export const SWITCH = `
set -eu
cd "$1"
rm -f ".current-$2"
ln -s "${RELEASES}/$2" ".current-$2"
mv -fT ".current-$2" ${CURRENT}
sync . 2>/dev/null || sync
`;

/**
 * $1 the directory, $2 the release that stays. Of any other, what its own list names goes, and the directory where nothing
 * else is in it; of what came in, names that are digests. Prints what was left.
 */
export const PRUNE = `
set -eu
cd "$1"
digit='[0-9]'
day=$digit$digit$digit$digit$digit$digit$digit$digit
hex='[0-9a-f]'
run="$day"T$digit$digit$digit$digit$digit$digit"Z-"$hex$hex$hex$hex$hex$hex$hex$hex
for each in ${RELEASES}/$run .new-$run; do
  [ -d "$each" ] && [ ! -L "$each" ] && [ "$each" != "${RELEASES}/$2" ] || continue
  if [ -f "$each/${SUMS}" ]; then
    while read -r digest name; do
      case $name in '' | .* | *[!A-Za-z0-9._-]*) continue ;; esac
      rm -f "$each/$name"
    done <"$each/${SUMS}"
    rm -f "$each/${SUMS}.gpg" "$each/${SUMS}.minisig" "$each/${SUMS}"
  fi
  rmdir "$each" 2>/dev/null || echo "$each"
done
for link in .current-$run; do [ ! -L "$link" ] || rm -f "$link"; done
for file in ${INCOMING}/*; do
  case \${file#${INCOMING}/} in *[!0-9a-f]*) echo "$file" ;; *) [ ! -f "$file" ] || rm -f "$file" ;; esac
done
rmdir ${INCOMING} 2>/dev/null || true
`;
