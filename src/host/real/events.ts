import { RootloomError } from "../../core/error.ts";
import type { Events } from "../ports.ts";
import { errorCode, failure } from "./failure.ts";
import { connect, listen } from "./socket.ts";
import { sendDatagram } from "./system-calls.ts";
import { watchPaths } from "./watch.ts";

/** How often a full queue of systemd's is tried again, and how long between. */
const notifyAttempts = 20;
const notifyPause_ms = 25;

/** The event port. The environment is read once, when it is made. */
export function createEvents(): Events {
  const { NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID } = process.env;
  const isForUs = WATCHDOG_PID === undefined || Number(WATCHDOG_PID) === process.pid;
  const watchdog_us = Number(WATCHDOG_USEC);
  return {
    watch: watchPaths,
    onSignal: (signal, handler) => {
      process.on(signal, handler);
      return () => process.off(signal, handler);
    },
    listen,
    connect,
    notify: (state) => notify(NOTIFY_SOCKET, state),
    watchdog_us: isForUs && Number.isInteger(watchdog_us) && watchdog_us > 0 ? watchdog_us : undefined,
  };
}

/** https://man7.org/linux/man-pages/man3/sd_notify.3.html */
async function notify(address: string | undefined, state: string): Promise<void> {
  if (address === undefined || address === "") return;
  if (!address.startsWith("/") && !address.startsWith("@")) {
    throw new RootloomError(`cannot notify systemd: NOTIFY_SOCKET is ${address}, neither a path nor an abstract name`);
  }
  for (let tries = 1; ; tries += 1) {
    try {
      return sendDatagram(address, state);
    } catch (thrown) {
      if (errorCode(thrown) !== "EAGAIN" || tries === notifyAttempts) throw failure("notify", "systemd", thrown);
    }
    await new Promise((resolve) => setTimeout(resolve, notifyPause_ms));
  }
}
