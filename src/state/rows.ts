import { RootloomError } from "../core/error.ts";
import type { OwnedRecord, ResourceId } from "../core/resource.ts";
import type { Database, SqlValue } from "../host/ports.ts";
import type { Condition, Decision } from "./types.ts";

export type Row = Readonly<Record<string, SqlValue>>;

/** A value kept as JSON. The store wrote it itself, so its shape is that of the writer's type. */
export function stored<T>(text: SqlValue | undefined): T {
  try {
    return JSON.parse(String(text)) as T;
  } catch (cause) {
    throw new RootloomError("cannot read the state: a row holds no JSON", {
      condition: "StoreCorrupt",
      hint: "move rootloom.db aside: the next `rootloom apply` rebuilds it from the host's markers",
      cause,
    });
  }
}

export function upsertRecord(database: Database, record: OwnedRecord): void {
  database.run("delete from records where id = ?", record.id);
  database.run("insert into records values (?, ?)", record.id, JSON.stringify(record));
}

export function decisionOf(row: Row): Decision {
  return {
    id: text(row.id) as ResourceId,
    type: text(row.type) as Decision["type"],
    digest: text(row.digest),
    who: text(row.who),
    why: text(row.why),
    until: text(row.until_time),
    at: text(row.decided_at),
  };
}

export function conditionOf(row: Row): Condition {
  return {
    object: text(row.object),
    type: text(row.type) as Condition["type"],
    status: text(row.status) as Condition["status"],
    reason: text(row.reason),
    message: text(row.message),
    lastTransitionTime: text(row.last_transition_time),
    observedGeneration: text(row.observed_generation),
  };
}

export function text(value: SqlValue | undefined): string {
  return value === null || value === undefined ? "" : String(value);
}
