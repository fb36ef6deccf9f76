import { asRootloomError } from "../core/error.ts";
import type { Host, SocketConnection } from "../host/ports.ts";

/** Answers one request: any number of events, then the result, whose members go into the last line. */
export type Answer = (request: unknown, emit: (event: object) => void) => Promise<object>;

/**
 * Serves `STATE/control.sock` (0600: whoever may open it may change the host). One JSON line asks,
 * the answer is JSON lines of events and a last one of type `result` with the exit code.
 */
export async function serveControl(host: Host, path: string, answer: Answer): Promise<{ close(): Promise<void> }> {
  return host.events.listen(path, (connection) => {
    connection.onMessage((request) => {
      void respond(connection, request, answer);
    });
  });
}

async function respond(connection: SocketConnection, request: unknown, answer: Answer): Promise<void> {
  try {
    const result = await answer(request, (event) => connection.send(event));
    connection.send({ type: "result", ...result });
  } catch (thrown) {
    const { message, hint, retry, condition, details } = asRootloomError(thrown);
    connection.send({ type: "result", exitCode: 1, error: { message, hint, retry, condition, details } });
  } finally {
    connection.close();
  }
}
