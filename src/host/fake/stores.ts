import { DatabaseSync, type StatementSync } from "node:sqlite";
import { RootloomError } from "../../core/error.ts";
import type { Database, SqlValue, Stores } from "../ports.ts";
import { bytesContent, contentSize } from "./content.ts";
import { attempt } from "./errno.ts";
import type { Guard } from "./guard.ts";
import type { FakeDatabase, Inode } from "./inode.ts";
import { encode, type Kernel } from "./kernel.ts";

export interface LockHolder {
  readonly pid: number;
  readonly command: string;
  /** How many share it; 0 or absent: it is held alone. */
  readonly sharers?: number;
}
/** Kernel locks by the file's inode; those of a dead host are gone. */
export type Locks = Map<Inode, LockHolder>;

export interface StoreContext {
  readonly kernel: Kernel;
  readonly locks: Locks;
  readonly self: LockHolder;
  readonly guard: Guard;
}

/** Real SQLite in memory, tied to the inode of its file: it moves with the file and dies with its content. */
export function createFakeStores(context: StoreContext): Stores {
  const { kernel, locks, self } = context;
  return {
    open: (path, mode) =>
      attempt("open the store", path, () => {
        const location = kernel.look(encode(path), true);
        if (location === undefined && mode === "read") return undefined;
        const inode = location?.inode ?? kernel.open(encode(path), 0o600, false);
        return openDatabase(context, inode, path, mode);
      }),
    lock: async (path, shared = false) => {
      const inode = attempt("lock", path, () => kernel.open(encode(path), 0o600, false));
      const sharers = locks.get(inode)?.sharers ?? 0;
      if (locks.has(inode) && !(shared && sharers > 0)) return undefined;
      locks.set(inode, { ...self, sharers: shared ? sharers + 1 : 0 });
      let held = true;
      return {
        release: () => {
          if (held) letGo(locks, inode, self);
          held = false;
        },
      };
    },
    holders: (path) => {
      const inode = kernel.look(encode(path), true)?.inode;
      const holder = inode && locks.get(inode);
      return holder === undefined ? [] : [{ pid: holder.pid, command: holder.command }];
    },
  };
}

function letGo(locks: Locks, inode: Inode, self: LockHolder): void {
  const holder = locks.get(inode);
  if (holder?.pid !== self.pid) return;
  const sharers = (holder.sharers ?? 0) - 1;
  if (sharers > 0) locks.set(inode, { ...holder, sharers });
  else locks.delete(inode);
}

function openDatabase(context: StoreContext, inode: Inode, path: string, mode: "read" | "write"): Database {
  const stored = databaseOf(inode, path);
  const { connection } = stored;
  let open = true;
  let inside = false;
  const prepare = (sql: string): StatementSync => {
    if (!open) throw new RootloomError(`cannot use the store ${path}: it is closed`);
    return prepared(stored, sql);
  };
  // The file is written before the commit: where the disk is full, nothing of the transaction is there.
  const whole = <T>(body: () => T): T => {
    const before = signature(stored);
    connection.exec("BEGIN");
    inside = true;
    try {
      const result = body();
      if (signature(stored) !== before) saveFile(inode, stored);
      connection.exec("COMMIT");
      return result;
    } catch (thrown) {
      connection.exec("ROLLBACK");
      throw thrown;
    } finally {
      inside = false;
    }
  };
  const database: Database = {
    run: (sql, ...values) => {
      if (mode === "read") throw new RootloomError(`cannot write to the store ${path}: it is open for reading`);
      if (inside) prepare(sql).run(...values);
      else whole(() => prepare(sql).run(...values));
    },
    all: (sql, ...values) => prepare(sql).all(...values) as Record<string, SqlValue>[],
    transaction: (body) => {
      if (inside) throw new RootloomError(`cannot begin a transaction in ${path}: one is open`);
      return whole(() => {
        const result = body();
        context.guard.point("stores.transaction/commit", path);
        return result;
      });
    },
    close: () => {
      open = false;
    },
  };
  return context.guard.wrap("stores", database, mode === "write" ? ["run", "transaction"] : []);
}

function databaseOf(inode: Inode, path: string): FakeDatabase {
  if (inode.database !== undefined && inode.database.content === inode.content) return inode.database;
  if (inode.type !== "file" || contentSize(inode.content) > 0) {
    throw new RootloomError(`cannot open the store ${path}: it is no intact database`, {
      condition: "StoreCorrupt",
      hint: "the next apply keeps it aside and starts a new one from the host's markers",
    });
  }
  inode.database = { connection: new DatabaseSync(":memory:"), statements: new Map(), content: inode.content };
  return inode.database;
}

/** Statements outlive the process that prepared them: compiling SQL costs more than running it. */
function prepared({ connection, statements }: FakeDatabase, sql: string): StatementSync {
  let statement = statements.get(sql);
  if (statement === undefined) {
    statement = connection.prepare(sql);
    statement.setReadBigInts(true);
    statements.set(sql, statement);
  }
  return statement;
}

/** Differs when anything was written, rolled back or not. */
function signature(stored: FakeDatabase): string {
  const changes = prepared(stored, "SELECT total_changes() AS changes").get();
  const schema = prepared(stored, "PRAGMA schema_version").get();
  return `${changes?.changes} ${schema?.schema_version}`;
}

/** The file's bytes stand for the whole database: they change with each commit, durably. */
function saveFile(inode: Inode, stored: FakeDatabase): void {
  const content = bytesContent(`SQLite format 3\0${signature(stored)}`);
  inode.fileSystem.setContent(inode, content);
  inode.database = { ...stored, content };
  inode.fileSystem.syncName(inode);
}
