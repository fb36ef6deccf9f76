import { describe, expect, it } from "vitest";
import { RootloomError } from "../../../src/core/error.ts";
import { Crash, crashAt, failCalls } from "../../../src/host/fake/faults.ts";
import { createFakeHost, type FakeHost } from "../../../src/host/fake/host.ts";
import type { Attributes } from "../../../src/host/ports.ts";

const OURS: Attributes = { owner: 0, group: 0, mode: 0o644 };
const SEEDS = Array.from({ length: 40 }, (_, seed) => seed);

/** What each seed leaves of the same work after a power loss. */
function survivors(work: (host: FakeHost) => FakeHost, path: string): ReadonlySet<string> {
  const found = SEEDS.map((seed) => {
    const host = createFakeHost({ seed });
    host.outside.files.makeDirectories("/srv/a");
    host.outside.files.makeDirectories("/srv/b");
    const last = work(host);
    last.crash("power");
    const after = last.restart({ faults: {} });
    const names = after.files.list("/srv/a")?.concat(after.files.list("/srv/b")?.map((name) => `b/${name}`) ?? []);
    return `${names?.join(" ")}: ${after.files.readText(path) ?? "-"}`;
  });
  return new Set(found);
}

describe("a power loss", () => {
  it("loses nothing of a file that was written beside, synced and renamed", () => {
    const write = (host: FakeHost) => {
      host.files.writeFile("/srv/a/file", "whole", OURS);
      return host;
    };
    expect(survivors(write, "/srv/a/file")).toEqual(new Set(["file: whole"]));
  });

  it("may lose, tear or keep what was written and not synced", () => {
    const found = survivors((host) => {
      const writer = host.files.openWriter("/srv/a/file", 0o644);
      writer.write(Buffer.from("1234"));
      writer.close();
      return host;
    }, "/srv/a/file");
    expect(found).toContain(": -");
    expect(found).toContain("file: 1234");
    expect([...found].some((text) => /^file: (1|12|123)?$/.test(text))).toBe(true);
  });

  it("keeps synced content, but not a name whose directory was not synced", () => {
    const found = survivors((host) => {
      const writer = host.files.openWriter("/srv/a/file", 0o644);
      writer.write(Buffer.from("1234"));
      writer.sync();
      writer.close();
      return host;
    }, "/srv/a/file");
    expect(found).toEqual(new Set([": -", "file: 1234"]));
  });

  it("shows a rename at one end or at the other, never at both or at none", () => {
    const found = survivors((host) => {
      host.files.writeFile("/srv/a/file", "x", OURS);
      const next = host.restart({ faults: failCalls("files/renamed", () => new Error("not synced")) });
      expect(() => next.files.rename("/srv/a/file", "/srv/b/file")).toThrow("not synced");
      return next;
    }, "/srv/a/file");
    expect(found).toEqual(new Set(["file: x", "b/file: -"]));
  });

  it("takes mounts, locks and other people's processes", async () => {
    const host = createFakeHost({ seed: 1 });
    await host.outside.run("mount", "--types", "tmpfs", "--", "tmpfs", "/tmp");
    host.outside.processes.push({ pid: 77, command: "vi", uses: ["/srv"] });
    await host.stores.lock("/run/lock");
    host.crash("power");
    const after = host.restart();
    expect(after.files.mounts()).toHaveLength(1);
    expect(after.processes.users("/srv")).toEqual([]);
    expect(await after.stores.lock("/run/lock")).toBeDefined();
  });
});

