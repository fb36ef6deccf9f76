import { canonicalJson, type Json } from "../../core/digest.ts";
import type { TreeSource } from "../../core/resource.ts";

/** The source as a marker and a record keep it: a keyring by its hash, another tree by its name. */
export function sourceFacts(source: TreeSource): Json {
  if (source.type === "clone") return { type: source.type, tree: source.tree };
  if (source.type === "existing") return { type: source.type };
  const { keyring, ...rest } = source;
  const { maxSize_bytes: _, ...facts } = { maxSize_bytes: undefined, ...rest };
  return JSON.parse(canonicalJson(keyring === undefined ? facts : { ...facts, keyring: keyring.sha256 })) as Json;
}
