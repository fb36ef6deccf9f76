import { isTemporary } from "../../src/core/temporary.ts";
import type { Call, FaultPlan } from "../../src/host/fake/faults.ts";
import type { FakeHost } from "../../src/host/fake/host.ts";
import { createArtifactWatch, RESTART } from "./artifacts.ts";
import { createJournalWatch } from "./journal.ts";
import { checkMarkers } from "./markers.ts";
import { OTHERS, STATE } from "./site.ts";

/** What must never happen, and did. */
export interface Violation {
  readonly rule: string;
  readonly what: string;
}

/** Looks over the program's shoulder: after each call that can change something, and when a pass has ended. */
export interface Watch {
  readonly violations: Violation[];
  /** Points of the journal at which a process died. */
  readonly crashPoints: Set<string>;
  /** The same by the call at which death came. */
  readonly crashCalls: Set<string>;
  readonly calls: () => number;
  readonly report: (rule: string, what: string) => void;
  /** Weather with the watch around it: nothing that the weather does is blamed on the program. */
  readonly around: (weather: FaultPlan, pid: () => number) => FaultPlan;
  /** A process begins: what the journal holds is read anew. */
  readonly started: (pid: number) => void;
  /** The command that a person runs now; empty when it has ended. */
  readonly person: (command: string) => void;
  /** Somebody else put an artifact out of order. */
  readonly taint: (artifact: string) => void;
  /** Somebody else's file: it must stay as it is, where it is. */
  readonly addCanary: (path: string) => void;
  /** It, or the folder that it lies in, was moved or removed by its owner. */
  readonly dropCanary: (path: string) => void;
  /** Somebody else's file among things of ours: it may be moved, never lost. */
  readonly addMovable: (path: string, content: string) => void;
  readonly checkCanaries: () => void;
  readonly movables: ReadonlyMap<string, string>;
  readonly removals: ReadonlyMap<string, number>;
}

const WRITES = /^(files\.(write|make|set|rename|remove|openWriter|copy)|processes\.run$)/;
const MANAGED = [`${STATE}/volumes/`, `${STATE}/artifacts/`, `${STATE}/links/`, `${STATE}/targets/`, `${OTHERS}/`];
/** What changes mounts, fills trees or puts something in its final place needs an intent in the journal, not only a step. */
const NEEDS_INTENT = /^"?(mount|umount|tar|truncate|mkfs)\b/;

/**
 * What these commands do is no step: nothing of it can be half done. What is unmounted is mounted again, or said to be
 * suspended; of what is collected, the next collection takes the rest.
 */
const BY_HAND: Readonly<Record<string, RegExp>> = { unmount: /^processes\.run/, gc: /^files\.remove/ };

export function createWatch(observer: FakeHost): Watch {
  const { files } = observer.outside;
  const violations: Violation[] = [];
  const canaries = new Map<string, string>();
  const movables = new Map<string, string>();
  const crashPoints = new Set<string>();
  const crashCalls = new Set<string>();
  let calls = 0;
  let person = "";
  const report = (rule: string, what: string): void => {
    if (!violations.some((known) => known.rule === rule)) violations.push({ rule, what });
  };
  const artifacts = createArtifactWatch(observer.outside, report);
  const journal = createJournalWatch(observer);

  function checkWrite(call: Call, pid: number): void {
    const subject = subjectOf(call);
    if (subject === undefined) return;
    const [holder] = observer.stores.holders(`${STATE}/lock`);
    if (holder?.pid !== pid) {
      report("lock", `process ${pid} called ${call.name} ${subject} while ${holder?.pid ?? "nobody"} held the lock`);
    }
    if (BY_HAND[person]?.test(call.name) === true) return;
    // Half of a note of ours is nothing that a journal could bring back.
    if (call.name === "files.removeFile" && isTemporary(subject)) return;
    if (!journal.hasOpenStep()) report("journal", `${call.name} ${subject} without an open step`);
    else if (needsIntent(call) && !journal.hasIntent()) report("journal", `${call.name} ${subject} without an intent`);
  }

  return {
    violations,
    crashPoints,
    crashCalls,
    calls: () => calls,
    report,
    around: (weather, pid) => ({
      before: (call) => {
        calls += 1;
        if (call.name === "stores.transaction") journal.begins();
        checkWrite(call, pid());
        try {
          weather.before?.(call);
        } catch (thrown) {
          journal.unsure();
          throw thrown;
        }
      },
      after: (call) => {
        journal.saw(call);
        artifacts.check(call.name);
        try {
          weather.after?.(call);
        } catch (thrown) {
          journal.unsure();
          artifacts.check("a crash");
          throw thrown;
        }
      },
    }),
    started: () => {
      journal.unsure();
      artifacts.check(RESTART);
      checkMarkers(observer, report);
    },
    person: (command) => {
      person = command;
    },
    taint: artifacts.taint,
    addCanary: (path) => canaries.set(path, files.readText(path) ?? ""),
    dropCanary: (top) => {
      for (const path of canaries.keys()) if (path === top || path.startsWith(`${top}/`)) canaries.delete(path);
    },
    addMovable: (path, content) => movables.set(path, content),
    movables,
    checkCanaries: () => {
      for (const [path, content] of canaries) {
        const found = files.readText(path);
        if (found !== content) report("foreign", `${path} of others is ${found === undefined ? "gone" : "changed"}`);
      }
    },
    removals: journal.removals,
  };
}

/** The path among what we manage that a call changes; undefined for all else (caches, the store, reports). */
function subjectOf(call: Call): string | undefined {
  if (!WRITES.test(call.name)) return undefined;
  const texts = call.name === "processes.run" ? commandOf(call) : call.arguments;
  return texts.find((text) => MANAGED.some((prefix) => text.startsWith(prefix)));
}

function commandOf(call: Call): readonly string[] {
  const text = call.arguments[0] ?? "";
  if (!/"file":"(mount|umount|tar|truncate|mkfs\.ext4)"/.test(text) || text.includes('"privateNamespace":true'))
    return [];
  return [...text.matchAll(/"(?:--directory=)?(\/[^"]*)"/g)].map((match) => match[1] ?? "");
}

function needsIntent(call: Call): boolean {
  if (call.name === "files.rename") return !/\/\.(rootloom|build-)/.test(call.arguments[1] ?? "");
  const file = /"file":("[a-z]+)/.exec(call.arguments[0] ?? "")?.[1] ?? "";
  return call.name === "processes.run" && NEEDS_INTENT.test(file);
}
