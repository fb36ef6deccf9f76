/** Everything that tells whose an environment file is stands in its first line. */
export function firstLine(instance: string, name: string): string {
  return `# Written by Rootloom (instance ${instance}, environment ${name}): edits are put back, change the declaration instead.`;
}

/** The whole file: sorted `NAME='value'` lines that any POSIX shell reads back as the same values. */
export function renderEnvironment(variables: Readonly<Record<string, string>>, instance: string, name: string): string {
  const lines = Object.keys(variables)
    .sort()
    .map((variable) => `${variable}=${quote(variables[variable] ?? "")}`);
  return `${[firstLine(instance, name), ...lines].join("\n")}\n`;
}

/** Why a set of variables cannot be written; undefined when it can. */
export function variableProblem(variables: Readonly<Record<string, string>>): string | undefined {
  for (const [name, value] of Object.entries(variables)) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return `${JSON.stringify(name)} is no name of a variable`;
    if (value.includes("\0")) return `the value of ${name} holds a NUL byte`;
  }
  return undefined;
}

/** Lines by the name they set, so that people are told names and never values. */
export function changedNames(was: string, wanted: string): readonly string[] {
  const old = byName(was);
  const fresh = byName(wanted);
  return [...new Set([...old.keys(), ...fresh.keys()])].filter((name) => old.get(name) !== fresh.get(name)).sort();
}

/** Inside single quotes a shell expands nothing; a single quote itself closes, is escaped, and opens again. */
function quote(value: string): string {
  return `'${value.replaceAll("'", "'\\''")}'`;
}

/** A value may hold newlines: a line that sets no name belongs to the one before it. */
function byName(text: string): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  let name = "";
  for (const line of text.split("\n").slice(1)) {
    name = /^([A-Za-z_][A-Za-z0-9_]*)=/.exec(line)?.[1] ?? name;
    if (name === "" && line === "") continue;
    values.set(name === "" ? line : name, `${values.get(name) ?? ""}${line}\n`);
  }
  return values;
}
