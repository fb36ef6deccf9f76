import { RootloomError } from "../core/error.ts";
import type { SocketConnection } from "../host/ports.ts";
import { type CommandResult, execute, type Request } from "../pass/commands.ts";
import type { PassEvent, Session } from "../pass/types.ts";

export type { Request } from "../pass/commands.ts";

type Emit = (event: PassEvent) => void;

/** How an error crosses the socket; older and newer daemons may leave members out. */
interface SentError {
  readonly message: string;
  readonly hint?: string;
  readonly condition?: string;
  readonly details?: readonly string[];
}

export function controlSocket(stateDirectory: string): string {
  return `${stateDirectory}/control.sock`;
}

/** Sends a changing command to the daemon when one answers at `STATE/control.sock`, else executes it here. */
export async function request(
  session: Session,
  asked: Request,
  emit: Emit,
  signal: AbortSignal,
): Promise<CommandResult> {
  const connection = await session.host.events.connect(controlSocket(session.configuration.state));
  return connection === undefined ? execute(session, asked, emit, signal) : askDaemon(connection, asked, emit, signal);
}

/** JSON lines: the request goes out, events come back, then one message of type `result`. */
function askDaemon(
  connection: SocketConnection,
  asked: Request,
  emit: Emit,
  signal: AbortSignal,
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    let ended = false;
    const end = (finish: () => void) => {
      if (ended) return;
      ended = true;
      signal.removeEventListener("abort", abort);
      connection.close();
      finish();
    };
    const fail = (message: string, hint: string) => end(() => reject(new RootloomError(message, { hint })));
    const abort = () => fail("cannot wait any longer: interrupted", "the daemon goes on by itself: rootloom status");
    signal.addEventListener("abort", abort);
    connection.onClose(() =>
      fail(
        `cannot finish ${asked.command}: the daemon closed the connection`,
        "see what became of it: rootloom status",
      ),
    );
    connection.onMessage((message) => {
      if (!isMessage(message)) return;
      if (message.type !== "result") emit(message as unknown as PassEvent);
      else if (isSentError(message.error)) {
        const error = receivedError(message.error);
        end(() => reject(error));
      } else end(() => resolve(message as unknown as CommandResult));
    });
    connection.send(asked);
  });
}

function isMessage(message: unknown): message is { readonly type: string; readonly error?: unknown } {
  return typeof message === "object" && message !== null && "type" in message && typeof message.type === "string";
}

function isSentError(value: unknown): value is SentError {
  return typeof value === "object" && value !== null && "message" in value;
}

function receivedError(sent: SentError): RootloomError {
  const { message, hint, condition, details } = sent;
  return new RootloomError(message, {
    ...(hint === undefined || hint === "" ? {} : { hint }),
    ...(condition === undefined || condition === "" ? {} : { condition }),
    ...(details === undefined ? {} : { details }),
  });
}
