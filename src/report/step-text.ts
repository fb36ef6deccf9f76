import { showPath } from "../core/entry.ts";
import type { Resource } from "../core/resource.ts";
import type { Operation, Step, StepOf } from "../core/step.ts";

/**
 * What each operation does to its object, as a participle: completes "the root debian has been ...",
 * "... will be ...", "... could not be ...". An operation without an entry does not compile.
 */
const done: { readonly [O in Operation]: (step: StepOf<O>) => string } = {
  "volume.create": (step) => `created at ${step.arguments.resource.path}`,
  "volume.adopt": (step) => `adopted at ${step.arguments.resource.path}`,
  "volume.update": () => "brought back to what is declared",
  "volume.delete": (step) => `deleted with all its data (${step.destroys ?? step.arguments.record.identity})`,
  "tree.create": (step) => `filled from ${sourceText(step.arguments.resource)}`,
  "tree.adopt": (step) => `adopted at ${step.arguments.resource.path}`,
  "tree.update": () => "taken note of again; its files stay as they are",
  "tree.restore": (step) => `restored in ${count(step.arguments.paths.length, "path")}`,
  "tree.replace": (step) => `replaced from ${sourceText(step.arguments.resource)}; the old one is kept`,
  "tree.delete": (step) => `deleted with all its data (${step.destroys ?? step.arguments.record.identity})`,
  "overlay.lay": (step) => laidText(step),
  "overlay.remove": () => "removed from its root",
  "mount.mount": (step) => `mounted from ${step.arguments.resource.source}`,
  "mount.remount": (step) =>
    step.arguments.unmountFirst ? "unmounted and mounted again" : "remounted with its declared options",
  "mount.prove": () => "proved to work in a namespace of its own; nothing stays mounted",
  "mount.unmount": () => "unmounted",
  "link.write": (step) => `pointed at ${step.arguments.resource.target}`,
  "link.delete": () => "deleted",
  "environment.write": (step) => `written to ${step.arguments.resource.path}`,
  "environment.delete": () => "deleted",
  "provision.run": () => "carried out",
  "artifact.pack": () => "packed",
  "artifact.switch": (step) => `switched to generation ${step.arguments.generation}`,
  "artifact.delete": (step) => `deleted with its generations (${step.destroys ?? step.arguments.record.identity})`,
  "kernel.build": () => "built",
  "kernel.delete": (step) => `deleted with all that was built (${step.destroys ?? step.arguments.record.identity})`,
  "publish.upload": (step) => `uploaded to ${publishedTo(step.arguments.resource)}`,
  forget: () => "forgotten: its data and its marker stay",
  keep: () => "kept as it is",
};

/** The participle of a step: `filled from mmdebstrap bookworm`. */
export function participle(step: Step): string {
  const text = done[step.operation] as (step: Step) => string;
  return text(step);
}

const nouns: { readonly [K in Step["kind"]]: string } = {
  volume: "volume",
  tree: "root",
  overlay: "overlay",
  mount: "mount",
  link: "link",
  environment: "environment file",
  provision: "provisioning of root",
  artifact: "image",
  kernel: "kernel",
  publish: "publication of",
};

/** What a person calls the object of a step: `root debian`, `image debian`. */
export function objectText(object: Pick<Step, "kind" | "name">): string {
  return `${nouns[object.kind]} ${object.name}`;
}

function sourceText(resource: Extract<Resource, { kind: "tree" }>): string {
  const { source } = resource;
  if (source.type === "tarball") return `tarball ${source.location}`;
  if (source.type === "mmdebstrap" || source.type === "debootstrap") return `${source.type} ${source.suite}`;
  if (source.type === "clone") return `a copy of ${source.tree}`;
  return "what is there";
}

function publishedTo({ place }: Extract<Resource, { kind: "publish" }>): string {
  return place.type === "directory" ? place.path : `${place.user}@${place.host}:${place.path}`;
}

function laidText(step: StepOf<"overlay.lay">): string {
  const { lay, remove } = step.arguments;
  const first = lay.length === 1 ? showPath(lay[0] ?? "") : count(lay.length, "path");
  const laid = `laid (${first})`;
  return remove.length === 0 ? laid : `${laid}, ${count(remove.length, "path")} removed`;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
