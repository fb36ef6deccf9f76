import { type Call, Crash, type CrashKind, type FaultPlan } from "./faults.ts";

/** What stands between the ports of one host and its machine: life, faults, and the trace. */
export interface Guard {
  readonly calls: readonly Call[];
  /** Throws when the host is dead. */
  readonly alive: () => void;
  /** A moment at which a fault may strike, inside a longer operation. */
  readonly point: (name: string, argument: string) => void;
  /** Wraps the methods of a port; names in `mutating` meet faults and are traced. */
  readonly wrap: <T extends object>(port: string, methods: T, mutating: readonly (keyof T & string)[]) => T;
}

export interface GuardOptions {
  readonly faults: FaultPlan;
  readonly isAlive: () => boolean;
  /** Ends the host, once, as the crash says. */
  readonly onCrash: (kind: CrashKind) => void;
  readonly onBusy: (change: 1 | -1) => void;
  /** Whether calls that only read are traced too. */
  readonly traceReads: boolean;
}

export function createGuard(options: GuardOptions): Guard {
  const calls: Call[] = [];
  let index = 0;
  const alive = (): void => {
    if (!options.isAlive()) throw new Crash("kill");
  };
  const strike = (when: "before" | "after", call: Call): void => {
    try {
      options.faults[when]?.(call);
    } catch (thrown) {
      if (thrown instanceof Crash) options.onCrash(thrown.kind);
      throw thrown;
    }
  };
  const enter = (name: string, values: readonly unknown[], mutates: boolean): Call | undefined => {
    alive();
    if (!mutates && !options.traceReads) return undefined;
    const call: Call = { index: index++, name, arguments: values.map(shorten), mutates };
    calls.push(call);
    if (mutates) strike("before", call);
    return call;
  };
  const leave = (call: Call | undefined): void => {
    if (call?.mutates === true) strike("after", call);
  };
  const wrapOne = (name: string, method: Method, mutates: boolean): Method => {
    if (isAsynchronous(name)) return (...values) => runLater(name, method, values, mutates);
    return (...values) => {
      const call = enter(name, values, mutates);
      const result = method(...values);
      leave(call);
      return result;
    };
  };
  const runLater = async (
    name: string,
    method: Method,
    values: readonly unknown[],
    mutates: boolean,
  ): Promise<unknown> => {
    const call = enter(name, values, mutates);
    const isWait = name === "clock.sleep";
    if (!isWait) options.onBusy(1);
    try {
      const value = await method(...values);
      alive();
      leave(call);
      return value;
    } finally {
      if (!isWait) options.onBusy(-1);
    }
  };
  const wrap: Guard["wrap"] = (port, methods, mutating) => {
    const wrapped = Object.create(null, Object.getOwnPropertyDescriptors(methods));
    for (const [key, value] of Object.entries(methods)) {
      if (typeof value !== "function") continue;
      const mutates = (mutating as readonly string[]).includes(key);
      Object.defineProperty(wrapped, key, { value: wrapOne(`${port}.${key}`, value, mutates), enumerable: true });
    }
    return wrapped;
  };
  return { calls, alive, point: (name, argument) => leave(enter(name, [argument], true)), wrap };
}

/** Their faults are rejections, as every other failure of theirs. */
function isAsynchronous(name: string): boolean {
  return /^git\.|^(jobs|processes)\.run$|^writer\.writeLater$|^clock\.sleep$|^stores\.lock$|^events\.(watch|listen|connect|notify)$/.test(
    name,
  );
}

type Method = (...values: readonly unknown[]) => unknown;

const SHORT = 200;

function shorten(value: unknown): string {
  if (typeof value === "string") return value.length > SHORT ? `${value.slice(0, SHORT)}… (${value.length})` : value;
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (value === null || typeof value !== "object") return String(value);
  const text = JSON.stringify(value, (_, member: unknown) =>
    member instanceof Uint8Array ? `${member.length} bytes` : member instanceof AbortSignal ? undefined : member,
  );
  return text.length > SHORT ? `${text.slice(0, SHORT)}…` : text;
}
