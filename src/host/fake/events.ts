import type { Events, SocketConnection } from "../ports.ts";

type Hint = { readonly path: string; readonly degraded?: string };
type Signal = "SIGTERM" | "SIGINT" | "SIGHUP";

/** Sockets of the machine: who listens at which path. */
export type Listeners = Map<string, (connection: SocketConnection) => void>;

/** The event port with its strings in a test's hands. */
export interface FakeEvents {
  readonly port: Events;
  /** Tells the watchers of a path, or of a directory above it, that something changed; `degraded` tells all. */
  readonly hint: (path: string, degraded?: string) => void;
  readonly signal: (signal: Signal) => void;
  /** Every notify message, oldest first. */
  readonly notifications: readonly string[];
  readonly watched: () => readonly string[];
  /** Ends what a dead host had open. */
  readonly end: () => void;
}

export function createFakeEvents(listeners: Listeners, watchdog_us: number | undefined): FakeEvents {
  const watchers = new Set<{ readonly paths: readonly string[]; readonly onHint: (hint: Hint) => void }>();
  const handlers = new Map<Signal, Set<() => void>>();
  const notifications: string[] = [];
  const listening = new Set<string>();
  const connections = new Set<SocketConnection>();
  const port: Events = {
    watch: async (paths, onHint) => {
      const watcher = { paths, onHint };
      watchers.add(watcher);
      return { close: async () => void watchers.delete(watcher) };
    },
    onSignal: (signal, handler) => {
      const known = handlers.get(signal) ?? new Set();
      handlers.set(signal, known.add(handler));
      return () => void known.delete(handler);
    },
    listen: async (path, onConnection) => {
      listeners.set(path, onConnection);
      listening.add(path);
      return {
        close: async () => {
          if (listeners.get(path) === onConnection) listeners.delete(path);
          listening.delete(path);
        },
      };
    },
    connect: async (path) => {
      const accept = listeners.get(path);
      if (accept === undefined) return undefined;
      const [ours, theirs] = connectedPair();
      connections.add(ours);
      accept(theirs);
      return ours;
    },
    notify: async (state) => void notifications.push(state),
    watchdog_us,
  };
  return {
    port,
    hint: (path, degraded) => {
      for (const { paths, onHint } of watchers) {
        const isBelow = paths.some((watched) => path === watched || path.startsWith(`${watched}/`));
        if (isBelow || degraded !== undefined) onHint(degraded === undefined ? { path } : { path, degraded });
      }
    },
    signal: (signal) => {
      for (const handler of handlers.get(signal) ?? []) handler();
    },
    notifications,
    watched: () => [...watchers].flatMap(({ paths }) => paths),
    end: () => {
      watchers.clear();
      handlers.clear();
      for (const path of listening) listeners.delete(path);
      for (const connection of connections) connection.close();
    },
  };
}

/** Both ends of a socket: messages arrive in order, later, as the JSON they were. */
export function connectedPair(): readonly [SocketConnection, SocketConnection] {
  const one = createEnd();
  const other = createEnd();
  one.peer = other;
  other.peer = one;
  return [one.connection, other.connection];
}

interface End {
  readonly connection: SocketConnection;
  peer: End | undefined;
  readonly receive: (text: string) => void;
  readonly closed: () => void;
}

function createEnd(): End {
  const messages: ((message: unknown) => void)[] = [];
  const closes: (() => void)[] = [];
  /** What came before anybody listened. */
  const early: string[] = [];
  let open = true;
  const end: End = {
    peer: undefined,
    receive: (text) => {
      if (!open) return;
      if (messages.length === 0) early.push(text);
      else for (const handler of messages) handler(JSON.parse(text));
    },
    closed: () => {
      if (!open) return;
      open = false;
      for (const handler of closes) handler();
    },
    connection: {
      send: (message) => {
        const text = JSON.stringify(message);
        const peer = end.peer;
        if (open && peer !== undefined) setImmediate(() => peer.receive(text));
      },
      onMessage: (handler) => {
        messages.push(handler);
        for (const text of early.splice(0)) setImmediate(() => handler(JSON.parse(text)));
      },
      onClose: (handler) => void closes.push(handler),
      close: () => {
        if (!open) return;
        const peer = end.peer;
        end.closed();
        // What was sent before is read before the end is seen.
        if (peer !== undefined) setImmediate(() => peer.closed());
      },
    },
  };
  return end;
}
