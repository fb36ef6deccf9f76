import { mkdirSync } from "node:fs";
import { afterEach, describe, expect, it } from "vitest";
import { controlSocket, type Request, request } from "../../src/cli/request.ts";
import type { SocketConnection } from "../../src/host/ports.ts";
import type { PassEvent, Session } from "../../src/pass/types.ts";
import { host, newStateDirectory } from "../state/host.ts";

const apply: Request = { command: "apply", arguments: { yes: false, planDigest: null } };
const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** A daemon that answers each request by these lines; without lines it hangs up. */
async function ask(
  respond: (connection: SocketConnection, asked: unknown) => void,
  signal = new AbortController().signal,
) {
  const state = newStateDirectory();
  mkdirSync(state, { recursive: true });
  const server = await host.events.listen(controlSocket(state), (connection) =>
    connection.onMessage((message) => respond(connection, message)),
  );
  closers.push(() => server.close());
  const events: PassEvent[] = [];
  const session = { host, configuration: { state } } as unknown as Session;
  const result = await request(session, apply, (event) => events.push(event), signal);
  return { result, events };
}

describe("a command that a daemon answers", () => {
  it("goes over the socket as it is; events come back before the result", async () => {
    const asked: unknown[] = [];
    const event = { type: "apply_complete", id: "tree/a", result: "created", duration_ms: 1 };
    const { result, events } = await ask((connection, message) => {
      asked.push(message);
      connection.send(event);
      connection.send({ type: "result", exitCode: 0, lines: ["done"] });
      connection.close();
    });
    expect([asked, events, result]).toMatchObject([[apply], [event], { exitCode: 0, lines: ["done"] }]);
  });

  it("fails with the daemon's error and hint", async () => {
    const error = { message: "cannot approve x", hint: "see what waits", condition: "Locked" };
    await expect(ask((connection) => connection.send({ type: "result", exitCode: 1, error }))).rejects.toMatchObject(
      error,
    );
  });

  it("says so when the daemon hangs up without a result", async () => {
    await expect(ask((connection) => connection.close())).rejects.toMatchObject({
      message: "cannot finish apply: the daemon closed the connection",
      hint: expect.stringContaining("rootloom status"),
    });
  });

  it("stops waiting when it is interrupted, and leaves the daemon at work", async () => {
    const controller = new AbortController();
    const asked = ask(() => controller.abort(), controller.signal);
    await expect(asked).rejects.toMatchObject({ hint: expect.stringContaining("the daemon goes on") });
  });
});