describe("a kill", () => {
  it("leaves no promise behind of a call that promises nothing: nobody would hear of its failure", () => {
    expect(createFakeHost({ seed: 1 }).jobs.prepare("all")).toBeUndefined();
  });

  it("keeps files and mounts, frees locks, and ends every call of that host", async () => {
    const host = createFakeHost({ seed: 1 });
    const writer = host.files.openWriter("/srv/file", 0o644);
    writer.write(Buffer.from("kept"));
    writer.close();
    await host.stores.lock("/run/lock");
    await host.outside.run("mount", "--types", "tmpfs", "--", "tmpfs", "/tmp");
    const sleeping = host.clock.sleep(1000);
    host.crash("kill");
    await expect(sleeping).rejects.toThrow(Crash);
    expect(() => host.files.list("/srv")).toThrow(Crash);
    await expect(host.git.discover("/srv")).rejects.toThrow(Crash);
    expect(host.isAlive).toBe(false);
    const after = host.restart();
    expect(after.files.readText("/srv/file")).toBe("kept");
    expect(after.files.mounts()).toHaveLength(2);
    expect(await after.stores.lock("/run/lock")).toBeDefined();
  });

  it("strikes at any moment of a write: the file is the old one or the new one", () => {
    const trial = createFakeHost({ seed: 1 });
    trial.files.writeFile("/srv/file", "new", OURS);
    expect(trial.calls.map(({ name }) => name)).toEqual([
      "files.writeFile",
      "files/written",
      "files/synced",
      "files/renamed",
    ]);
    for (const { index } of trial.calls) {
      const host = createFakeHost({ seed: 1, faults: crashAt(index, "before", "power") });
      host.outside.writeFile("/srv/file", "old");
      expect(() => host.files.writeFile("/srv/file", "new", OURS)).toThrow(Crash);
      expect(["old", "new"]).toContain(host.restart({ faults: {} }).files.readText("/srv/file"));
    }
  });
});

describe("a store", () => {
  const count = (host: FakeHost) => host.stores.open("/srv/db", "read")?.all("select count(*) as n from t")[0]?.n;

  it("keeps a transaction whole or loses it whole", () => {
    const host = createFakeHost({ seed: 1 });
    const store = host.stores.open("/srv/db", "write");
    store?.run("create table t (x text)");
    store?.transaction(() => store.run("insert into t values (?)", "kept"));
    const commit = host.calls.findLast(({ name }) => name === "stores.transaction/commit");
    expect(commit).toBeDefined();
    const next = host.restart({ faults: failCalls("stores.transaction/commit", () => new Crash("power")) });
    const again = next.stores.open("/srv/db", "write");
    expect(() => again?.transaction(() => again.run("insert into t values (?)", "lost"))).toThrow(Crash);
    expect(count(next.restart({ faults: {} }))).toBe(1n);
  });

  it("changes its file's bytes with what it writes, and with nothing else", () => {
    const host = createFakeHost({ seed: 1 });
    const store = host.stores.open("/srv/db", "write");
    store?.run("create table if not exists t (x text)");
    const before = host.files.readText("/srv/db");
    store?.run("create table if not exists t (x text)");
    store?.transaction(() => store.all("select * from t"));
    store?.run("delete from t where x = ?", "missing");
    expect(host.files.readText("/srv/db")).toBe(before);
    store?.run("insert into t values (?)", "x");
    expect(host.files.readText("/srv/db")).not.toBe(before);
  });

  it("moves with its file, and is corrupt when others write over it", () => {
    const host = createFakeHost({ seed: 1 });
    host.stores.open("/srv/db", "write")?.run("create table t (x text)");
    host.files.rename("/srv/db", "/srv/moved");
    expect(host.stores.open("/srv/moved", "read")?.all("select count(*) as n from t")).toEqual([{ n: 0n }]);
    expect(host.stores.open("/srv/db", "read")).toBeUndefined();
    host.outside.writeFile("/srv/moved", "rubbish");
    expect(() => host.stores.open("/srv/moved", "write")).toThrow(
      expect.objectContaining({ condition: "StoreCorrupt" }),
    );
  });

  it("names who holds a lock", async () => {
    const host = createFakeHost({ seed: 1 });
    const free = host.outside.holdLock("/srv/lock", { pid: 42, command: "rootloom apply" });
    expect(await host.stores.lock("/srv/lock")).toBeUndefined();
    expect(host.stores.holders("/srv/lock")).toEqual([{ pid: 42, command: "rootloom apply" }]);
    free();
    const lock = await host.stores.lock("/srv/lock");
    expect(await host.stores.lock("/srv/lock")).toBeUndefined();
    lock?.release();
    expect(await host.stores.lock("/srv/lock")).toBeDefined();
  });
});

