/** The nearest legal name of a document. */
export function documentName(written: string): string {
  const name = written.replace(/[^A-Za-z0-9._-]+/g, "-").replace(/^[^A-Za-z0-9]+/, "");
  return name === "" ? "unnamed" : name.slice(0, 63);
}

/** The name, or with a number behind it where it is taken. */
export function freeName(name: string, taken: { has(name: string): boolean }): string {
  let candidate = name;
  for (let number = 2; taken.has(candidate); number += 1) candidate = `${name.slice(0, 58)}-${number}`;
  return candidate;
}
