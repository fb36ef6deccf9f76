/** Values by absolute path; what stands above a path is found by walking down its components, however many there are. */
export class PathIndex<Value> {
  readonly #top: Place<Value> = { values: [], below: new Map() };

  add(path: string, value: Value): void {
    let place = this.#top;
    for (const component of componentsOf(path)) {
      const next: Place<Value> = place.below.get(component) ?? { values: [], below: new Map() };
      place.below.set(component, next);
      place = next;
    }
    place.values.push(value);
  }

  /** The values at all paths strictly above this one, the top's first. */
  above(path: string): readonly Value[] {
    const found: Value[] = [];
    let place: Place<Value> | undefined = this.#top;
    for (const component of componentsOf(path)) {
      if (place === undefined) break;
      found.push(...place.values);
      place = place.below.get(component);
    }
    return found;
  }
}

interface Place<Value> {
  readonly values: Value[];
  readonly below: Map<string, Place<Value>>;
}

function componentsOf(path: string): readonly string[] {
  return path.split("/").filter((component) => component !== "");
}
