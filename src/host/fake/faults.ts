/** One call of a port, or a moment inside one (`files.writeFile/renamed`). */
export interface Call {
  /** Counts from 0 over the life of one host. */
  readonly index: number;
  /** `files.writeFile`, `stores.transaction`, `processes.run`. */
  readonly name: string;
  /** Short forms of the arguments: content is only counted. */
  readonly arguments: readonly string[];
  /** Whether the call can change anything; faults strike only these. */
  readonly mutates: boolean;
}

/** Where faults come from. Each may throw a Crash, or any error that the call itself could end with. */
export interface FaultPlan {
  readonly before?: (call: Call) => void;
  /** The effect has happened; its caller does not learn of it when this throws. */
  readonly after?: (call: Call) => void;
}

/** `kill`: our process is gone, the machine goes on. `power`: the machine is gone, and what was not synced. */
export type CrashKind = "kill" | "power";

/** Thrown by a fault plan: ends the host. From then on each call of that host throws it again. */
export class Crash extends Error {
  readonly kind: CrashKind;

  constructor(kind: CrashKind) {
    super(`the fake host has crashed (${kind})`);
    this.name = "Crash";
    this.kind = kind;
  }
}

/** Crashes at one moment: before or after the call of that index. */
export function crashAt(index: number, when: "before" | "after", kind: CrashKind): FaultPlan {
  const strike = (call: Call): void => {
    if (call.index === index) throw new Crash(kind);
  };
  return when === "before" ? { before: strike } : { after: strike };
}

/** Fails the calls of a name (or all that match), `times` times, before they have an effect. */
export function failCalls(name: string | RegExp, error: () => Error, times = Number.POSITIVE_INFINITY): FaultPlan {
  let left = times;
  return {
    before: (call) => {
      const matches = typeof name === "string" ? call.name === name : name.test(call.name);
      if (!matches || left <= 0) return;
      left -= 1;
      throw error();
    },
  };
}
