import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect as connectTo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { SocketConnection } from "../../src/host/ports.ts";
import { createEvents } from "../../src/host/real/events.ts";

const events = createEvents();

let directory: string;
let closings: (() => Promise<void> | void)[];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "rootloom-events-"));
  closings = [];
});
afterEach(async () => {
  for (const close of closings.reverse()) await close();
  rmSync(directory, { recursive: true });
});

async function until(isTrue: () => boolean, what: string): Promise<void> {
  for (const end = performance.now() + 5_000; !isTrue(); ) {
    if (performance.now() > end) throw new Error(`it did not happen within 5 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe("watching", () => {
  async function watch(...names: string[]) {
    const hinted = new Set<string>();
    const watcher = await events.watch(
      names.map((name) => join(directory, name)),
      ({ path }) => hinted.add(path.slice(directory.length + 1)),
    );
    closings.push(() => watcher.close());
    return {
      /** Forgets what was said so far, once it is quiet. */
      quiet: async () => {
        await new Promise((resolve) => setTimeout(resolve, 200));
        hinted.clear();
      },
      hint: (name: string) =>
        until(() => [...hinted].some((path) => path === name || path.startsWith(`${name}/`)), `a hint for ${name}`),
      hinted,
    };
  }

  it("hints at a change below a path and names what changed, and nothing else", async () => {
    mkdirSync(join(directory, "one/deep"), { recursive: true });
    mkdirSync(join(directory, "two"));
    const watched = await watch("one", "two");
    writeFileSync(join(directory, "one/deep/file"), "x");
    await watched.hint("one");
    expect([...watched.hinted]).toEqual(["one/deep/file"]);
  });

  it("goes on after the watched directory was renamed away and another came in its place", async () => {
    mkdirSync(join(directory, "desired"));
    const watched = await watch("desired");
    renameSync(join(directory, "desired"), join(directory, "old"));
    mkdirSync(join(directory, "desired"));
    await watched.hint("desired");
    await watched.quiet();
    writeFileSync(join(directory, "desired/file"), "x");
    await watched.hint("desired");
  });

  it("notices a path whose parents come later", async () => {
    const watched = await watch("later/still/desired");
    mkdirSync(join(directory, "later/still/desired"), { recursive: true });
    await watched.hint("later/still/desired");
    await watched.quiet();
    writeFileSync(join(directory, "later/still/desired/file"), "x");
    await watched.hint("later/still/desired");
  });

  it("says nothing after it was closed", async () => {
    mkdirSync(join(directory, "one"));
    const hinted: string[] = [];
    const watcher = await events.watch([join(directory, "one")], ({ path }) => hinted.push(path));
    await watcher.close();
    writeFileSync(join(directory, "one/file"), "x");
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(hinted).toEqual([]);
  });
});

describe("the socket", () => {
  const path = () => join(directory, "control");

  async function listen(at: string, onConnection: (connection: SocketConnection) => void): Promise<void> {
    const server = await events.listen(at, onConnection);
    closings.push(() => server.close());
  }

  async function connect(at: string): Promise<SocketConnection> {
    const connection = await events.connect(at);
    if (connection === undefined) throw new Error("nobody answered");
    closings.push(() => connection.close());
    return connection;
  }

  const echo = (connection: SocketConnection): void =>
    connection.onMessage((message) => connection.send({ echo: message }));

  it("carries messages both ways, whole, whatever their size", async () => {
    await listen(path(), echo);
    const connection = await connect(path());
    const received: unknown[] = [];
    connection.onMessage((message) => received.push(message));
    const large = "ü\n".repeat(300_000);
    connection.send({ number: 1 });
    connection.send({ large });
    await until(() => received.length === 2, "two answers");
    expect(received).toEqual([{ echo: { number: 1 } }, { echo: { large } }]);
  });

  it("is for its owner only, and gone when it is closed", async () => {
    const server = await events.listen(path(), echo);
    expect(statSync(path()).mode & 0o777).toBe(0o600);
    await server.close();
    expect(readdirSync(directory)).toEqual([]);
  });

  it("answers undefined where nobody listens, and takes the place of a dead one's socket", async () => {
    expect(await events.connect(path())).toBeUndefined();
    const script = `require("node:net").createServer().listen(process.argv[1], () => console.log("ready"))`;
    const other = spawn(process.execPath, ["-e", script, path()], { stdio: ["ignore", "pipe", "inherit"] });
    await once(other.stdout, "data");
    await expect(events.listen(path(), echo)).rejects.toThrow("another process listens there");
    const ended = once(other, "exit");
    other.kill("SIGKILL");
    await ended;
    expect(readdirSync(directory)).toEqual(["control"]);
    expect(await events.connect(path())).toBeUndefined();
    await listen(path(), echo);
    await connect(path());
  });

  it("does not take the place of anything but a socket", async () => {
    writeFileSync(path(), "kept");
    await expect(events.listen(path(), echo)).rejects.toThrow("something that is no socket stands there");
    expect(statSync(path()).size).toBe(4);
  });

  it("works at a path longer than the kernel takes", async () => {
    const long = join(directory, "x".repeat(120));
    mkdirSync(long);
    await listen(join(long, "control"), echo);
    const connection = await connect(join(long, "control"));
    const received: unknown[] = [];
    connection.onMessage((message) => received.push(message));
    connection.send({});
    await until(() => received.length === 1, "an answer");
  });

  it.each([
    ["sends what is no JSON", "nonsense\n"],
    ["sends a line without an end", "x".repeat(17 * 1024 * 1024)],
  ])("cuts off a peer that %s, and keeps serving others", async (_, sent) => {
    await listen(path(), echo);
    const peer = connectTo(path());
    peer.on("error", () => undefined);
    const closed = new Promise((resolve) => peer.on("close", resolve));
    peer.write(sent);
    await closed;
    const connection = await connect(path());
    const received: unknown[] = [];
    connection.onMessage((message) => received.push(message));
    connection.send({ still: true });
    await until(() => received.length === 1, "an answer");
  });

  it("tells when the other side is gone", async () => {
    await listen(path(), (connection) => connection.close());
    const connection = await connect(path());
    await new Promise<void>((resolve) => connection.onClose(resolve));
  });
});

describe("systemd", () => {
  /** A service manager's side of the protocol: receives one datagram and prints it. */
  const receiver = `import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
a = sys.argv[1]
s.bind(chr(0) + a[1:] if a.startswith("@") else a)
print("ready", flush=True)
print(s.recv(4096).decode(), end="", flush=True)`;

  async function receive(address: string): Promise<{ readonly heard: () => string; readonly child: ChildProcess }> {
    const child = spawn("python3", ["-c", receiver, address], { stdio: ["ignore", "pipe", "inherit"] });
    await once(child.stdout, "data");
    let heard = "";
    child.stdout.on("data", (part) => {
      heard += part;
    });
    return { heard: () => heard, child };
  }

  it.each([
    ["a path", () => join(directory, "notify")],
    ["an abstract name", () => `@rootloom-test-${process.pid}`],
  ])("is told at %s", async (_, address) => {
    const { heard } = await receive(address());
    process.env.NOTIFY_SOCKET = address();
    const told = createEvents();
    delete process.env.NOTIFY_SOCKET;
    await told.notify("READY=1\nSTATUS=läuft");
    await until(() => heard().includes("STATUS="), "a datagram");
    expect(heard().trim()).toBe("READY=1\nSTATUS=läuft");
  });

  it("is left alone where it did not start us", async () => {
    await events.notify("READY=1");
  });

  it("says the watchdog's time only where it is meant for us", () => {
    process.env.WATCHDOG_USEC = "3000000";
    process.env.WATCHDOG_PID = String(process.pid);
    expect(createEvents().watchdog_us).toBe(3_000_000);
    process.env.WATCHDOG_PID = "1";
    expect(createEvents().watchdog_us).toBeUndefined();
    delete process.env.WATCHDOG_USEC;
    delete process.env.WATCHDOG_PID;
    expect(createEvents().watchdog_us).toBeUndefined();
  });
});
