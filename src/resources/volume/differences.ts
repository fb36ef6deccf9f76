import type { OwnedRecord, VolumeResource } from "../../core/resource.ts";
import { sizeText } from "../../core/size.ts";
import type { ObservedVolume } from "./observe.ts";

/** What is done about a difference, in this order: what comes later may need what comes before. */
export type Correction = "mount" | "remount" | "mark" | "resize" | "label" | "attributes";

export interface Difference {
  readonly correction: Correction;
  /** `mode is 0777, 0755 is declared`. */
  readonly reason: string;
  /** The recorded input that tells whether the commit brought it. */
  readonly input: keyof VolumeInputs | "";
}

/** What was applied of a declaration, as its record keeps it. */
export interface VolumeInputs {
  readonly mode: string;
  readonly owner: string;
  readonly size: string;
  readonly label: string;
  readonly mountOptions: string;
}

export function volumeInputs(resource: VolumeResource, wanted: { owner: number; group: number }): VolumeInputs {
  return {
    mode: octal(resource.mode),
    owner: `${wanted.owner}:${wanted.group}`,
    size: resource.size_bytes === undefined ? "" : String(resource.size_bytes),
    label: resource.label ?? "",
    mountOptions: resource.mountOptions.join(","),
  };
}

/** What differs of a volume of ours and can be corrected. What only a mounted volume shows is not known of another. */
export function differences(resource: VolumeResource, observed: ObservedVolume): readonly Difference[] {
  if (observed.mount.state === "absent")
    return [{ correction: "mount", reason: `it is not mounted at ${observed.path}`, input: "" }];
  return [
    ...observed.mount.differences.map(
      (reason) => ({ correction: "remount", reason, input: "mountOptions" }) satisfies Difference,
    ),
    ...(observed.top === "ours" ? [] : [unmarked(observed)]),
    ...sizeDifference(resource, observed),
    ...labelDifference(resource, observed),
    ...attributeDifferences(resource, observed),
  ];
}

/** Whether the commit, not the host, brought a difference. */
export function isIntended(
  { input }: Difference,
  resource: VolumeResource,
  observed: ObservedVolume,
  owned: OwnedRecord,
): boolean {
  if (input === "" || observed.wanted === undefined) return false;
  return (owned.inputs[input] ?? "") !== volumeInputs(resource, observed.wanted)[input];
}

/** As in ModeText: four octal digits. */
export function octal(mode: number): string {
  return mode.toString(8).padStart(4, "0");
}

function unmarked({ path }: ObservedVolume): Difference {
  return { correction: "mark", reason: `the top at ${path} does not carry its marker`, input: "" };
}

function sizeDifference(resource: VolumeResource, observed: ObservedVolume): readonly Difference[] {
  const { size_bytes: declared } = resource;
  if (declared === undefined) return [];
  const { size_bytes: size = Number.POSITIVE_INFINITY } = observed;
  if (size === declared || (size > declared && !observed.shrinks)) return [];
  const is = Number.isFinite(size) ? `size is ${sizeText(size)}` : "it has no limit of size";
  return [{ correction: "resize", reason: `${is}, ${sizeText(declared)} is declared`, input: "size" }];
}

function labelDifference(resource: VolumeResource, observed: ObservedVolume): readonly Difference[] {
  if (resource.label === undefined || resource.label === observed.label) return [];
  const is = observed.label === "" ? "it has no label" : `label is ${observed.label}`;
  return [{ correction: "label", reason: `${is}, ${resource.label} is declared`, input: "label" }];
}

function attributeDifferences(resource: VolumeResource, observed: ObservedVolume): readonly Difference[] {
  const { owner, group } = resource.ownership;
  const { mode, wanted } = observed;
  const modeReason = `mode is ${octal(mode)}, ${octal(resource.mode)} is declared`;
  const ownerReason = `owner is ${observed.owner}:${observed.group}, ${owner}:${group} is declared`;
  return [
    ...(mode === resource.mode ? [] : [{ correction: "attributes", reason: modeReason, input: "mode" } as const]),
    ...(observed.owner === wanted?.owner && observed.group === wanted.group
      ? []
      : [{ correction: "attributes", reason: ownerReason, input: "owner" } as const]),
  ];
}