describe("mounts", () => {
  const start = () => {
    const host = createFakeHost({ seed: 1 });
    for (const path of ["/srv/source/sub", "/srv/target"]) host.outside.files.makeDirectories(path);
    return host;
  };
  const shown = (host: FakeHost) =>
    host.files.mounts().map(({ target, root, type, options }) => `${target} ${root} ${type} ${options.join(",")}`);

  it("stack, and the later one hides the earlier", async () => {
    const host = start();
    host.outside.writeFile("/srv/target/below", "x");
    await host.outside.run("mount", "-t", "tmpfs", "one", "/srv/target");
    host.outside.writeFile("/srv/target/first", "x");
    await host.outside.run("mount", "-t", "tmpfs", "two", "/srv/target");
    expect(host.files.list("/srv/target")).toEqual([]);
    await host.outside.run("umount", "/srv/target");
    expect(host.files.list("/srv/target")).toEqual(["first"]);
    await host.outside.run("umount", "/srv/target");
    expect(host.files.list("/srv/target")).toEqual(["below"]);
  });

  it("bind a part of a filesystem, read-only after a remount, with its path in the list", async () => {
    const host = start();
    await host.outside.run("mount", "--bind", "--", "/srv/source", "/srv/target");
    await host.outside.run("mount", "--options", "remount,bind,ro,nosuid", "--", "/srv/source", "/srv/target");
    expect(shown(host).at(-1)).toBe("/srv/target /srv/source ext4 ro,relatime,nosuid");
    expect(() => host.files.writeFile("/srv/target/file", "x", OURS)).toThrow(RootloomError);
    host.files.writeFile("/srv/source/file", "x", OURS);
    expect(host.files.readText("/srv/target/file")).toBe("x");
  });

  it("carry what is mounted inside with an rbind, and not with a bind", async () => {
    const host = start();
    await host.outside.run("mount", "-t", "tmpfs", "t", "/srv/source/sub");
    host.outside.writeFile("/srv/source/sub/file", "x");
    await host.outside.run("mount", "--bind", "/srv/source", "/srv/target");
    expect(host.files.list("/srv/target/sub")).toEqual([]);
    await host.outside.run("umount", "/srv/target");
    await host.outside.run("mount", "--rbind", "/srv/source", "/srv/target");
    // Else what is unmounted there would be unmounted here, too.
    await host.outside.run("mount", "--make-rprivate", "/srv/target");
    expect(host.files.list("/srv/target/sub")).toEqual(["file"]);
    expect(shown(host).slice(-2)).toEqual([
      "/srv/target /srv/source ext4 rw,relatime",
      "/srv/target/sub / tmpfs rw,relatime",
    ]);
    await expect(host.outside.run("umount", "/srv/target")).rejects.toThrow("target is busy");
    await host.outside.run("umount", "--recursive", "/srv/target");
    expect(host.files.mounts()).toHaveLength(2);
  });

  it("bar the way of a tree handle, of removal and of a rename", async () => {
    const host = start();
    await host.outside.run("mount", "-t", "tmpfs", "t", "/srv/source/sub");
    host.outside.writeFile("/srv/source/sub/file", "x");
    const tree = host.files.openTree("/srv/source");
    expect(() => tree.read("sub/file")).toThrow(RootloomError);
    expect(() => tree.removeDirectory("sub")).toThrow(RootloomError);
    const inode = host.files.stat("/srv/source")?.inode ?? 0;
    expect(() => host.files.removeTree("/srv/source", inode)).toThrow("something is mounted at /srv/source/sub");
    expect(() => host.files.rename("/srv/source/sub", "/srv/other")).toThrow(RootloomError);
    host.files.rename("/srv/source", "/srv/moved");
    expect(shown(host).at(-1)).toBe("/srv/moved/sub / tmpfs rw,relatime");
    const [entry] = host.files.scan("/srv/moved");
    expect(entry).toMatchObject({ path: "sub", mountPoint: true });
    expect([...host.files.scan("/srv/moved")]).toHaveLength(1);
  });

  it("are busy while a process is in them, and in a private namespace leave no trace", async () => {
    const host = start();
    await host.processes.run({
      file: "sh",
      arguments: ["-c", "mount -t tmpfs t /srv/target && exec cat /proc/self/mountinfo"],
      privateNamespace: true,
      onLine: () => undefined,
    });
    expect(host.files.mounts()).toHaveLength(1);
    await host.outside.run("mount", "-t", "tmpfs", "t", "/srv/target");
    host.outside.processes.push({ pid: 9, command: "bash", uses: ["/srv/target"] });
    await expect(host.outside.run("umount", "/srv/target")).rejects.toThrow("target is busy");
    expect(host.processes.users("/srv/target")).toEqual([{ pid: 9, command: "bash" }]);
  });
});

