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

/** New names of the older tool's overlays: `common`, `hardware/NAME`, `secret-sauce/NAME`; what was renamed is noted. */
export class OverlayNames {
  /** All but `common`, as they came. */
  readonly all = new Set<string>();
  readonly #byFolder = new Map<string, string>();
  readonly #notes: string[];

  constructor(notes: string[]) {
    this.#notes = notes;
  }

  /** Two names that become the same one stay apart. */
  of(folder: string, kind: string | undefined, written: string): string {
    if (kind === undefined) return "common";
    const known = this.#byFolder.get(folder);
    if (known !== undefined) return known;
    const taken = { has: (name: string) => this.all.has(`${kind}/${name}`) };
    const name = freeName(documentName(written), taken);
    if (name !== written) {
      this.#notes.push(`${folder}: called ${name}, for names are letters, digits, dot, dash, underscore`);
    }
    this.#byFolder.set(folder, `${kind}/${name}`);
    this.all.add(`${kind}/${name}`);
    return `${kind}/${name}`;
  }
}
