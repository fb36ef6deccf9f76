import { RootloomError } from "../core/error.ts";
import type { Database, Host } from "../host/ports.ts";
import { conditionChanges } from "./conditions.ts";
import { ensureInstance, readInstance, storedInstance } from "./instance.ts";
import { type JournalStore, journalOf, type OpenStep } from "./journal.ts";
import { conditionOf, decisionOf, type Row, stored, upsertRecord } from "./rows.ts";
import { migrate, requireCurrent } from "./schema.ts";
import type { Generation, RunSummary, State } from "./types.ts";

export type { OpenStep } from "./journal.ts";

/** A State, and how its opening went. */
export interface OpenedState extends State {
  /** Set when a corrupt store was kept aside and a new one begun: a sentence that names the file kept. */
  readonly recovered: string | undefined;
  /** Steps that were begun and never finished: what a running pass is at, or what a kill left. */
  openSteps(): readonly OpenStep[];
}

/**
 * Opens the store `DIRECTORY/rootloom.db`. To read, it leaves no trace on disk, a missing store is empty, and
 * a corrupt one is an error. To write, directory, store and instance id are made where they are missing, and a corrupt
 * store is kept aside as `rootloom.db.corrupt-TIME`: the next pass rebuilds its records from the host's markers.
 */
export function openState(host: Host, directory: string, mode: "read" | "write"): OpenedState {
  return mode === "read" ? openToRead(host, directory) : openToWrite(host, directory);
}

function openToRead(host: Host, directory: string): OpenedState {
  const kept = readInstance(host.files, directory);
  const database = host.stores.open(storePath(directory), "read");
  if (database === undefined || isEmpty(database)) {
    database?.close();
    return stateOf(readOnly(undefined), kept ?? "", undefined);
  }
  try {
    requireCurrent(database);
    return stateOf(readOnly(database), kept ?? storedInstance(database) ?? "", undefined);
  } catch (error) {
    database.close();
    throw error;
  }
}

function openToWrite(host: Host, directory: string): OpenedState {
  host.files.makeDirectories(directory, 0o700);
  const { database, recovered } = openOrSetAside(host, directory);
  try {
    migrate(database);
    return stateOf(database, ensureInstance(host, directory, database), recovered);
  } catch (error) {
    database.close();
    throw error;
  }
}

function openOrSetAside(host: Host, directory: string): { database: Database; recovered: string | undefined } {
  const path = storePath(directory);
  try {
    return { database: openForWriting(host, path), recovered: undefined };
  } catch (error) {
    if (!(error instanceof RootloomError) || error.condition !== "StoreCorrupt") throw error;
    const time = new Date(host.clock.now_ms()).toISOString().replaceAll(":", "-");
    const aside = `${path}.corrupt-${time}`;
    host.files.rename(path, aside);
    // A journal belongs to the bytes it was written for: it must never be replayed into the new store.
    if (host.files.stat(`${path}-journal`)) host.files.rename(`${path}-journal`, `${aside}-journal`);
    const recovered = `the store was damaged and is kept as ${aside}; records are rebuilt from the host's markers`;
    return { database: openForWriting(host, path), recovered };
  }
}

function openForWriting(host: Host, path: string): Database {
  const database = host.stores.open(path, "write");
  if (database === undefined) throw new RootloomError(`cannot open the state: ${path} could not be made`);
  return database;
}

function storePath(directory: string): string {
  return `${directory}/rootloom.db`;
}

/** A store that was created and never written, which a kill during the very first start can leave. */
function isEmpty(database: Database): boolean {
  return database.all("select name from sqlite_master").length === 0;
}

/** Reads pass through (nothing, where there is no store); writes throw. */
function readOnly(database: Database | undefined): Database {
  const refuse = (): never => {
    throw new RootloomError("cannot write the state: it is open for reading only");
  };
  return {
    run: refuse,
    transaction: refuse,
    all: (sql, ...values) => database?.all(sql, ...values) ?? [],
    close: () => database?.close(),
  };
}

function stateOf(database: Database, instance: string, recovered: string | undefined): OpenedState {
  const journal: JournalStore = journalOf(database);
  return {
    instance,
    recovered,
    ...journal,
    ...recordsOf(database),
    ...decisionsOf(database),
    ...factsOf(database),
    ...conditionsOf(database),
    ...generationsOf(database),
    ...runsOf(database),
    close: () => database.close(),
  };
}

function recordsOf(database: Database): Pick<State, "records" | "record" | "restoreRecord"> {
  return {
    records: () => database.all("select body from records order by id").map((row) => stored(row.body)),
    record: (id) => {
      const row = database.all("select body from records where id = ?", id)[0];
      return row === undefined ? undefined : stored(row.body);
    },
    restoreRecord: (record) => database.transaction(() => upsertRecord(database, record)),
  };
}

function decisionsOf(database: Database): Pick<State, "decisions" | "decide" | "withdraw"> {
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

function factsOf(database: Database): Pick<State, "fact" | "setFact"> {
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

function conditionsOf(database: Database): Pick<State, "conditions" | "setConditions"> {
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

function generationsOf(database: Database): Pick<State, "generations" | "addGeneration" | "removeGeneration"> {
  const drop = "delete from generations where artifact = ? and generation = ?";
  return {
    generations: (artifact) =>
      database
        .all("select body from generations where artifact = ? order by created_at desc, generation", artifact)
        .map((row): Generation => stored(row.body)),
    addGeneration: (generation) =>
      database.transaction(() => {
        const { artifact, generation: name, createdAt } = generation;
        database.run(drop, artifact, name);
        const body = JSON.stringify(generation);
        database.run("insert into generations values (?, ?, ?, ?)", artifact, name, createdAt, body);
      }),
    removeGeneration: (artifact, generation) => database.transaction(() => database.run(drop, artifact, generation)),
  };
}

function runsOf(database: Database): Pick<State, "runs" | "addRun" | "report"> {
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