describe("time", () => {
  it("stands still until it is moved, and ends each wait at its own moment", async () => {
    const host = createFakeHost({ seed: 1 });
    const ended: string[] = [];
    const wait = async (name: string, duration_ms: number) => {
      const start_ms = host.clock.elapsed_ms();
      await host.clock.sleep(duration_ms);
      ended.push(`${name} after ${host.clock.elapsed_ms() - start_ms}`);
    };
    void wait("long", 300);
    void wait("short", 100).then(() => wait("next", 50));
    await host.settle();
    expect(ended).toEqual([]);
    await host.advance(200);
    expect(ended).toEqual(["short after 100", "next after 50"]);
    await host.advance(100);
    expect(ended.at(-1)).toBe("long after 300");
  });

  it("runs on by itself until work is done, and a cancelled wait ends at once", async () => {
    const host = createFakeHost({ seed: 1, durations_ms: { true: 30_000 } });
    await host.runUntil(host.processes.run({ file: "true", arguments: [] }));
    expect(host.clock.elapsed_ms()).toBe(30_000);
    const controller = new AbortController();
    const waiting = host.clock.sleep(1000, controller.signal);
    controller.abort();
    await expect(waiting).rejects.toThrow();
    const late = host.processes.run({ file: "true", arguments: [], timeout_ms: 10_000 });
    await expect(host.runUntil(late)).rejects.toThrow("not done within 10000 ms");
  });

  it("gives the same run for the same seed, and another for another", () => {
    const random = (seed: number) => createFakeHost({ seed }).clock.random(16);
    expect(random(7)).toBe(random(7));
    expect(random(7)).not.toBe(random(8));
    expect(random(7)).toMatch(/^[0-9a-f]{32}$/);
  });
});

