import type { Call } from "../../src/host/fake/faults.ts";

/** Reads from a process's calls to its store where it is in its own journal. */
export interface PointReader {
  /**
   * The point that this moment of a call is, as `POINTS` of the tests of kills names them (`artifact.place begun`,
   * `step volume.create unrecorded`), or `step volume.create begun`; undefined where it is none.
   */
  readonly read: (call: Call, moment: "before" | "after") => string | undefined;
}

/** Numbers are given anew by each process's own calls: one reader serves one process. */
export function createPointReader(): PointReader {
  const effects = new Map<string, string>();
  const steps = new Map<string, string>();
  let pending: string | undefined;

  function readRun(values: readonly string[], moment: "before" | "after"): string | undefined {
    const [sql = "", number = ""] = values;
    if (moment === "after") {
      if (sql.startsWith("insert into steps")) pending = begin(steps, number, `step ${values[4]}`);
      else if (sql.startsWith("insert into effects")) pending = begin(effects, number, values[3] ?? "");
      return undefined;
    }
    if (sql.startsWith("update effects set ended_at = ? where effect")) return named(effects, values[2], "done");
    if (!sql.startsWith("update steps set ended_at")) return undefined;
    pending = named(steps, values[4], "recorded");
    return named(steps, values[4], "unrecorded");
  }

  return {
    read: ({ name, arguments: values }, moment) => {
      if (name === "stores.run") return readRun(values, moment);
      if (name !== "stores.transaction") return undefined;
      const point = pending;
      pending = undefined;
      return moment === "after" ? point : undefined;
    },
  };
}

function begin(names: Map<string, string>, number: string, name: string): string {
  names.set(number, name);
  return `${name} begun`;
}

function named(names: ReadonlyMap<string, string>, number: string | undefined, what: string): string | undefined {
  const name = names.get(number ?? "");
  return name && `${name} ${what}`;
}

/** The command that a call runs; empty for any other call. */
export function fileOf(call: Call): string {
  return /"file":"([^"]*)"/.exec(call.arguments[0] ?? "")?.[1] ?? "";
}
