import { closeSync, constants, copyFileSync, mkdtempSync, openSync, readSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { RootloomError } from "../../core/error.ts";
import type { Database, SqlValue } from "../ports.ts";
import { attempt, isMissing } from "./failure.ts";

const busyTimeout_ms = 10_000;
const copyTries = 20;
const header_bytes = 100;
const magic = "SQLite format 3\0";

/** See the port. The rollback journal, not WAL: a reader of a WAL database leaves files behind. */
export function openDatabase(path: string, mode: "read" | "write"): Database | undefined {
  if (mode === "write") return openToWrite(path);
  const size = attempt("open the store", path, () => statSync(path, { throwIfNoEntry: false })?.size ?? 0);
  return size === 0 ? undefined : openToReadOnly(path);
}

function openToWrite(path: string): Database {
  return withWords(path, () => {
    // Made by us, so that it is private whatever the umask; the journal takes its mode over.
    closeSync(openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600));
    if (readHeader(path).length > 0) requireMagic(path);
    const connection = new DatabaseSync(path, { timeout: busyTimeout_ms });
    return checked(path, connection, () =>
      connection.exec("PRAGMA journal_mode=DELETE; PRAGMA synchronous=EXTRA; PRAGMA foreign_keys=ON"),
    );
  });
}

function openToReadOnly(path: string): Database {
  return withWords(path, () => {
    const header = requireMagic(path);
    const isWriteAheadLog = header[18] === 2;
    // SQLite itself touches a journal that it finds, even for a reader.
    if (isWriteAheadLog || journalOf(path) !== "") return readCopy(path);
    const connection = new DatabaseSync(path, { readOnly: true, timeout: busyTimeout_ms });
    try {
      return checked(path, connection, () => connection.prepare("SELECT count(*) FROM sqlite_schema").get());
    } catch (thrown) {
      if (!isReadOnlyRefusal(thrown)) throw thrown;
      return readCopy(path); // a writer began and was killed just now
    }
  });
}

