import type { Operation } from "../core/step.ts";
import type { Database } from "../host/ports.ts";
import { type Row, stored, text, upsertRecord } from "./rows.ts";
import type { State } from "./types.ts";

export interface OpenStep {
  readonly step: bigint;
  readonly runId: string;
  readonly stepId: string;
  readonly operation: string;
  /** ISO 8601, UTC. */
  readonly begunAt: string;
}

export type JournalStore = Pick<
  State,
  "beginStep" | "beginEffect" | "endEffect" | "finishStep" | "openEffects" | "closeStep"
> & { openSteps(): readonly OpenStep[] };

/**
 * The journal: an intent before each effect, an outcome after it. A step stays open until it is finished
 * together with its record; what a kill leaves open is answered by `openEffects`.
 */
export function journalOf(database: Database): JournalStore {
  return {
    beginStep: (runId, stepId, operation, at) =>
      database.transaction(() => begin(database, runId, stepId, operation, at)),
    beginEffect: (step, effect, details, at) =>
      database.transaction(() => {
        const number = nextNumber(database, "effect", "effects");
        const values = [effect, JSON.stringify(details), at];
        database.run("insert into effects values (?, ?, ?, ?, ?, null)", number, step, ...values);
        return number;
      }),
    endEffect: (effect, at) =>
      database.transaction(() => database.run("update effects set ended_at = ? where effect = ?", at, effect)),
    finishStep: (step, outcome, at) =>
      database.transaction(() => {
        close(database, step, outcome.result, outcome.error ?? null, at);
        if (outcome.record !== undefined) upsertRecord(database, outcome.record);
        // After a failure the resource stays owned: its removal has not been seen.
        else if (outcome.error === undefined) database.run("delete from records where id = ?", outcome.id);
      }),
    openEffects: () =>
      database
        .all(
          `select effects.*, steps.run_id, steps.step_id, steps.operation from effects
             join steps on steps.step = effects.step where steps.ended_at is null order by effects.effect`,
        )
        .map(openEffectOf),
    closeStep: (step, result, at) => database.transaction(() => close(database, step, result, null, at)),
    openSteps: () =>
      database.all("select * from steps where ended_at is null order by step").map((row) => ({
        step: row.step as bigint,
        runId: text(row.run_id),
        stepId: text(row.step_id),
        operation: text(row.operation),
        begunAt: text(row.begun_at),
      })),
  };
}

function begin(database: Database, runId: string, stepId: string, operation: string, at: string): bigint {
  // An earlier run that was killed before its first effect left nothing to recover: its step is superseded.
  const superseded = database.all(
    `select step from steps where step_id = ? and run_id <> ? and ended_at is null
       and not exists (select 1 from effects where effects.step = steps.step)`,
    stepId,
    runId,
  );
  for (const row of superseded) close(database, row.step as bigint, "interrupted", null, at);
  const number = nextNumber(database, "step", "steps");
  database.run("insert into steps values (?, ?, ?, ?, ?, null, null, null)", number, runId, stepId, operation, at);
  return number;
}

function close(database: Database, step: bigint, result: string, error: string | null, at: string): void {
  database.run("update effects set ended_at = ? where step = ? and ended_at is null", at, step);
  database.run("update steps set ended_at = ?, result = ?, error = ? where step = ?", at, result, error, step);
}

/** Numbers follow each other: there is one writer, and it holds the state's lock. */
function nextNumber(database: Database, column: "step" | "effect", table: "steps" | "effects"): bigint {
  const last = database.all(`select max(${column}) as last from ${table}`)[0]?.last;
  return typeof last === "bigint" ? last + 1n : 1n;
}

/**
 * Every effect of an open step is answered, ended ones too: a kill between the two renames of a swap leaves the
 * first ended and the second not begun, and recovery decides by what it observes.
 */
function openEffectOf(row: Row): ReturnType<State["openEffects"]>[number] {
  return {
    step: row.step as bigint,
    stepId: text(row.step_id),
    operation: text(row.operation) as Operation,
    effect: text(row.name),
    details: stored(row.details),
    runId: text(row.run_id),
  };
}
