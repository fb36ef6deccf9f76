import { stringify } from "yaml";
import { API_VERSION, type DocumentKind, type DocumentMap } from "./types.ts";

/** A file to be written below `desired/` for a person to edit and commit. */
export interface TreeFile {
  /** Below `desired/`. */
  readonly path: string;
  readonly content: string | Uint8Array;
  readonly executable: boolean;
  /** Set for a symbolic link; the content is empty then. */
  readonly target?: string;
}

/**
 * One document as a file, with the editor's line on top; `.schemas` stands beside `desired/` and is made by
 * `rootloom schema --out .schemas`. The comment's lines come without `#`.
 */
export function documentFile<K extends DocumentKind>(
  path: string,
  kind: K,
  name: string | undefined,
  spec: DocumentMap[K],
  comment: readonly string[] = [],
): TreeFile {
  const up = "../".repeat(path.split("/").length);
  const head = [`yaml-language-server: $schema=${up}.schemas/${kind}.json`, ...comment].map((line) => `# ${line}`);
  const metadata = name === undefined ? {} : { metadata: { name } };
  const document = { apiVersion: API_VERSION, kind, ...metadata, spec };
  return textFile(path, `${head.join("\n")}\n${stringify(document, { lineWidth: 0 })}`);
}

export function textFile(path: string, content: string, executable = false): TreeFile {
  return { path, content, executable };
}
