import { createHash } from "node:crypto";
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { RootloomError } from "../../src/core/error.ts";
import { migrate, requireCurrent, schemaVersion } from "../../src/state/schema.ts";
import { openState } from "../../src/state/state.ts";
import type { Condition, RunSummary } from "../../src/state/types.ts";
import { host, newStateDirectory, ownedRecord } from "./host.ts";

const at = "2026-11-21T08:00:00.000Z";

/** Every file of a directory with its bytes and times: what "leaves no trace" is held against. */
function fingerprint(directory: string): string {
  if (!existsSync(directory)) return "absent";
  const lines = readdirSync(directory, { recursive: true, encoding: "utf8" })
    .sort()
    .map((name) => {
      const path = join(directory, name);
      const stat = statSync(path);
      const content = stat.isFile() ? createHash("sha256").update(readFileSync(path)).digest("hex") : "";
      return `${name} ${stat.mode} ${stat.mtimeMs} ${stat.ino} ${content}`;
    });
  return `${statSync(directory).mtimeMs}\n${lines.join("\n")}`;
}

function condition(object: string, more: Partial<Condition> = {}): Condition {
  return {
    object,
    type: "Ready",
    status: "True",
    reason: "Reconciled",
    message: "",
    lastTransitionTime: at,
    observedGeneration: "t1",
    ...more,
  };
}

function run(number: number): RunSummary {
  const runId = `run-${number}`;
  return {
    runId,
    trigger: "command",
    revision: "c",
    treeHash: "t",
    startedAt: at,
    finishedAt: at,
    result: "converged",
    summary: {},
  };
}

describe("a state opened to read", () => {
  it("is empty where there is no store, and leaves no directory behind", () => {
    const directory = newStateDirectory();
    const state = openState(host, directory, "read");
    expect([state.instance, state.records(), state.conditions(), state.runs(5), state.report()]).toEqual([
      "",
      [],
      [],
      [],
      undefined,
    ]);
    state.close();
    expect(existsSync(directory)).toBe(false);
  });

  it("has the instance of the file where the store is lost", () => {
    const directory = newStateDirectory();
    const first = openState(host, directory, "write");
    first.close();
    rmSync(join(directory, "rootloom.db"));
    const state = openState(host, directory, "read");
    expect(state.instance).toBe(first.instance);
    state.close();
  });

  it("leaves every byte and time as it was", () => {
    const directory = newStateDirectory();
    const first = openState(host, directory, "write");
    first.restoreRecord(ownedRecord("tree/a"));
    first.close();
    const before = fingerprint(directory);
    const state = openState(host, directory, "read");
    expect(state.records()).toEqual([ownedRecord("tree/a")]);
    state.close();
    expect(fingerprint(directory)).toBe(before);
  });

  it("refuses to write", () => {
    const state = openState(host, newStateDirectory(), "read");
    expect(() => state.restoreRecord(ownedRecord("tree/a"))).toThrow("cannot write the state");
  });

  it("says what mends a corrupt store, and touches nothing", () => {
    const directory = newStateDirectory();
    openState(host, directory, "write").close();
    writeFileSync(
      join(directory, "rootloom.db"),
      "this is no database, though it is long enough to be looked at\n".repeat(99),
    );
    const before = fingerprint(directory);
    expect(() => openState(host, directory, "read")).toThrow(
      expect.objectContaining({ condition: "StoreCorrupt", hint: expect.stringContaining("rootloom apply") }),
    );
    expect(fingerprint(directory)).toBe(before);
  });
});

