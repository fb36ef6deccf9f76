import type { OwnedRecord, ResourceKind } from "../../src/core/resource.ts";
import type { Draft } from "../../src/core/step.ts";
import type { FakeHost } from "../../src/host/fake/host.ts";
import type { JobTable } from "../../src/host/jobs.ts";
import type { Database, Files, Host } from "../../src/host/ports.ts";
import { executors } from "../../src/resources/effects.ts";
import { planners } from "../../src/resources/index.ts";
import { linkObserver } from "../../src/resources/link/observe.ts";

/** A fault put into the program on purpose, from outside, to prove that the simulation can see one. */
export interface DeliberateFault {
  readonly name: string;
  readonly what: string;
  /** Within how many seeds, from 1 on, it must be caught. */
  readonly seeds: number;
  /** Bends the ports as the program sees them. */
  readonly host?: (host: FakeHost) => Host;
  readonly jobs?: (table: JobTable) => JobTable;
  /** Bends a table of the program; the answer sets it right again. */
  readonly install?: () => () => void;
}

export const DELIBERATE_FAULTS: readonly DeliberateFault[] = [
  {
    name: "forget-fsync",
    what: "what is written through a writer is renamed into place without being synced",
    seeds: 120,
    host: bendFiles(withoutWriterSync),
    jobs: bendJobFiles(withoutWriterSync),
  },
  {
    name: "forget-tree-sync",
    what: "a tree that was extracted is marked and placed without being synced",
    seeds: 120,
    host: bendFiles((files) => ({ ...files, syncFilesystem: () => undefined })),
  },
  {
    name: "write-in-place",
    what: "files are written over the old content, not beside it",
    seeds: 100,
    host: bendFiles((files) => ({
      ...files,
      writeFile: (path, content, attributes) => writeInPlace(files, path, content, attributes.mode),
    })),
  },
  {
    name: "drop-lock-early",
    what: "the state's lock is let go as soon as it was taken",
    seeds: 3,
    host: (host) => ({
      ...host,
      stores: {
        ...host.stores,
        lock: async (path) => {
          (await host.stores.lock(path))?.release();
          return { release: () => undefined };
        },
      },
    }),
  },
  {
    name: "trust-the-record",
    what: "a link that is recorded is taken to be there as recorded",
    seeds: 200,
    install: () =>
      bend(linkObserver, "observe", (observe) => async (resource, owned, context) => {
        const seen = await observe(resource, owned, context);
        return owned === undefined ? seen : { ...seen, type: "symlink", target: resource.target };
      }),
  },
  {
    name: "skip-marker-identity",
    what: "a marker is believed wherever it lies, so that a copy of a volume passes for it",
    seeds: 250,
    host: bendFiles((files) => ({ ...files, readText: (path) => believed(files, path, files.readText(path)) })),
  },
  {
    name: "prune-before-the-check",
    what: "removals are not counted against the limit of deletions",
    seeds: 200,
    install: () =>
      bendRemovals(["link", "mount", "environment", "artifact", "overlay"], (plan, record) => {
        const draft = plan(record);
        return draft.action === "delete" ? { ...draft, action: "update" } : draft;
      }),
  },
  {
    name: "destroy-unasked",
    what: "a removal does not say what it destroys, so that nobody is asked",
    seeds: 60,
    install: () =>
      bendRemovals(["tree", "volume"], (plan, record) => {
        const { destroys: _, ...draft } = plan(record);
        return draft;
      }),
  },
  {
    name: "forget-protection",
    what: "a removal looks neither at `protect` nor at what it destroys",
    seeds: 300,
    install: () =>
      bendRemovals(["tree", "volume"], (plan, record) => {
        if (!record.protect) return plan(record);
        const { destroys: _, ...draft } = plan({ ...record, protect: false, onDelete: "destroy" });
        return draft;
      }),
  },
  {
    name: "no-journal",
    what: "steps and effects are not written to the journal",
    seeds: 3,
    host: bendStore((sql) => /^insert into (steps|effects)/.test(sql)),
  },
  {
    name: "effect-without-intent",
    what: "effects are not written to the journal before they happen",
    seeds: 3,
    host: bendStore((sql) => sql.startsWith("insert into effects")),
  },
  {
    name: "journal-left-open",
    what: "a step that ended is not closed in the journal",
    seeds: 3,
    host: bendStore((sql) => sql.startsWith("update steps")),
  },
  {
    name: "stale-mounts",
    what: "the list of mounts is read once, when the process starts",
    seeds: 60,
    host: (host) => {
      let known: ReturnType<Files["mounts"]> | undefined;
      const mounts = (): ReturnType<Files["mounts"]> => {
        known ??= host.files.mounts();
        return known;
      };
      return { ...host, files: { ...host.files, mounts } };
    },
  },
  {
    name: "adopt-what-stands-there",
    what: "a folder at a volume's place is adopted though nobody said so",
    seeds: 60,
    install: () =>
      bend(
        planners.volume,
        "plan",
        (plan) => (resource, observed, owned, context) =>
          plan(resource, observed, owned, { ...context, adoptions: new Set([resource.id]) }),
      ),
  },
  {
    name: "keep-no-old-root",
    what: "a root that is replaced is removed, not kept",
    seeds: 300,
    host: bendFiles((files) => ({
      ...files,
      rename: (from, to) => {
        files.rename(from, to);
        if (!to.includes("/kept/") || !to.endsWith("/root")) return;
        const stat = files.stat(to);
        if (stat !== undefined) files.removeTree(to, stat.inode);
      },
    })),
  },
  {
    name: "publish-before-packing",
    what: "`current` is set to a generation before it is packed",
    seeds: 30,
    install: () =>
      bend(executors, "artifact.pack", (pack) => async (step, context) => {
        const { path } = step.arguments.resource;
        if (context.host.files.stat(path) !== undefined)
          context.host.files.writeLink(`${path}/current`, "00000000deadbeef");
        return pack(step, context);
      }),
  },
  {
    name: "swallow-a-failure",
    what: "an extraction that failed is taken for one that went well",
    seeds: 20,
    host: (host) => ({
      ...host,
      processes: {
        ...host.processes,
        run: async (command) =>
          command.file === "tar" ? { exitCode: 0, stdout: "", stderr: "" } : host.processes.run(command),
      },
    }),
  },
  {
    name: "never-content",
    what: "a link that is as declared is written again",
    seeds: 20,
    install: () =>
      bend(planners.link, "plan", (plan) => (resource, observed, owned, context) => {
        const draft = plan(resource, observed, owned, context);
        if (draft.operation !== "keep") return draft;
        const again = {
          operation: "link.write",
          arguments: { resource },
          action: "update",
          cause: "corrective",
        } as const;
        return { ...again, reason: "again" };
      }),
  },
];

