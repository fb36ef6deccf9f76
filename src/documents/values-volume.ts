import { absolutePathFault, hostPathFault } from "./paths.ts";
import type { VolumeSpec } from "./types.ts";
import { checkAttributes, checkLinks, checkSize, type Report } from "./value-checks.ts";

type Backend = VolumeSpec["backend"];

/** Fields that only some backends have; all others are common to all. */
const BACKENDS_OF: Readonly<Partial<Record<keyof VolumeSpec, readonly Backend[]>>> = {
  path: ["directory", "btrfs"],
  dataset: ["zfs"],
  group: ["lvm"],
  logicalVolume: ["lvm"],
  thinPool: ["lvm"],
  image: ["loop"],
  size: ["lvm", "loop", "zfs", "btrfs"],
  filesystem: ["lvm", "loop"],
  label: ["lvm", "loop"],
  mountPoint: ["zfs", "lvm", "loop"],
  mountOptions: ["zfs", "lvm", "loop"],
};
const NEEDED: Readonly<Record<Backend, readonly (keyof VolumeSpec)[]>> = {
  directory: [],
  btrfs: [],
  loop: ["size"],
  zfs: ["dataset"],
  lvm: ["group", "size"],
};
const LABEL_BYTES_MAX = { ext4: 16, xfs: 12, btrfs: 255 } as const;

export function checkVolume(spec: VolumeSpec, report: Report): void {
  for (const [field, backends] of Object.entries(BACKENDS_OF)) {
    if (field in spec && !backends.includes(spec.backend)) {
      const hint = `leave it out: it belongs to ${backends.join(", ")}`;
      report([field], `cannot use \`${field}\`: backend ${spec.backend} has no such thing`, hint);
    }
  }
  for (const field of NEEDED[spec.backend]) {
    if (field in spec) continue;
    report([], `cannot make a ${spec.backend} volume: \`${field}\` is missing`, `add \`${field}:\``);
  }
  checkSize(spec.size, ["size"], report);
  checkAttributes(spec, [], report);
  checkLinks(spec.links, report);
  checkLabel(spec, report);
  checkPlaces(spec, report);
  for (const [index, option] of (spec.mountOptions ?? []).entries()) {
    if (/[\s,\u0000-\u001f]/.test(option)) {
      report(
        ["mountOptions", index],
        `cannot use the option \`${option}\``,
        "write one option an item, without spaces",
      );
    }
  }
}

function checkLabel(spec: VolumeSpec, report: Report): void {
  if (spec.label === undefined) return;
  const filesystem = spec.filesystem ?? "ext4";
  const limit = LABEL_BYTES_MAX[filesystem];
  const length = new TextEncoder().encode(spec.label).length;
  if (length > limit) {
    const message = `cannot use the label \`${spec.label}\`: it has ${length} bytes`;
    report(["label"], message, `a label of ${filesystem} has at most ${limit} bytes`);
  }
  if (filesystem === "xfs" && /\s/.test(spec.label)) {
    report(["label"], `cannot use the label \`${spec.label}\`: it holds a space`, "a label of xfs has none");
  }
  if (/[\u0000-\u001f\u007f/]/.test(spec.label)) {
    report(["label"], "cannot use the label: it holds a slash or a control character", "use letters and digits");
  }
}

function checkPlaces(spec: VolumeSpec, report: Report): void {
  for (const field of ["path", "image"] as const) {
    const value = spec[field];
    const fault = value === undefined ? undefined : hostPathFault(value);
    if (fault === undefined) continue;
    const hint = "write an absolute path, or one below the state directory";
    report([field], `cannot use the path \`${value}\`: ${fault}`, hint);
  }
  const fault = spec.mountPoint === undefined ? undefined : absolutePathFault(spec.mountPoint);
  if (fault !== undefined) {
    report(["mountPoint"], `cannot mount at \`${spec.mountPoint}\`: ${fault}`, "write an absolute path");
  }
  if (spec.dataset !== undefined && !/^[A-Za-z0-9][\w.:-]*(\/[\w.:-]+)*$/.test(spec.dataset)) {
    report(["dataset"], `cannot use the dataset \`${spec.dataset}\``, "write pool/name/name, without a leading slash");
  }
  for (const field of ["group", "logicalVolume", "thinPool"] as const) {
    const value = spec[field];
    if (value === undefined || /^[A-Za-z0-9+_.][A-Za-z0-9+_.-]{0,126}$/.test(value)) continue;
    report([field], `cannot use \`${value}\` as ${field}`, "use letters, digits and + _ . -");
  }
}