describe("a state opened to write", () => {
  it("keeps a corrupt store aside, says so, and goes on with the same instance", () => {
    const directory = newStateDirectory();
    const first = openState(host, directory, "write");
    first.close();
    const damaged = "not a database\n".repeat(500);
    writeFileSync(join(directory, "rootloom.db"), damaged);
    const state = openState(host, directory, "write");
    const aside = readdirSync(directory).filter((name) => name.startsWith("rootloom.db.corrupt-"));
    expect(aside).toHaveLength(1);
    expect(readFileSync(join(directory, aside[0]!), "utf8")).toBe(damaged);
    expect(state.recovered).toContain(aside[0]);
    expect([state.instance, state.records()]).toEqual([first.instance, []]);
    state.close();
  });

  it("makes instance and store for the owner only", () => {
    const directory = newStateDirectory();
    openState(host, directory, "write").close();
    const modes = ["", "instance", "rootloom.db"].map((name) =>
      (statSync(join(directory, name)).mode & 0o777).toString(8),
    );
    expect(modes).toEqual(["700", "600", "600"]);
    expect(readFileSync(join(directory, "instance"), "utf8")).toMatch(/^[0-9a-f]{32}\n$/);
  });

  it("writes nothing when it is opened again", () => {
    const directory = newStateDirectory();
    openState(host, directory, "write").close();
    const before = fingerprint(directory);
    openState(host, directory, "write").close();
    expect(fingerprint(directory)).toBe(before);
  });

  it("writes the instance file again from the store", () => {
    const directory = newStateDirectory();
    const first = openState(host, directory, "write");
    first.close();
    rmSync(join(directory, "instance"));
    const state = openState(host, directory, "write");
    state.close();
    expect([state.instance, readFileSync(join(directory, "instance"), "utf8")]).toEqual([
      first.instance,
      `${first.instance}\n`,
    ]);
  });

  it("refuses a store and an instance file of two installations", () => {
    const directory = newStateDirectory();
    openState(host, directory, "write").close();
    writeFileSync(join(directory, "instance"), `${"0".repeat(32)}\n`);
    expect(() => openState(host, directory, "write")).toThrow("and its store says");
  });

  it("refuses an instance file that holds no id", () => {
    const directory = newStateDirectory();
    openState(host, directory, "write").close();
    writeFileSync(join(directory, "instance"), "hello\n");
    chmodSync(join(directory, "instance"), 0o600);
    expect(() => openState(host, directory, "write")).toThrow("holds no instance id");
  });
});

describe("the schema", () => {
  it("is brought forward one version at a time, once", () => {
    const directory = newStateDirectory();
    host.files.makeDirectories(directory, 0o700);
    const database = host.stores.open(join(directory, "x.db"), "write")!;
    const first = [["create table a (name text primary key)"]];
    migrate(database, first);
    expect(schemaVersion(database)).toBe(1);
    migrate(database, [...first, ["alter table a add column size bigint"]]);
    migrate(database, [...first, ["alter table a add column size bigint"]]);
    expect([schemaVersion(database), database.all("select name, size from a")]).toEqual([2, []]);
    database.close();
  });

  it("of a newer program is refused, of an older one is not read", () => {
    const directory = newStateDirectory();
    openState(host, directory, "write").close();
    const database = host.stores.open(join(directory, "rootloom.db"), "write")!;
    expect(() => requireCurrent(database, 9)).toThrow("this program reads 9");
    database.run("update meta set value = '99' where name = 'schema'");
    expect(() => migrate(database)).toThrow("its schema is version 99");
    database.close();
  });
});

describe("the journal", () => {
  it("answers every effect of a step that was not finished, ended ones too, oldest first", () => {
    const directory = newStateDirectory();
    const state = openState(host, directory, "write");
    const step = state.beginStep("r1", "tree/a", "tree.replace", at);
    state.endEffect(state.beginEffect(step, "tree.swap.keep-old", { from: "/a" }, at), at);
    state.beginEffect(step, "tree.swap.place-new", { to: "/a" }, at);
    state.close();
    const again = openState(host, directory, "write");
    const open = { step, stepId: "tree/a", operation: "tree.replace", runId: "r1" };
    expect(again.openEffects()).toEqual([
      { ...open, effect: "tree.swap.keep-old", details: { from: "/a" } },
      { ...open, effect: "tree.swap.place-new", details: { to: "/a" } },
    ]);
    again.closeStep(step, "recovered", at);
    expect([again.openEffects(), again.openSteps()]).toEqual([[], []]);
    again.close();
  });

  it("writes a step's end and its record in one transaction", () => {
    const state = openState(host, newStateDirectory(), "write");
    const record = ownedRecord("tree/a");
    const step = state.beginStep("r1", "tree/a", "tree.create", at);
    expect(state.openSteps()).toEqual([{ step, runId: "r1", stepId: "tree/a", operation: "tree.create", begunAt: at }]);
    state.finishStep(step, { id: "tree/a", record, result: "created", error: undefined }, at);
    expect([state.openSteps(), state.record("tree/a")]).toEqual([[], record]);
    state.close();
  });

  it("keeps a resource owned after a failure, and lets it go after a success without a record", () => {
    const state = openState(host, newStateDirectory(), "write");
    state.restoreRecord(ownedRecord("tree/a"));
    const end = (error: string | undefined) => {
      const step = state.beginStep("r1", "tree/a", "tree.delete", at);
      state.finishStep(step, { id: "tree/a", record: undefined, result: "", error }, at);
    };
    end("cannot delete");
    expect(state.record("tree/a")).toEqual(ownedRecord("tree/a"));
    end(undefined);
    expect(state.record("tree/a")).toBeUndefined();
    state.close();
  });

  it("supersedes a step that a kill left before its first effect, and none that has effects", () => {
    const state = openState(host, newStateDirectory(), "write");
    state.beginStep("r1", "tree/a", "tree.create", at);
    const half = state.beginStep("r1", "tree/b", "tree.create", at);
    state.beginEffect(half, "tree.place", {}, at);
    const next = [
      state.beginStep("r2", "tree/a", "tree.create", at),
      state.beginStep("r2", "tree/b", "tree.create", at),
    ];
    expect(state.openSteps().map((open) => open.step)).toEqual([half, ...next]);
    state.close();
  });
});

