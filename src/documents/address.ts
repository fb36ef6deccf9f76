/** Addresses that a root's parts may be fetched from. Pure text: nothing is looked up. */
import { hostPathFault } from "./paths.ts";

/** True for what is written as an address: `https://...`, not a path. */
export function isAddress(place: string): boolean {
  return /^[A-Za-z][A-Za-z0-9+.-]*:/.test(place);
}

/** Why a text is neither a path nor an address that is fetched; undefined where it is one. Never repeats the text: it may hold a secret. */
export function placeFault(place: string): string | undefined {
  return isAddress(place) ? addressFault(place) : pathFault(place);
}

/** Why an address is not fetched. A user name or password in it would stand in logs and reports. */
export function addressFault(address: string): string | undefined {
  if (/[\s\u0000-\u001f\u007f"'\\{}[\]]/.test(address)) return "it holds a character that no address has";
  const parsed = URL.parse(address);
  if (parsed === null) return "it is no address";
  if (parsed.username !== "" || parsed.password !== "") return "it holds a user name or a password";
  if (!["https:", "http:", "file:"].includes(parsed.protocol)) return `${parsed.protocol} is not fetched`;
  if (parsed.hash !== "") return "it names a part of a document (`#`)";
  if (parsed.protocol !== "file:") return parsed.pathname.endsWith("/") ? "it names no file" : undefined;
  if (parsed.host !== "") return "a file: address names a host";
  return pathFault(filePath(address));
}

/** The path that a `file:` address means. */
export function filePath(address: string): string {
  const { pathname } = new URL(address);
  try {
    return decodeURIComponent(pathname);
  } catch {
    return pathname;
  }
}

/** A relative one may lead out of the folder by leading `..`: tarballs seldom stand in git. */
export function pathFault(path: string): string | undefined {
  const below = path.replace(/^(\.\.\/)+/, "");
  return hostPathFault(below === "" ? ".." : below);
}
