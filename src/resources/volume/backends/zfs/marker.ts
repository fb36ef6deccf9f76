import type { VolumeSubject, Working } from "../backend.ts";
import type { Property } from "./parse.ts";

/** The user property that says whose a dataset or snapshot is. ZFS keeps with it where its value comes from. */
export const MARKER = "rootloom:marker";

/** Value of the property: one line of JSON. */
interface ZfsMarker {
  readonly instance: string;
  readonly guid: string;
  readonly name: string;
  readonly runId: string;
}

export function markerText({ name }: Pick<VolumeSubject, "name">, guid: string, { instance, runId }: Working): string {
  return JSON.stringify({ instance, guid, name, runId } satisfies ZfsMarker);
}

/**
 * Why a dataset or snapshot is not ours: completes "it is ..."; undefined when it is. A marker means only what it was
 * set on itself: an inherited one means a parent, a received one or one with another guid the origin of a copy.
 * `name`: the volume it must mean; any volume of this installation where that is undefined.
 */
export function whyForeign(
  properties: ReadonlyMap<string, Property>,
  instance: string,
  name: string | undefined,
): string | undefined {
  const property = properties.get(MARKER);
  if (property === undefined) return "not made by Rootloom";
  if (property.source !== "local") return `not made by Rootloom: its marker is ${property.source}`;
  const marker = readMarker(property.value);
  if (marker === undefined) return "marked by something that cannot be read";
  if (marker.instance !== instance) return `made by another installation (${marker.instance.slice(0, 8)})`;
  if (marker.guid !== properties.get("guid")?.value) return "a copy: its marker names another object";
  return name === undefined || marker.name === name ? undefined : `marked as volume ${marker.name}`;
}

function readMarker(text: string): ZfsMarker | undefined {
  try {
    const { instance, guid, name } = (JSON.parse(text) ?? {}) as Partial<Record<keyof ZfsMarker, unknown>>;
    if (typeof instance !== "string" || typeof guid !== "string" || typeof name !== "string") return undefined;
    return { instance, guid, name, runId: "" };
  } catch {
    return undefined;
  }
}