describe("conditions", () => {
  it("are written only where they differ in more than their time", () => {
    const directory = newStateDirectory();
    const first = openState(host, directory, "write");
    first.setConditions([condition("tree/a")], []);
    first.close();
    const before = fingerprint(directory);
    const second = openState(host, directory, "write");
    second.setConditions([condition("tree/a", { lastTransitionTime: "2027-01-01T00:00:00.000Z" })], []);
    expect(second.conditions()).toEqual([condition("tree/a")]);
    second.close();
    expect(fingerprint(directory)).toBe(before);
  });

  it("keep the time of their last transition until their status changes", () => {
    const state = openState(host, newStateDirectory(), "write");
    const later = "2027-01-01T00:00:00.000Z";
    state.setConditions([condition("tree/a")], []);
    state.setConditions([condition("tree/a", { message: "new", lastTransitionTime: later })], []);
    expect(state.conditions()).toEqual([condition("tree/a", { message: "new" })]);
    state.setConditions([condition("tree/a", { status: "False", lastTransitionTime: later })], []);
    expect(state.conditions()).toEqual([condition("tree/a", { status: "False", lastTransitionTime: later })]);
    state.close();
  });

  it("of a named object are replaced as a set, of others stay, of gone ones go", () => {
    const state = openState(host, newStateDirectory(), "write");
    const stalled = condition("tree/a", { type: "Stalled" });
    state.setConditions([condition("tree/a"), stalled, condition("tree/b"), condition("tree/c")], []);
    state.setConditions([condition("tree/a")], ["tree/c"]);
    expect(state.conditions()).toEqual([condition("tree/a"), condition("tree/b")]);
    state.close();
  });
});

describe("runs, decisions, facts and generations", () => {
  it("keeps as many runs as asked, the newest first, each with its report", () => {
    const state = openState(host, newStateDirectory(), "write");
    for (const number of [1, 2, 3]) state.addRun(run(number), { number }, 2);
    expect(state.runs(9).map((each) => each.runId)).toEqual(["run-3", "run-2"]);
    expect([state.report(), state.report("run-2"), state.report("run-1")]).toEqual([
      { number: 3 },
      { number: 2 },
      undefined,
    ]);
    state.close();
  });

  it("forgets the journal of runs that are no longer kept, never an open step", () => {
    const directory = newStateDirectory();
    const state = openState(host, directory, "write");
    const done = state.beginStep("run-1", "tree/a", "tree.create", at);
    state.beginEffect(done, "x", {}, at);
    state.finishStep(done, { id: "tree/a", record: undefined, result: "", error: undefined }, at);
    const open = state.beginStep("run-1", "tree/b", "tree.create", at);
    state.addRun(run(2), {}, 1);
    state.close();
    const database = host.stores.open(join(directory, "rootloom.db"), "read")!;
    expect(database.all("select step from steps")).toEqual([{ step: open }]);
    expect(database.all("select effect from effects")).toEqual([]);
    database.close();
  });

  it("keeps one decision of each type, with who, why and until when", () => {
    const state = openState(host, newStateDirectory(), "write");
    const approval = { id: "tree/a", type: "approve", digest: "d1", who: "ann", why: "tested", until: "", at } as const;
    state.decide(approval);
    state.decide({ ...approval, digest: "d2" });
    state.decide({ ...approval, type: "suspend" });
    expect(state.decisions()).toEqual([
      { ...approval, digest: "d2" },
      { ...approval, type: "suspend" },
    ]);
    state.withdraw("tree/a", "approve");
    expect(state.decisions()).toEqual([{ ...approval, type: "suspend" }]);
    state.close();
  });

  it("keeps facts across openings", () => {
    const directory = newStateDirectory();
    const first = openState(host, directory, "write");
    first.setFact("limit", "3");
    first.close();
    const second = openState(host, directory, "write");
    expect([second.fact("limit"), second.fact("other")]).toEqual(["3", undefined]);
    second.close();
  });

  it("calls a row that is no JSON a corrupt store", () => {
    const directory = newStateDirectory();
    openState(host, directory, "write").close();
    const database = host.stores.open(join(directory, "rootloom.db"), "write")!;
    database.run("insert into records values ('tree/a', '{')");
    database.close();
    const state = openState(host, directory, "read");
    expect(() => state.records()).toThrow(RootloomError);
    state.close();
  });
});
