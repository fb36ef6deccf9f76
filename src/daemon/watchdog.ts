import type { Host } from "../host/ports.ts";

/** Work that says nothing for this long is taken as stuck: longer than any quiet step is allowed to be. */
const LONGEST_QUIET_WORK_MS = 30 * 60_000;

export interface Watchdog {
  /** The loop or a step got on. */
  progress(): void;
  /** Between passes nothing has to get on. */
  rest(): void;
  stop(): void;
}

/**
 * Tells systemd that we live, twice per watchdog period, but only while the loop rests or gets on:
 * a pass that is stuck gets no more pings, and systemd restarts us. Without a watchdog it does nothing.
 */
export function startWatchdog(host: Host): Watchdog {
  const period_us = host.events.watchdog_us;
  const stopping = new AbortController();
  let resting = true;
  let last_ms = host.clock.elapsed_ms();

  async function ping(): Promise<void> {
    if (period_us === undefined) return;
    while (!stopping.signal.aborted) {
      if (resting || host.clock.elapsed_ms() - last_ms < LONGEST_QUIET_WORK_MS) {
        // One that systemd was too busy to take is followed by the next, in time: we say so twice a period.
        await host.events.notify("WATCHDOG=1").catch(() => undefined);
      }
      await host.clock.sleep(period_us / 2000, stopping.signal).catch(() => undefined);
    }
  }
  void ping();

  return {
    progress: () => {
      resting = false;
      last_ms = host.clock.elapsed_ms();
    },
    rest: () => {
      resting = true;
    },
    stop: () => stopping.abort(),
  };
}
