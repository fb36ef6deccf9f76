import { RootloomError } from "../core/error.ts";
import type { Database, Host } from "../host/ports.ts";
import { ensureInstance, readInstance, storedInstance } from "./instance.ts";
import { type JournalStore, journalOf, type OpenStep } from "./journal.ts";
import { migrate, requireCurrent } from "./schema.ts";
import { conditionsOf, decisionsOf, factsOf, recordsOf, runsOf } from "./tables.ts";
import type { State } from "./types.ts";

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

const LOST =
  "the store was empty or gone; records are rebuilt from the host's markers, its history and decisions are lost";

function openToRead(host: Host, directory: string): OpenedState {
  const kept = readInstance(host.files, directory);
  const database = openForReading(host, storePath(directory));
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

function openForReading(host: Host, path: string): Database | undefined {
  try {
    return host.stores.open(path, "read");
  } catch (cause) {
    if (!(cause instanceof RootloomError) || cause.condition !== "StoreCorrupt") throw cause;
    throw new RootloomError(cause.message, {
      condition: "StoreCorrupt",
      hint: "`rootloom apply` keeps it aside, begins a new one and rebuilds its records from the host's markers",
      cause,
    });
  }
}

function openToWrite(host: Host, directory: string): OpenedState {
  host.files.makeDirectories(directory, 0o700);
  const { database, recovered } = openOrSetAside(host, directory);
  // The id is written after the first store: with it and without rows, a store was lost.
  const lost = isEmpty(database) && readInstance(host.files, directory) !== undefined;
  try {
    migrate(database);
    return stateOf(database, ensureInstance(host, directory, database), recovered ?? (lost ? LOST : undefined));
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
    ...runsOf(database),
    close: () => database.close(),
  };
}
