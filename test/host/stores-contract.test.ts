import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { createFakeHost } from "../../src/host/fake/host.ts";
import type { Host } from "../../src/host/ports.ts";
import { createHost } from "../../src/host/real/host.ts";

type Part = Pick<Host, "stores" | "files" | "events">;
const OURS = { owner: process.getuid?.() ?? 0, group: process.getgid?.() ?? 0, mode: 0o600 };

/** What stores, locks and sockets promise, on whichever side they stand. */
function contract(name: string, make: () => { readonly host: Part; readonly directory: string; close(): void }): void {
  describe(name, () => {
    let made: ReturnType<typeof make> | undefined;
    const start = () => {
      made = make();
      return { ...made.host, directory: made.directory };
    };
    afterEach(() => made?.close());

    it("opens nothing to read where no store is, and leaves no trace", () => {
      const { stores, files, directory } = start();
      expect(stores.open(`${directory}/db`, "read")).toBeUndefined();
      expect(files.list(directory)).toEqual([]);
    });

    it("gives back text, bigints and nulls as they were put in", () => {
      const { stores, directory } = start();
      const store = stores.open(`${directory}/db`, "write");
      store?.run("create table t (name text, number bigint)");
      store?.run("insert into t values (?, ?)", "grün", 9007199254740993n);
      store?.run("insert into t values (?, ?)", null, null);
      expect(store?.all("select * from t order by number").map((row) => ({ ...row }))).toEqual([
        { name: null, number: null },
        { name: "grün", number: 9007199254740993n },
      ]);
      store?.close();
    });

    it("loses a transaction that throws, whole, and keeps what another handle then reads", () => {
      const { stores, directory } = start();
      const store = stores.open(`${directory}/db`, "write");
      store?.run("create table t (x text)");
      expect(store?.transaction(() => store.run("insert into t values ('kept')"))).toBeUndefined();
      const failing = () =>
        store?.transaction(() => {
          store.run("insert into t values ('lost')");
          throw new Error("stop");
        });
      expect(failing).toThrow("stop");
      store?.close();
      const reader = stores.open(`${directory}/db`, "read");
      expect(reader?.all("select x from t").map((row) => row.x)).toEqual(["kept"]);
      expect(() => reader?.run("insert into t values ('refused')")).toThrow();
      reader?.close();
      expect(() => reader?.all("select x from t")).toThrow();
    });

    it("says that a file of something else is no store", () => {
      const { stores, files, directory } = start();
      files.writeFile(`${directory}/db`, "this is not a database, and it is long enough to be read as one", OURS);
      for (const mode of ["read", "write"] as const) {
        expect(() => stores.open(`${directory}/db`, mode)).toThrow(
          expect.objectContaining({ condition: "StoreCorrupt" }),
        );
      }
    });

    it("gives a lock to one at a time, and names its holder", async () => {
      const { stores, directory } = start();
      expect(stores.holders(`${directory}/lock`)).toEqual([]);
      const lock = await stores.lock(`${directory}/lock`);
      expect(lock).toBeDefined();
      expect(await stores.lock(`${directory}/lock`)).toBeUndefined();
      expect(stores.holders(`${directory}/lock`)).toHaveLength(1);
      lock?.release();
      const again = await stores.lock(`${directory}/lock`);
      expect(again).toBeDefined();
      again?.release();
    });

    it("lets several share a lock, and none of them beside one who holds it alone", async () => {
      const { stores, directory } = start();
      const path = `${directory}/lock`;
      const [first, second] = [await stores.lock(path, true), await stores.lock(path, true)];
      expect(second).toBeDefined();
      first?.release();
      expect(await stores.lock(path)).toBeUndefined();
      second?.release();
      const alone = await stores.lock(path);
      expect(alone).toBeDefined();
      expect(await stores.lock(path, true)).toBeUndefined();
      alone?.release();
      expect(stores.holders(path)).toEqual([]);
    });

    it("carries JSON messages over a socket in order, and tells its end", async () => {
      const { events, directory } = start();
      const path = `${directory}/control.sock`;
      expect(await events.connect(path)).toBeUndefined();
      const server = await events.listen(path, (connection) => {
        connection.onMessage((message) => connection.send({ echo: message }));
      });
      const connection = await events.connect(path);
      const seen: unknown[] = [];
      const ended = new Promise<void>((resolve) => connection?.onClose(resolve));
      const both = new Promise<void>((resolve) => {
        connection?.onMessage((message) => seen.push(message) === 2 && resolve());
      });
      connection?.send({ number: 1 });
      connection?.send({ text: "two\nlines" });
      await both;
      connection?.close();
      await ended;
      await server.close();
      expect(seen).toEqual([{ echo: { number: 1 } }, { echo: { text: "two\nlines" } }]);
      expect(await events.connect(path)).toBeUndefined();
    });
  });
}

contract("the fake stores and sockets", () => {
  const host = createFakeHost({ seed: 1 });
  host.outside.files.makeDirectories("/srv/trial");
  return { host, directory: "/srv/trial", close: () => host.crash("kill") };
});

contract("the real stores and sockets", () => {
  const directory = mkdtempSync(join(tmpdir(), "rootloom-stores-"));
  const host = createHost({ mountNamespace: "/proc/self/ns/mnt" });
  return { host, directory, close: () => rmSync(directory, { recursive: true, force: true }) };
});
