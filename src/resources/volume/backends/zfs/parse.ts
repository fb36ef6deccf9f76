/** A property with where its value comes from. */
export interface Property {
  readonly value: string;
  /** `local`, `default`, `received`, `temporary`, `inherited from tank`; `-` where that means nothing. */
  readonly source: string;
}

/** Properties by dataset or snapshot, in the order they were printed. A property that is not set is left out. */
export type Properties = ReadonlyMap<string, ReadonlyMap<string, Property>>;

/**
 * What `zfs get` printed: JSON (`-j -p`, OpenZFS 2.3 and later) or lines of name, property, value and source with a tab
 * between them (`-H -p`, every version). Lines and fields that are neither are left out.
 */
export function parseProperties(text: string): Properties {
  return collect(text.trimStart().startsWith("{") ? fromJson(text) : fromLines(text));
}

interface Row extends Property {
  readonly name: string;
  readonly property: string;
}

/** The first of a name counts: a value that holds a line break cannot speak for another property after it. */
function collect(rows: readonly Row[]): Properties {
  const found = new Map<string, Map<string, Property>>();
  for (const { name, property, value, source } of rows) {
    const properties = found.get(name) ?? new Map<string, Property>();
    found.set(name, properties);
    const isUnset = value === "-" && source === "-";
    if (!isUnset && !properties.has(property)) properties.set(property, { value, source });
  }
  return found;
}

function fromLines(text: string): readonly Row[] {
  return text.split("\n").flatMap((line) => {
    const [name, property, value, source, ...more] = line.split("\t");
    if (name === undefined || property === undefined || value === undefined || source === undefined) return [];
    return more.length > 0 ? [] : [{ name, property, value, source }];
  });
}

function fromJson(text: string): readonly Row[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return [];
  }
  return entries(parsed, "datasets").flatMap(([name, dataset]) =>
    entries(dataset, "properties").map(([property, content]) => ({
      name,
      property,
      value: String(field(content, "value") ?? "-"),
      source: sourceText(field(content, "source")),
    })),
  );
}

/** `{"type": "INHERITED", "data": "tank"}` as the lines say it. */
function sourceText(source: unknown): string {
  const type = String(field(source, "type") ?? "").toLowerCase();
  if (type === "inherited") return `inherited from ${String(field(source, "data") ?? "")}`;
  return type === "none" || type === "" ? "-" : type;
}

function entries(value: unknown, name: string): readonly (readonly [string, unknown])[] {
  const inner = field(value, name);
  return typeof inner === "object" && inner !== null ? Object.entries(inner) : [];
}

function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>)[name] : undefined;
}