function bendFiles(change: (files: Files) => Files): (host: FakeHost) => Host {
  return (host) => ({ ...host, files: change(host.files) });
}

function bendJobFiles(change: (files: Files) => Files): (table: JobTable) => JobTable {
  return (table) => {
    const bent = Object.entries(table).map(([name, job]) => {
      const run = job as (input: unknown, context: Parameters<JobTable["hash"]>[1]) => Promise<unknown>;
      const changed: typeof run = (input, context) => run(input, { ...context, files: change(context.files) });
      return [name, changed];
    });
    return Object.fromEntries(bent) as JobTable;
  };
}

/** The store without the statements that `drop` names. */
function bendStore(drop: (sql: string) => boolean): (host: FakeHost) => Host {
  return (host) => ({
    ...host,
    stores: {
      ...host.stores,
      open: (path, mode) => {
        const database = host.stores.open(path, mode);
        if (database === undefined) return undefined;
        const run: Database["run"] = (sql, ...values) => (drop(sql) ? undefined : database.run(sql, ...values));
        return { ...database, run };
      },
    },
  });
}

function withoutWriterSync(files: Files): Files {
  const forgets = { sync: { value: () => undefined }, syncLater: { value: async () => undefined } };
  return { ...files, openWriter: (path, mode) => Object.create(files.openWriter(path, mode), forgets) };
}

function writeInPlace(files: Files, path: string, content: string | Uint8Array, mode: number): void {
  const writer = files.openWriter(path, mode);
  writer.write(Buffer.from(content));
  writer.close();
}

/** A marker's text with the identity of whatever it lies beside. */
function believed(files: Files, path: string, text: string | undefined): string | undefined {
  const found = /^(.*)\/\.rootloom\/(?:volume|trees\/([a-z]+))\.json$/.exec(path);
  if (text === undefined || found === null) return text;
  const [, volume = "", tree] = found;
  const top = files.stat(
    tree === undefined || tree === "old" ? volume : `${volume}/${tree.endsWith("b") ? "second" : "root"}`,
  );
  try {
    const marker = JSON.parse(text);
    return JSON.stringify({ ...marker, identity: { ...marker.identity, inode: top?.inode, born: top?.born } });
  } catch {
    return text;
  }
}

/** Changes one member of a table; the answer puts the old one back. */
function bend<T extends object, K extends keyof T>(table: T, key: K, change: (old: T[K]) => T[K]): () => void {
  const old = table[key];
  table[key] = change(old);
  return () => {
    table[key] = old;
  };
}

/** Changes how removals of some kinds are planned. */
function bendRemovals(
  kinds: readonly ResourceKind[],
  change: (plan: (record: OwnedRecord) => Draft, record: OwnedRecord) => object,
): () => void {
  const undo = kinds.map((kind) => {
    const planner = planners[kind] as { planRemoval: (record: OwnedRecord, observed: never) => Draft };
    return bend(
      planner,
      "planRemoval",
      (old) => (record, observed) => change((changed) => old(changed, observed), record) as Draft,
    );
  });
  return () => {
    for (const each of undo) each();
  };
}
