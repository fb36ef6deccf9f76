import { posix } from "node:path";
import { RootloomError } from "../../core/error.ts";
import type { ArtifactResource } from "../../core/resource.ts";
import type { Attributes, Files } from "../../host/ports.ts";
import { checkHostPath } from "../limits.ts";
import { identityOf, type Marker } from "../marker.ts";
import type { ApplyContext } from "../types.ts";
import { removeDirectory } from "./generations.ts";
import { markerPath, whoseIs } from "./observe.ts";

const LEFTOVER = /^\.(build|damaged|check|publish)-/;

/** Makes an artifact's directory with its marker, or checks that the one there is still ours. */
export async function prepareDirectory(resource: ArtifactResource, context: ApplyContext): Promise<void> {
  const { files } = context.host;
  const { path } = resource;
  const { state, whose } = whoseIs(path, context);
  if (state === "ours") return;
  if (state === "foreign") {
    throw new RootloomError(`cannot pack into ${path}: it is ${whose}`, {
      hint: "move it away, or give the Image another name",
    });
  }
  const parent = posix.dirname(path);
  files.makeDirectories(parent);
  const temporary = temporaryPlace(resource, context);
  await context.effect("artifact.make-directory", { path }, () => {
    sweepTemporaries(files, resource, context.instance);
    files.makeDirectories(temporary);
    writeMarker(resource, temporary, context);
    files.rename(temporary, path);
  });
}

/** What observe saw, asked again just before: a link in the path, or the limits, may be others by now. */
export function requireAllowed(path: string, context: ApplyContext): void {
  const refused = checkHostPath(context.host.files, path, context.limits, context.state);
  if (refused !== undefined) throw refused;
}

/** Also that the directory is still the one that we marked. */
export function requireOurs(path: string, context: ApplyContext): void {
  requireAllowed(path, context);
  const { state, whose } = whoseIs(path, context);
  if (state === "ours") return;
  throw new RootloomError(`cannot change ${path}: it is ${state === "absent" ? "gone" : whose}`, {
    hint: "look at it; the next pass observes it again",
  });
}

/** Removes what killed or failed packings left in a directory of ours. Returns how many. */
export function sweepBuilds(files: Files, path: string): number {
  const left = (files.list(path) ?? []).filter((name) => LEFTOVER.test(name));
  for (const name of left) removeDirectory(files, `${path}/${name}`);
  return left.length;
}

/** Owner and group of files beside: those of the directory, so that packing works for any user. */
export function attributesIn(files: Files, directory: string, mode: number): Attributes {
  const stat = files.stat(directory);
  return { owner: stat?.owner ?? 0, group: stat?.group ?? 0, mode };
}

/** Last part of a run id: `20261121T074500Z-3f2a9c01` -> `3f2a9c01`. */
export function shortRun(runId: string): string {
  return runId.slice(-8);
}

function writeMarker(resource: ArtifactResource, directory: string, context: ApplyContext): void {
  const { files, clock } = context.host;
  const marker: Marker = {
    version: 1,
    instance: context.instance,
    kind: "artifact",
    name: resource.name,
    identity: identityOf(files, directory),
    runId: context.runId,
    createdAt: new Date(clock.now_ms()).toISOString(),
    inputs: {},
    details: {},
  };
  const text = `${JSON.stringify(marker, undefined, 2)}\n`;
  files.writeFile(markerPath(directory), text, attributesIn(files, directory, 0o600));
}

type Subject = Pick<ArtifactResource, "path" | "name">;

/** Where an artifact's directory is made, and where it goes before it is removed. */
export function temporaryPlace({ path, name }: Subject, { instance, runId }: ApplyContext): string {
  return `${posix.dirname(path)}/${temporaryPrefix(name, instance)}${shortRun(runId)}`;
}

/** Removes what killed creations and removals of an artifact left. */
export function sweepTemporaries(files: Files, resource: Subject, instance: string): void {
  const parent = posix.dirname(resource.path);
  const prefix = temporaryPrefix(resource.name, instance);
  const left = (files.list(parent) ?? []).filter(
    (name) => name.startsWith(prefix) && name.length === prefix.length + 8,
  );
  for (const name of left) removeDirectory(files, `${parent}/${name}`);
}

function temporaryPrefix(name: string, instance: string): string {
  return `.rootloom-${instance.slice(0, 8)}-${name}-`;
}