/** Reads a private copy, in which a killed writer's transaction is rolled back. */
function readCopy(path: string): Database {
  const directory = mkdtempSync(join(tmpdir(), "rootloom-store-"));
  try {
    const copy = join(directory, "store");
    // The journal last: it then holds all that was overwritten in the copied database, provided that no
    // transaction ended meanwhile.
    for (let tries = 0; ; tries += 1) {
      const before = journalOf(path);
      for (const suffix of ["", "-wal", "-journal"]) copyIfThere(path + suffix, copy + suffix);
      if (journalOf(path) === before) break;
      if (tries === copyTries) {
        throw new RootloomError(`cannot read the store ${path}: it kept changing`, { retry: "transient" });
      }
    }
    const connection = new DatabaseSync(copy, { timeout: busyTimeout_ms });
    // Temporary files in memory: the copy's names go away at once.
    return checked(path, connection, () => connection.exec("PRAGMA journal_mode=MEMORY; PRAGMA query_only=ON"));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** What tells one transaction's rollback journal from another's: the random number in its header. Empty when there is none. */
function journalOf(path: string): string {
  return readHeader(`${path}-journal`).toString("hex", 12, 16);
}

function copyIfThere(from: string, to: string): void {
  rmSync(to, { force: true });
  try {
    copyFileSync(from, to);
  } catch (thrown) {
    if (!isMissing(thrown)) throw thrown;
  }
}

function checked(path: string, connection: DatabaseSync, prepare: () => void): Database {
  try {
    prepare();
    const problem = Object.values(connection.prepare("PRAGMA quick_check(1)").get() ?? {})[0];
    if (problem !== "ok") throw corrupt(path, String(problem));
    requireWholePages(path, connection);
    return databaseOf(path, connection);
  } catch (thrown) {
    connection.close();
    throw thrown;
  }
}

function databaseOf(path: string, connection: DatabaseSync): Database {
  const statements = new Map<string, StatementSync>();
  const prepared = (sql: string): StatementSync => {
    let statement = statements.get(sql);
    if (statement === undefined) {
      statement = connection.prepare(sql);
      statement.setReadBigInts(true);
      statements.set(sql, statement);
    }
    return statement;
  };
  return {
    run: (sql, ...values) => {
      withWords(path, () => prepared(sql).run(...values));
    },
    all: (sql, ...values) =>
      withWords(path, () =>
        prepared(sql)
          .all(...values)
          .map(onlySqlValues),
      ),
    transaction: (body) => inTransaction(path, connection, body),
    close: () => {
      if (connection.isOpen) connection.close();
    },
  };
}

function inTransaction<T>(path: string, connection: DatabaseSync, body: () => T): T {
  if (connection.isTransaction) throw new RootloomError(`cannot begin a transaction in ${path}: one is open`);
  withWords(path, () => connection.exec("BEGIN IMMEDIATE"));
  try {
    const result = body();
    withWords(path, () => connection.exec("COMMIT"));
    return result;
  } catch (thrown) {
    // SQLite itself rolls back on some errors, such as a full disk.
    if (connection.isTransaction) connection.exec("ROLLBACK");
    throw thrown;
  }
}

function onlySqlValues(row: Record<string, unknown>): Readonly<Record<string, SqlValue>> {
  for (const [column, value] of Object.entries(row)) {
    if (value !== null && typeof value !== "string" && typeof value !== "bigint") {
      throw new RootloomError(
        `cannot read the column ${column}: it holds a ${typeof value}, not text or a whole number`,
      );
    }
  }
  return row as Record<string, SqlValue>;
}

function requireMagic(path: string): Buffer {
  const header = readHeader(path);
  if (header.toString("latin1", 0, magic.length) === magic) return header;
  throw corrupt(path, "it does not begin as a database does");
}

/** SQLite writes whole pages, but takes what is missing of the last one for zeros. */
function requireWholePages(path: string, connection: DatabaseSync): void {
  const [page_bytes] = Object.values(connection.prepare("PRAGMA page_size").get() ?? {});
  const { size } = statSync(connection.location() ?? path);
  if (size % Number(page_bytes) !== 0) throw corrupt(path, "it ends in the middle of a page");
}

/** The first bytes of a file; none when there is no file. */
function readHeader(path: string): Buffer {
  let descriptor: number;
  try {
    descriptor = openSync(path, constants.O_RDONLY);
  } catch (thrown) {
    if (isMissing(thrown)) return Buffer.alloc(0);
    throw thrown;
  }
  try {
    const header = Buffer.alloc(header_bytes);
    return header.subarray(0, readSync(descriptor, header, 0, header_bytes, 0));
  } finally {
    closeSync(descriptor);
  }
}

function corrupt(path: string, why: string, cause?: unknown): RootloomError {
  return new RootloomError(`cannot open the store ${path}: it is no intact database: ${why}`, {
    condition: "StoreCorrupt",
    hint: "the next apply keeps it aside and starts a new one from the host's markers",
    cause,
  });
}

/** SQLite's result code of an error, the extended part included. */
function resultCode(thrown: unknown): number | undefined {
  if (!(thrown instanceof Error) || !("errcode" in thrown)) return undefined;
  return typeof thrown.errcode === "number" ? thrown.errcode : undefined;
}

function isReadOnlyRefusal(thrown: unknown): boolean {
  const code = resultCode(thrown);
  return code !== undefined && ((code & 0xff) === 8 || (code & 0xff) === 14);
}

function withWords<T>(path: string, body: () => T): T {
  return attempt("use the store", path, () => {
    try {
      return body();
    } catch (thrown) {
      const code = (resultCode(thrown) ?? 0) & 0xff;
      const why = thrown instanceof Error ? thrown.message : String(thrown);
      if (code === 11 || code === 26) throw corrupt(path, why, thrown);
      const isPassing = code === 5 || code === 6 || code === 10 || code === 13; // busy, locked, I/O, full
      if (code === 0) throw thrown;
      throw new RootloomError(`cannot use the store ${path}: ${why}`, {
        retry: isPassing ? "transient" : "terminal",
        ...(code === 13 ? { hint: "make room on its filesystem; what was done so far is found again" } : {}),
        cause: thrown,
      });
    }
  });
}
