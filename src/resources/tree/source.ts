import { createHash } from "node:crypto";
import { posix } from "node:path";
import { canonicalJson, type Json } from "../../core/digest.ts";
import { RootloomError } from "../../core/error.ts";
import type { TreeResource, TreeSource } from "../../core/resource.ts";
import type { Files } from "../../host/ports.ts";
import type { ApplyContext } from "../types.ts";
import { bootstrap, keptBootstrap } from "./bootstrap.ts";

/** A tarball that was checked against its declared or recorded sha256. */
export interface Tarball {
  readonly path: string;
  readonly sha256: string;
}

/** Names what a tree is filled from: equal keys give the same content. Where a tarball stands is no part of it. */
export function sourceKey(source: TreeSource): string {
  if (source.type === "existing") return "existing";
  if (source.type === "tarball") return `sha256:${source.sha256}`;
  const digest = createHash("sha256").update(canonicalJson(source)).digest("hex");
  return `mmdebstrap:${digest.slice(0, 32)}`;
}

/** The source as a marker and a record keep it. */
export function sourceFacts(source: TreeSource): Json {
  return JSON.parse(canonicalJson(source)) as Json;
}

/** Whether the tarball that the tree was filled from still stands somewhere; its content is checked before use. */
export function isSourceKept(source: TreeSource, cache: string, files: Files): boolean {
  if (source.type === "existing") return false;
  if (source.type === "tarball") return files.stat(source.location)?.type === "file";
  return keptBootstrap(sourceKey(source), cache, files) !== undefined;
}

/** The tarball to fill a tree from: the declared one, or what mmdebstrap made (now, or earlier with the same arguments). */
export async function provideTarball(resource: TreeResource, context: ApplyContext): Promise<Tarball> {
  const { source } = resource;
  if (source.type === "tarball") return checkTarball(resource.name, source.location, source.sha256, context);
  if (source.type === "existing")
    throw new RootloomError(`cannot fill tree ${resource.name}: an existing root has no source`, {
      hint: "declare a tarball or mmdebstrap",
    });
  const kept = await keptTarball(resource, context);
  return kept ?? bootstrap(resource.name, source, sourceKey(source), context);
}

/** As `provideTarball`, but nothing is made: undefined where no tarball is kept or it is not what was recorded. */
export async function keptTarball(resource: TreeResource, context: ApplyContext): Promise<Tarball | undefined> {
  const { source, name } = resource;
  if (source.type === "existing") return undefined;
  if (source.type === "tarball") return checkTarball(name, source.location, source.sha256, context);
  const kept = keptBootstrap(sourceKey(source), context.cache, context.host.files);
  if (kept === undefined) return undefined;
  const seen = await context.host.jobs.run(
    "hash",
    { path: kept.path, cache: context.cache, trustCache: true },
    { signal: context.signal },
  );
  return seen?.sha256 === kept.sha256 ? kept : undefined;
}

async function checkTarball(name: string, location: string, sha256: string, context: ApplyContext): Promise<Tarball> {
  if (!posix.isAbsolute(location))
    throw new RootloomError(`cannot read the source of tree ${name}: ${location} is not an absolute path`, {
      hint: "a bare repository has no files beside it: give the tarball's absolute path",
    });
  const seen = await context.host.jobs.run(
    "hash",
    { path: location, cache: context.cache, trustCache: true },
    { signal: context.signal },
  );
  if (seen === undefined)
    throw new RootloomError(`cannot read the source of tree ${name}: ${location} is not there`, {
      hint: `put the tarball at ${location}`,
    });
  if (seen.sha256 !== sha256)
    throw new RootloomError(
      `cannot use the source of tree ${name}: sha256 of ${location} is ${seen.sha256}, ${sha256} is declared`,
      { hint: "fetch the file again, or declare the hash that its publisher names" },
    );
  return { path: location, sha256 };
}