describe("processes", () => {
  it("fail loudly when a command is not emulated, and list it", async () => {
    const host = createFakeHost({ seed: 1 });
    await expect(host.processes.run({ file: "zfs", arguments: ["list"] })).rejects.toThrow("no such command");
    expect(host.unknownCommands).toEqual(["zfs list"]);
    expect(host.processes.find("zfs")).toBeUndefined();
  });

  it("give an answer for an accepted exit code, and an error that can be pasted for another", async () => {
    const host = createFakeHost({ seed: 1 });
    expect((await host.processes.run({ file: "false", arguments: [], accept: [0, 1] })).exitCode).toBe(1);
    await expect(host.processes.run({ file: "cat", arguments: ["/a b"] })).rejects.toMatchObject({
      message: "cannot run cat: exit 1: cat: ENOENT: no such file or directory, '/a b'",
      details: ["cat '/a b'", "cat: ENOENT: no such file or directory, '/a b'"],
    });
  });

  it("leave half a tree when a kill strikes an extraction", async () => {
    const host = createFakeHost({ seed: 1 });
    await host.processes.run({ file: "mmdebstrap", arguments: ["--variant=minbase", "bookworm", "/srv/root.tar"] });
    host.files.makeDirectory("/srv/root", { ...OURS, mode: 0o755 });
    let members = 0;
    const faults = {
      before: ({ name }: { readonly name: string }) => {
        members += name === "processes.run/tar/extracting" ? 1 : 0;
        if (members === 10) throw new Crash("kill");
      },
    };
    const next = host.restart({ faults });
    const values = ["--extract", "--file=/srv/root.tar", "--directory=/srv/root", "--numeric-owner"];
    await expect(next.processes.run({ file: "tar", arguments: values })).rejects.toThrow(Crash);
    const after = next.restart({ faults: {} });
    const half = [...after.files.scan("/srv/root")].length;
    expect(half).toBeGreaterThan(0);
    await after.processes.run({ file: "tar", arguments: values });
    const whole = [...after.files.scan("/srv/root")];
    expect(whole.length).toBeGreaterThan(half);
    expect(whole.find(({ path }) => path === "bin")).toMatchObject({ type: "symlink", target: "usr/bin" });
    expect(whole.find(({ path }) => path === "usr/bin/perl")?.links).toBe(2);
    expect(whole.find(({ path }) => path === "dev/null")).toMatchObject({ type: "character", major: 1, minor: 3 });
    expect(whole.find(({ path }) => path === "etc/shadow")).toMatchObject({ mode: 0o640, group: 42 });
  });
});

describe("a full disk", () => {
  it("refuses what does not fit and keeps what was there", () => {
    const host = createFakeHost({ seed: 1 });
    host.outside.writeFile("/srv/file", "old");
    host.outside.leaveSpace(10);
    expect(host.files.freeSpace_bytes("/srv")).toBe(10);
    expect(() => host.files.writeFile("/srv/file", "x".repeat(11), OURS)).toThrow("no space left");
    expect(host.files.readText("/srv/file")).toBe("old");
    expect(host.files.list("/srv")).toEqual(["config", "file"]);
    host.files.removeFile("/srv/file");
    expect(host.files.freeSpace_bytes("/srv")).toBe(13);
  });
});

describe("events", () => {
  it("carry messages between two ends of a socket, in order, and its end", async () => {
    const host = createFakeHost({ seed: 1 });
    const seen: unknown[] = [];
    expect(await host.events.connect("/run/control.sock")).toBeUndefined();
    await host.events.listen("/run/control.sock", (connection) => {
      connection.onMessage((message) => connection.send({ echo: message }));
    });
    const connection = await host.events.connect("/run/control.sock");
    connection?.onMessage((message) => seen.push(message));
    connection?.onClose(() => seen.push("closed"));
    connection?.send({ number: 1 });
    connection?.send({ number: 2 });
    await host.settle();
    connection?.close();
    await host.settle();
    expect(seen).toEqual([{ echo: { number: 1 } }, { echo: { number: 2 } }, "closed"]);
  });

  it("come by hand: hints for watched paths, signals until they are given up, notify messages", async () => {
    const host = createFakeHost({ seed: 1 });
    const seen: string[] = [];
    const watcher = await host.events.watch(["/srv/config"], ({ path }) => seen.push(path));
    const off = host.events.onSignal("SIGHUP", () => seen.push("SIGHUP"));
    host.hint("/srv/config/desired/host.yaml");
    host.hint("/srv/other");
    host.signal("SIGHUP");
    off();
    host.signal("SIGHUP");
    await watcher.close();
    host.hint("/srv/config");
    await host.events.notify("READY=1");
    expect(seen).toEqual(["/srv/config/desired/host.yaml", "SIGHUP"]);
    expect(host.notifications).toEqual(["READY=1"]);
  });
});
