import { closeSync, statSync, unlinkSync } from "node:fs";
import { connect as connectTo, createServer, type Server, type Socket } from "node:net";
import { basename, dirname } from "node:path";
import { StringDecoder } from "node:string_decoder";
import { RootloomError } from "../../core/error.ts";
import type { SocketConnection } from "../ports.ts";
import { errorCode, failure } from "./failure.ts";
import { below, openDirectory } from "./paths.ts";

/** One message, in characters; a peer that sends more is cut off. */
const messageLimit = 16 * 1024 * 1024;
const answer_ms = 2_000;
/** What the kernel takes as a socket's path. */
const addressLimit_bytes = 107;

/** Listens on a socket of mode 0600. A file that a dead server left is removed; one that answers is refused. */
export async function listen(
  path: string,
  onConnection: (connection: SocketConnection) => void,
): Promise<{ close(): Promise<void> }> {
  await removeStale(path);
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on("close", () => open.delete(socket));
    onConnection(connectionOf(socket));
  });
  await bind(server, path);
  const { ino } = statSync(path);
  return {
    close: () =>
      new Promise((resolve) => {
        if (statSync(path, { throwIfNoEntry: false })?.ino === ino) unlinkSync(path);
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
  };
}

/** Undefined when nobody answers: no file, or one that nobody listens at. */
export async function connect(path: string): Promise<SocketConnection | undefined> {
  const socket = await tryConnect(path);
  return socket === undefined ? undefined : connectionOf(socket);
}

async function bind(server: Server, path: string): Promise<void> {
  try {
    await withAddress(
      path,
      (address) =>
        new Promise<void>((resolve, reject) => {
          server.once("error", reject);
          // Nobody may connect between the making and a chmod, so the mask sees to it; the socket is made in this call.
          const mask = process.umask(0o177);
          server.listen({ path: address }, () => {
            server.off("error", reject);
            resolve();
          });
          process.umask(mask);
        }),
    );
  } catch (thrown) {
    throw failure("listen at", path, thrown);
  }
}

async function removeStale(path: string): Promise<void> {
  const facts = statSync(path, { throwIfNoEntry: false });
  if (facts === undefined) return;
  if (!facts.isSocket()) throw new RootloomError(`cannot listen at ${path}: something that is no socket stands there`);
  const answering = await tryConnect(path);
  answering?.destroy();
  if (answering !== undefined) {
    throw new RootloomError(`cannot listen at ${path}: another process listens there`, {
      hint: "is the service running already? `systemctl status rootloom` tells",
    });
  }
  unlinkSync(path);
}

async function tryConnect(path: string): Promise<Socket | undefined> {
  try {
    return await withAddress(
      path,
      (address) =>
        new Promise<Socket>((resolve, reject) => {
          const socket = connectTo({ path: address });
          socket.setTimeout(answer_ms, () => socket.destroy(Object.assign(new Error("no answer"), { code: "EAGAIN" })));
          socket.once("error", reject);
          socket.once("connect", () => {
            socket.setTimeout(0);
            socket.off("error", reject);
            resolve(socket);
          });
        }),
    );
  } catch (thrown) {
    if (["ENOENT", "ENOTDIR", "ECONNREFUSED"].includes(errorCode(thrown) ?? "")) return undefined;
    throw failure("connect to", path, thrown);
  }
}

/** The kernel takes 107 bytes of path; a longer one goes by way of its open directory. */
async function withAddress<T>(path: string, body: (address: string) => Promise<T>): Promise<T> {
  if (Buffer.byteLength(path) <= addressLimit_bytes) return body(path);
  const directory = openDirectory(dirname(path));
  try {
    return await body(below(directory, basename(path)));
  } finally {
    closeSync(directory);
  }
}

function connectionOf(socket: Socket): SocketConnection {
  const messages: ((message: unknown) => void)[] = [];
  const closings: (() => void)[] = [];
  const waiting: unknown[] = [];
  const decoder = new StringDecoder("utf8");
  let parts: string[] = [];
  let length = 0;
  const receive = (message: unknown): void => {
    if (messages.length === 0) waiting.push(message);
    for (const handler of messages) handler(message);
  };
  socket.on("data", (bytes: Buffer) => {
    const pieces = decoder.write(bytes).split("\n");
    for (const [index, piece] of pieces.entries()) {
      length += piece.length;
      if (length > messageLimit) return socket.destroy();
      parts.push(piece);
      if (index === pieces.length - 1) break;
      const line = parts.join("");
      parts = [];
      length = 0;
      if (!receiveLine(line, receive)) return socket.destroy();
    }
  });
  socket.on("error", () => socket.destroy()); // "close" follows
  socket.on("close", () => {
    for (const handler of closings) handler();
  });
  return {
    send: (message) => {
      if (socket.writable) socket.write(`${JSON.stringify(message)}\n`);
    },
    onMessage: (handler) => {
      messages.push(handler);
      for (const message of waiting.splice(0)) handler(message);
    },
    onClose: (handler) => {
      if (socket.destroyed) handler();
      else closings.push(handler);
    },
    close: () => {
      socket.end();
    },
  };
}

/** False on what is no JSON: the peer does not speak our language. */
function receiveLine(line: string, receive: (message: unknown) => void): boolean {
  if (line.trim() === "") return true;
  let message: unknown;
  try {
    message = JSON.parse(line);
  } catch {
    return false;
  }
  receive(message);
  return true;
}
