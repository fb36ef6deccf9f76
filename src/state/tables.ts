import type { Database } from "../host/ports.ts";
import { conditionChanges } from "./conditions.ts";
import { conditionOf, decisionOf, type Row, stored, upsertRecord } from "./rows.ts";
import type { RunSummary, State } from "./types.ts";

/** The store's tables but for the journal, each as its part of `State`; each write is one transaction. */
export function recordsOf(database: Database): Pick<State, "records" | "record" | "restoreRecord"> {
  return {
    records: () => database.all("select body from records order by id").map((row) => stored(row.body)),
    record: (id) => {
      const row = database.all("select body from records where id = ?", id)[0];
      return row === undefined ? undefined : stored(row.body);
    },
    restoreRecord: (record) => database.transaction(() => upsertRecord(database, record)),
  };
}

export function decisionsOf(database: Database): Pick<State, "decisions" | "decide" | "withdraw"> {
  return {
    decisions: () => database.all("select * from decisions order by id, type").map(decisionOf),
    decide: (decision) =>
      database.transaction(() => {
        const { id, type, digest, who, why, until, at } = decision;
        database.run("delete from decisions where id = ? and type = ?", id, type);
        database.run("insert into decisions values (?, ?, ?, ?, ?, ?, ?)", id, type, digest, who, why, until, at);
      }),
    withdraw: (id, type) => {
      const found = database.all("select id from decisions where id = ? and type = ?", id, type);
      if (found.length === 0) return;
      database.transaction(() => database.run("delete from decisions where id = ? and type = ?", id, type));
    },
  };
}

export function factsOf(database: Database): Pick<State, "fact" | "setFact"> {
  const fact = (name: string) => {
    const value = database.all("select value from facts where name = ?", name)[0]?.value;
    return typeof value === "string" ? value : undefined;
  };
  return {
    fact,
    setFact: (name, value) => {
      if (fact(name) === value) return;
      database.transaction(() => {
        database.run("delete from facts where name = ?", name);
        database.run("insert into facts values (?, ?)", name, value);
      });
    },
  };
}

export function conditionsOf(database: Database): Pick<State, "conditions" | "setConditions"> {
  const all = () => database.all("select * from conditions order by object, type").map(conditionOf);
  return {
    conditions: all,
    setConditions: (conditions, gone) => {
      const { write, remove } = conditionChanges(all(), conditions, gone);
      if (write.length === 0 && remove.length === 0) return;
      const drop = "delete from conditions where object = ? and type = ?";
      database.transaction(() => {
        for (const { object, type } of [...remove, ...write]) database.run(drop, object, type);
        for (const it of write) {
          const tail = [it.message, it.lastTransitionTime, it.observedGeneration];
          const values = [it.object, it.type, it.status, it.reason, ...tail];
          database.run("insert into conditions values (?, ?, ?, ?, ?, ?, ?)", ...values);
        }
      });
    },
  };
}

export function runsOf(database: Database): Pick<State, "runs" | "addRun" | "report"> {
  const newest = "order by position desc limit 1";
  return {
    runs: (limit) =>
      database
        .all("select body from runs order by position desc limit ?", BigInt(limit))
        .map((row): RunSummary => stored(row.body)),
    addRun: (run, report, keep) =>
      database.transaction(() => {
        const last = database.all("select max(position) as last from runs")[0]?.last;
        const position = typeof last === "bigint" ? last + 1n : 1n;
        database.run("delete from runs where run_id = ?", run.runId);
        const texts = [JSON.stringify(run), JSON.stringify(report)];
        database.run("insert into runs values (?, ?, ?, ?)", run.runId, position, ...texts);
        database.run("delete from runs where position <= ?", position - BigInt(Math.max(keep, 1)));
        forgetOldJournal(database);
      }),
    report: (runId) => {
      const rows =
        runId === undefined
          ? database.all(`select report from runs ${newest}`)
          : database.all("select report from runs where run_id = ?", runId);
      const row: Row | undefined = rows[0];
      return row === undefined ? undefined : stored(row.report);
    },
  };
}

/** The journal of runs that are no longer kept goes with them; open steps always stay. */
function forgetOldJournal(database: Database): void {
  database.run("delete from steps where ended_at is not null and run_id not in (select run_id from runs)");
  database.run("delete from effects where step not in (select step from steps)");
}
