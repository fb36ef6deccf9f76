import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createStores } from "../../src/host/real/stores.ts";

const stores = createStores();
const module = new URL("../../src/host/real/stores.ts", import.meta.url).pathname;

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "rootloom-stores-"));
  path = join(directory, "store");
});
afterEach(() => rmSync(directory, { recursive: true }));

/** Runs a script in another process until it says "ready". */
async function startOther(script: string) {
  const source = `import { createStores } from ${JSON.stringify(module)}; const stores = createStores(); ${script}`;
  const child = spawn(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", "--input-type=module", "-e", source],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  await once(child.stdout, "data");
  return {
    pid: child.pid ?? 0,
    kill: async () => {
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    },
  };
}

function fill(rows: readonly string[]): void {
  const database = stores.open(path, "write")!;
  database.run("CREATE TABLE thing (name TEXT NOT NULL, size BIGINT)");
  database.transaction(() => {
    for (const row of rows) database.run("INSERT INTO thing VALUES (?, ?)", row, 1n);
  });
  database.close();
}

/** Name, content and times of everything in the directory. */
function traces(): readonly string[] {
  return readdirSync(directory).map((name) => {
    const { mtimeNs, ctimeNs, ino } = statSync(join(directory, name), { bigint: true });
    return `${name} ${ino} ${mtimeNs} ${ctimeNs} ${readFileSync(join(directory, name)).toString("hex").length}`;
  });
}

describe("a store", () => {
  it("is private whatever the umask, and one file when it is closed", () => {
    fill(["a"]);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(directory)).toEqual(["store"]);
  });

  it("gives whole numbers exactly", () => {
    fill([]);
    const database = stores.open(path, "write")!;
    database.run("INSERT INTO thing VALUES (?, ?)", "large", 9_007_199_254_740_993n);
    expect(database.all("SELECT size FROM thing")).toEqual([{ size: 9_007_199_254_740_993n }]);
    database.close();
  });

  it("loses a failed transaction whole", () => {
    fill(["a"]);
    const database = stores.open(path, "write")!;
    const half = () =>
      database.transaction(() => {
        database.run("INSERT INTO thing VALUES ('b', 1)");
        throw new Error("in the middle");
      });
    expect(half).toThrow("in the middle");
    expect(database.all("SELECT name FROM thing")).toEqual([{ name: "a" }]);
    database.close();
  });

  it("is read without a trace, and refuses writes of a reader", () => {
    expect(stores.open(path, "read")).toBeUndefined();
    fill(["a"]);
    const before = traces();
    const database = stores.open(path, "read")!;
    expect(database.all("SELECT name FROM thing")).toEqual([{ name: "a" }]);
    expect(() => database.run("INSERT INTO thing VALUES ('b', 1)")).toThrow("cannot use the store");
    database.close();
    expect(traces()).toEqual(before);
  });

  it("is read as it was before a killed writer's transaction, without a trace", async () => {
    fill(Array.from({ length: 3_000 }, (_, index) => `row ${index}`));
    const writer = await startOther(`
      const database = stores.open(${JSON.stringify(path)}, "write");
      database.run("PRAGMA cache_size=1"); // forces changed pages into the file
      database.transaction(() => {
        database.run("UPDATE thing SET name = name || ' changed', size = 2");
        console.log("ready");
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
      });`);
    await writer.kill();
    expect(readdirSync(directory)).toEqual(["store", "store-journal"]);
    const before = traces();
    const database = stores.open(path, "read")!;
    expect(database.all("SELECT count(*) AS count FROM thing WHERE size = 1 AND name NOT LIKE '%changed'")).toEqual([
      { count: 3_000n },
    ]);
    database.close();
    expect(traces()).toEqual(before);
    const repaired = stores.open(path, "write")!;
    expect(repaired.all("SELECT count(*) AS count FROM thing WHERE size = 1")).toEqual([{ count: 3_000n }]);
    repaired.close();
    expect(readdirSync(directory)).toEqual(["store"]);
  });

  it("leaves a stranger's write-ahead log as it is when it only reads", () => {
    fill(["a"]);
    const stranger = new DatabaseSync(path);
    stranger.exec("PRAGMA journal_mode=WAL; INSERT INTO thing VALUES ('b', 1)");
    const beside = mkdtempSync(join(tmpdir(), "rootloom-stores-"));
    for (const suffix of ["", "-wal"]) copyFileSync(path + suffix, join(beside, `store${suffix}`));
    stranger.close();
    const database = stores.open(join(beside, "store"), "read")!;
    expect(database.all("SELECT name FROM thing")).toEqual([{ name: "a" }, { name: "b" }]);
    database.close();
    expect(readdirSync(beside)).toEqual(["store", "store-wal"]);
    rmSync(beside, { recursive: true });
  });

  it.each([
    ["holds something else", () => writeFileSync(path, "no database at all, but long enough".repeat(100))],
    [
      "has a damaged page",
      () => {
        fill(Array.from({ length: 2_000 }, (_, index) => `row ${index}`));
        const bytes = readFileSync(path);
        bytes.fill(0xff, 4_096 * 3, 4_096 * 5);
        writeFileSync(path, bytes);
      },
    ],
    [
      "was cut off",
      () => {
        fill(Array.from({ length: 2_000 }, (_, index) => `row ${index}`));
        writeFileSync(path, readFileSync(path).subarray(0, 10_000));
      },
    ],
  ])("says StoreCorrupt of a file that %s, and leaves it alone", (_, damage) => {
    damage();
    chmodSync(path, 0o600);
    const before = traces();
    for (const mode of ["read", "write"] as const) {
      expect(() => stores.open(path, mode)).toThrow(expect.objectContaining({ condition: "StoreCorrupt" }));
    }
    expect(traces()).toEqual(before);
  });
});

describe("the lock", () => {
  it("is held once, by another process or by ours, and names its holder", async () => {
    const other = await startOther(
      `globalThis.kept = await stores.lock(${JSON.stringify(path)}); console.log("ready"); setInterval(() => 0, 1000);`,
    );
    expect(await stores.lock(path)).toBeUndefined();
    expect(stores.holders(path)).toEqual([{ pid: other.pid, command: expect.stringContaining("node") }]);
    await other.kill();
    expect(stores.holders(path)).toEqual([]);
    const lock = await stores.lock(path);
    expect(await stores.lock(path)).toBeUndefined();
    lock?.release();
    lock?.release();
    expect(stores.holders(path)).toEqual([]);
    (await stores.lock(path))?.release();
  });

  it("is not held by processes that we start", async () => {
    const lock = await stores.lock(path);
    const child = spawn("sleep", ["60"]);
    await once(child, "spawn");
    lock?.release();
    const again = await stores.lock(path);
    expect(again).toBeDefined();
    again?.release();
    child.kill();
  });
});
