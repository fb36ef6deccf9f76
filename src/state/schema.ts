import { RootloomError } from "../core/error.ts";
import type { Database } from "../host/ports.ts";

/**
 * The store's schema: text and bigint columns only, plain SQL. Each entry brings the store from one
 * version to the next; entries are only ever added.
 */
export const MIGRATIONS: readonly (readonly string[])[] = [
  [
    "create table records (id text primary key, body text not null)",
    `create table steps (step bigint primary key, run_id text not null, step_id text not null, operation text not null,
       begun_at text not null, ended_at text, result text, error text)`,
    `create table effects (effect bigint primary key, step bigint not null, name text not null, details text not null,
       begun_at text not null, ended_at text)`,
    "create index effects_of_step on effects (step)",
    "create index steps_open on steps (ended_at)",
    `create table decisions (id text not null, type text not null, digest text not null, who text not null,
       why text not null, until_time text not null, decided_at text not null, primary key (id, type))`,
    `create table conditions (object text not null, type text not null, status text not null, reason text not null,
       message text not null, last_transition_time text not null, observed_generation text not null,
       primary key (object, type))`,
    "create table facts (name text primary key, value text not null)",
    `create table runs (run_id text primary key, position bigint not null, body text not null, report text not null)`,
  ],
];

/** The version a store was written with; 0 for an empty one. */
export function schemaVersion(database: Database): number {
  const table = database.all("select name from sqlite_master where type = 'table' and name = 'meta'");
  if (table.length === 0) return 0;
  return Number(database.all("select value from meta where name = 'schema'")[0]?.value ?? 0);
}

/** Brings a store forward, one transaction a version; writes nothing when it is at the newest. */
export function migrate(database: Database, migrations: readonly (readonly string[])[] = MIGRATIONS): void {
  const version = schemaVersion(database);
  refuseNewer(version, migrations.length);
  for (let next = version; next < migrations.length; next++) {
    database.transaction(() => {
      if (next === 0) database.run("create table meta (name text primary key, value text not null)");
      for (const statement of migrations[next] ?? []) database.run(statement);
      database.run("delete from meta where name = 'schema'");
      database.run("insert into meta (name, value) values ('schema', ?)", String(next + 1));
    });
  }
}

/** Read commands never bring a store forward: an older one is an error that says what does. */
export function requireCurrent(database: Database, newest: number = MIGRATIONS.length): void {
  const version = schemaVersion(database);
  refuseNewer(version, newest);
  if (version < newest) {
    throw new RootloomError(`cannot read the state: its schema is version ${version}, this program reads ${newest}`, {
      hint: "run `rootloom apply` once: it brings the store forward",
    });
  }
}

function refuseNewer(version: number, newest: number): void {
  if (version <= newest) return;
  throw new RootloomError(`cannot open the state: its schema is version ${version}, this program knows ${newest}`, {
    hint: "use the newer rootloom that wrote it, or give another directory with --state",
  });
}
