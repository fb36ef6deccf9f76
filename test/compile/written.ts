import { expect } from "vitest";
import { type CompileInput, compile } from "../../src/compile/compile.ts";
import type { Resource } from "../../src/core/resource.ts";
import { loadDocuments } from "../../src/documents/load.ts";
import { sha256, snapshotOf, type Written } from "../documents/snapshot.ts";

/** A made-up tree below `desired/`, as text, and what it compiles to. */
export type Files = Readonly<Record<string, Written>>;

export const head = (kind: string, name: string): string =>
  `apiVersion: rootloom/v1\nkind: ${kind}\nmetadata:\n  name: ${name}\nspec:\n`;
/** What a matrix fills in, as people write it. */
export const TARGET_NAME = "$" + "{target.name}";
export const overlayYaml = (spec: string): string => `apiVersion: rootloom/v1\nkind: Overlay\nspec:\n${spec}`;

/** What `compile` is given for these files, of which the documents are valid. */
export function inputOf(files: Files): CompileInput {
  const snapshot = snapshotOf(files);
  const loaded = loadDocuments(snapshot);
  expect(loaded.problems).toEqual([]);
  const defaults = { jobs: 2, memory_bytes: 1024 };
  const places = { state: "/state", baseDirectory: "/srv/config/desired" };
  return { ...loaded, files: snapshot.files, ...places, defaults, digest: sha256 };
}

export function compileFiles(files: Files): ReturnType<typeof compile> {
  return compile(inputOf(files));
}

/** Resources by their id, of a tree without problems. */
export function resourcesOf(files: Files): ReadonlyMap<string, Resource> {
  const { graph, problems } = compileFiles(files);
  expect(problems).toEqual([]);
  return new Map(graph.resources.map((resource) => [resource.id, resource]));
}

/** `file:line:column: message` and the hint, of each problem. */
export function problemsOf(files: Files): readonly (readonly [string, string])[] {
  return compileFiles(files).problems.map(({ file, line, column, message, hint }) => [
    `${file}:${line}:${column}: ${message}`,
    hint,
  ]);
}
