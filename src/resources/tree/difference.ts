import { canonicalJson, type Json } from "../../core/digest.ts";
import type { TreeSource } from "../../core/resource.ts";
import { sourceFacts } from "./facts.ts";

/** Where a tarball stands and how its times are read do not change what a tree holds, where a hash names it. */
const NOT_CONTENT = ["location", "sourceDate_s"];

/** Names what differs between the source a tree was made from and the declared one: `suite is trixie, was bookworm`. */
export function sourceChange(was: Json, source: TreeSource): string {
  const old = isObject(was) ? was : {};
  const wanted = sourceFacts(source) as { readonly [key: string]: Json };
  if (old.type !== undefined && old.type !== wanted.type) return `it is ${show(wanted.type)}, was ${show(old.type)}`;
  const hashed = wanted.sha256 !== undefined || wanted.sha512 !== undefined;
  const keys = [...new Set([...Object.keys(old), ...Object.keys(wanted)])].sort();
  const changes = keys
    .filter((key) => (!hashed || !NOT_CONTENT.includes(key)) && canonicalJson(old[key]) !== canonicalJson(wanted[key]))
    .map((key) => `${key} is ${show(wanted[key])}, was ${show(old[key])}`);
  return changes.length === 0 ? "it was made from another" : changes.join("; ");
}

function show(value: Json | undefined): string {
  if (value === undefined || value === null) return "not set";
  if (Array.isArray(value)) return value.length === 0 ? "empty" : value.map(show).join(",");
  const text = typeof value === "string" ? value : canonicalJson(value);
  return /^([0-9a-f]{64}|[0-9a-f]{128})$/.test(text) ? text.slice(0, 12) : text;
}

function isObject(value: Json): value is { readonly [key: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
