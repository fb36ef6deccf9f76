import { describe, expect, it } from "vitest";
import { RootloomError } from "../../src/core/error.ts";
import { serveControl } from "../../src/daemon/control.ts";
import { createQueue } from "../../src/daemon/queue.ts";
import { createWakes } from "../../src/daemon/wakes.ts";
import { startWatchdog } from "../../src/daemon/watchdog.ts";
import { createFakeHost } from "../../src/host/fake/host.ts";

describe("wakes", () => {
  it("waits for the timer when nothing happens", async () => {
    const host = createFakeHost({ seed: 1 });
    const wakes = createWakes(host.clock);
    const begun_ms = host.clock.elapsed_ms();
    expect(await host.runUntil(wakes.next(60_000))).toBe("timer");
    expect(host.clock.elapsed_ms() - begun_ms).toBe(60_000);
  });

  it("joins all hints that come within the delay of the first that is due", async () => {
    const host = createFakeHost({ seed: 1 });
    const wakes = createWakes(host.clock);
    wakes.wake("worktree", 300);
    wakes.wake("commit", 20);
    wakes.wake("commit", 20);
    const begun_ms = host.clock.elapsed_ms();
    expect(await host.runUntil(wakes.next(60_000))).toBe("commit");
    expect(host.clock.elapsed_ms() - begun_ms).toBe(20);
    expect(wakes.pending("commit")).toBe(false);
    expect(await host.runUntil(wakes.next(60_000))).toBe("timer");
  });

  it("wakes a wait that has begun already", async () => {
    const host = createFakeHost({ seed: 1 });
    const wakes = createWakes(host.clock);
    const next = wakes.next(60_000);
    await host.advance(1_000);
    wakes.wake("hangup");
    expect(await host.runUntil(next)).toBe("hangup");
    expect(host.clock.elapsed_ms()).toBeLessThan(60_000);
  });

  it("lets a stop go before everything else", async () => {
    const host = createFakeHost({ seed: 1 });
    const wakes = createWakes(host.clock);
    wakes.wake("commit");
    wakes.wake("stop");
    expect(await host.runUntil(wakes.next(60_000))).toBe("stop");
  });
});

describe("queue", () => {
  it("runs one at a time, in the order of arrival, and goes on after a failure", async () => {
    const host = createFakeHost({ seed: 1 });
    const queue = createQueue();
    const trace: string[] = [];
    const body =
      (name: string, fails = false) =>
      async () => {
        trace.push(`${name} begins`);
        await host.clock.sleep(10);
        trace.push(`${name} ends`);
        if (fails) throw new RootloomError("cannot");
      };
    const first = queue.run(body("first", true));
    const second = queue.run(body("second"));
    await expect(host.runUntil(first)).rejects.toThrow("cannot");
    await host.runUntil(second);
    expect(trace).toEqual(["first begins", "first ends", "second begins", "second ends"]);
  });
});

describe("control socket", () => {
  it("answers a request with its events and then the result", async () => {
    const host = createFakeHost({ seed: 1 });
    host.files.makeDirectories("/state");
    const server = await serveControl(host, "/state/control.sock", async (request, emit) => {
      emit({ type: "apply_progress", request });
      return { exitCode: 0 };
    });
    expect(await ask(host, { command: "apply" })).toEqual([
      { type: "apply_progress", request: { command: "apply" } },
      { type: "result", exitCode: 0 },
    ]);
    await server.close();
  });

  it("answers a failure with its message and hint", async () => {
    const host = createFakeHost({ seed: 1 });
    host.files.makeDirectories("/state");
    await serveControl(host, "/state/control.sock", async () => {
      throw new RootloomError("cannot do it: no reason", { hint: "try later", condition: "Locked" });
    });
    const [answer] = await ask(host, { command: "apply" });
    expect(answer).toMatchObject({
      exitCode: 1,
      error: { message: "cannot do it: no reason", hint: "try later", condition: "Locked" },
    });
  });
});

describe("watchdog", () => {
  const pings = (host: ReturnType<typeof createFakeHost>) =>
    host.notifications.filter((text) => String(text).includes("WATCHDOG=1")).length;

  it("pings twice a period while the loop rests or gets on, and no more once work is stuck", async () => {
    const host = createFakeHost({ seed: 1, watchdog_us: 60_000_000 });
    const watchdog = startWatchdog(host);
    await host.advance(120_000);
    expect(pings(host)).toBeGreaterThanOrEqual(4);
    watchdog.progress();
    await host.advance(31 * 60_000);
    const stuck = pings(host);
    await host.advance(10 * 60_000);
    expect(pings(host)).toBe(stuck);
    watchdog.stop();
  });

  it("says nothing where systemd has set none", async () => {
    const host = createFakeHost({ seed: 1 });
    startWatchdog(host);
    await host.advance(120_000);
    expect(pings(host)).toBe(0);
  });
});

async function ask(host: ReturnType<typeof createFakeHost>, request: object): Promise<readonly unknown[]> {
  const connection = await host.events.connect("/state/control.sock");
  const messages: unknown[] = [];
  const closed = new Promise<void>((resolve) => {
    connection?.onMessage((message) => messages.push(message));
    connection?.onClose(resolve);
  });
  connection?.send(request);
  await host.runUntil(closed);
  return messages;
}
