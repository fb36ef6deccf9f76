import type { Call } from "../../src/host/fake/faults.ts";
import type { FakeHost } from "../../src/host/fake/host.ts";
import { STATE } from "./site.ts";

/** What the journal holds, followed by the SQL that is run; read anew whenever something may have been lost. */
export interface JournalWatch {
  readonly saw: (call: Call) => void;
  /** A transaction begins: what the one before it did and never committed is not there. */
  readonly begins: () => void;
  readonly unsure: () => void;
  readonly hasOpenStep: () => boolean;
  /** An open step with an effect of which the intent was written. */
  readonly hasIntent: () => boolean;
  /** Steps that delete, by run. */
  readonly removals: ReadonlyMap<string, number>;
}

const DELETES = /\.delete$|^mount\.unmount$|^overlay\.remove$/;

export function createJournalWatch(observer: FakeHost): JournalWatch {
  /** Open steps, each with whether it has an intent. */
  let open: Map<string, boolean> | undefined;
  const removals = new Map<string, number>();
  let uncommitted: Call[] = [];

  function read(): Map<string, boolean> {
    if (open !== undefined) return open;
    open = new Map();
    const database = observer.stores.open(`${STATE}/rootloom.db`, "read");
    for (const { step, intents } of openSteps(database)) open.set(String(step), intents !== 0n);
    database?.close();
    return open;
  }

  return {
    unsure: () => {
      open = undefined;
    },
    hasOpenStep: () => read().size > 0,
    hasIntent: () => [...read().values()].includes(true),
    removals,
    begins: () => {
      uncommitted = [];
    },
    saw: (call) => {
      if (call.name === "stores.run") uncommitted.push(call);
      if (call.name !== "stores.transaction") return;
      for (const { arguments: values } of uncommitted.splice(0)) follow(values);
    },
  };

  function follow([sql = "", ...values]: readonly string[]): void {
    if (sql.startsWith("insert into steps")) {
      if (DELETES.test(values[3] ?? "")) removals.set(values[1] ?? "", (removals.get(values[1] ?? "") ?? 0) + 1);
      open?.set(values[0] ?? "", false);
    } else if (sql.startsWith("insert into effects")) open?.set(values[1] ?? "", true);
    else if (sql.startsWith("update steps set ended_at")) open?.delete(values.at(-1) ?? "");
  }
}

function openSteps(database: ReturnType<FakeHost["stores"]["open"]>) {
  try {
    return (
      database?.all(
        "select step, (select count(*) from effects where effects.step = steps.step) as intents from steps where ended_at is null",
      ) ?? []
    );
  } catch {
    // The tables are not made yet.
    return [];
  }
}
