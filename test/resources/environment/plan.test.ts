import { describe, expect, test } from "vitest";
import type { EnvironmentResource, OwnedRecord } from "../../../src/core/resource.ts";
import type { Action, Draft, PlanContext } from "../../../src/core/step.ts";
import type { ObservedEnvironment } from "../../../src/resources/environment/observe.ts";
import { environmentPlanner } from "../../../src/resources/environment/plan.ts";

const resource: EnvironmentResource = {
  id: "environment/i686",
  kind: "environment",
  name: "i686",
  identity: "path:/srv/i686.env",
  dependsOn: ["volume/srv"],
  origin: { document: "ArchTarget/i686", file: "desired/targets/i686.yaml", line: 4, column: 5 },
  protect: false,
  onDelete: "destroy",
  path: "/srv/i686.env",
  variables: { CFLAGS: "-O2" },
  mode: 0o644,
};
const record: OwnedRecord = {
  ...{ id: resource.id, kind: "environment", name: resource.name, identity: resource.identity },
  ...{ inputs: { content: "new", mode: "0644" }, details: { path: "/srv/i686.env" } },
  ...{ protect: false, onDelete: "destroy", dependsOn: resource.dependsOn, revision: "c1", runId: "r1" },
  appliedAt: "2026-01-01T00:00:00.000Z",
};
const there: ObservedEnvironment = {
  ...{ state: "ours", path: "/srv/i686.env", what: "", adoptable: false, sha256: "new", wanted: "new", changed: [] },
  ...{ mode: 0o644, parent: true, refusal: "", hint: "" },
};
const absent: ObservedEnvironment = { ...there, state: "absent", sha256: "", mode: 0 };
const foreign: ObservedEnvironment = { ...there, state: "foreign", what: "a file of another", adoptable: true };
const differs: ObservedEnvironment = { ...there, sha256: "old", changed: ["CFLAGS", "LANG"] };
const unseen: ObservedEnvironment = { ...absent, refusal: "it is a system path", hint: "choose another" };

const around = (actions: Record<string, Action> = {}, adopted = false): PlanContext => ({
  actionOf: (id) => actions[id],
  adoptions: new Set(adopted ? [resource.id] : []),
});
const plan = (observed: ObservedEnvironment, owned?: OwnedRecord, context = around(), wanted = resource): Draft =>
  environmentPlanner.plan(wanted, observed, owned, context);
const recorded = (inputs: Record<string, string>): OwnedRecord => ({
  ...record,
  inputs: { ...record.inputs, ...inputs },
});

const write = (action: string, cause: string, reason: string, more: object = {}) => ({
  ...{ operation: "environment.write", arguments: { resource }, action, cause, reason },
  ...more,
});
const refused = (why: string, hint: string) => ({
  blocked: { condition: "Refused", message: `cannot write environment file /srv/i686.env: ${why}`, hint },
});

describe("a declared environment file", () => {
  test("that is nowhere is new", () => {
    expect(plan(absent)).toEqual(write("create", "intentional", "new"));
  });

  test("that disappeared is a correction, unless the commit moved it", () => {
    expect(plan(absent, record)).toEqual(
      write("create", "corrective", "the file disappeared: nothing is at /srv/i686.env"),
    );
    expect(plan(absent, { ...record, details: { path: "/srv/old.env" } })).toEqual(
      write("create", "intentional", "moved from /srv/old.env"),
    );
  });

  test("below a missing directory is refused, unless a step of this pass makes that", () => {
    const blocked = refused("the directory above it is not there", "make the directory above /srv/i686.env");
    const orphan = { ...absent, parent: false };
    expect(plan(orphan)).toEqual(write("create", "intentional", "new", blocked));
    expect(plan(orphan, record)).toMatchObject({ cause: "corrective", ...blocked });
    const several = { ...resource, dependsOn: ["volume/other", "volume/srv"] } as const;
    const made = plan(orphan, undefined, around({ "volume/srv": "create" }), several);
    expect(made).not.toHaveProperty("blocked");
    expect(plan(orphan, undefined, around({ "volume/srv": "update" }))).toMatchObject(blocked);
  });

  test("that is as declared and recorded is kept", () => {
    expect(plan(there, record)).toEqual({
      ...{ operation: "keep", arguments: {}, action: "keep", cause: "intentional", reason: "as declared" },
    });
  });

  test("at a path that may not be used is refused", () => {
    const blocked = refused("it is a system path", "choose another");
    expect(plan(unseen, record)).toEqual(write("create", "intentional", "new", blocked));
  });
});

describe("an environment file whose text differs", () => {
  const details = ["CFLAGS differs", "LANG differs"];

  test("by hand is corrected, and names the variables, never the values", () => {
    const expected = write("update", "corrective", "CFLAGS, LANG was changed by hand", { details });
    expect(plan(differs, record)).toEqual(expected);
    expect(plan(differs)).toEqual(expected);
  });

  test("by the commit is updated", () => {
    expect(plan(differs, recorded({ content: "old" }))).toEqual(
      write("update", "intentional", "CFLAGS, LANG changed", { details }),
    );
  });

  test("in no variable says so, and in many names five", () => {
    expect(plan({ ...differs, changed: [] }, record)).toEqual(
      write("update", "corrective", "its text was changed by hand", { details: [] }),
    );
    const changed = ["A", "B", "C", "D", "E", "F"];
    const many = plan({ ...differs, changed }, record);
    expect(many.reason).toBe("A, B, C, D, E was changed by hand");
    expect(many.details).toEqual(changed.map((name) => `${name} differs`));
  });
});

describe("an environment file with the right text", () => {
  test("and another mode is corrected when a hand did it, and updated when the commit did", () => {
    const reason = "mode is 0600, 0644 is declared";
    const closed = { ...there, mode: 0o600 };
    expect(plan(closed, record)).toEqual(write("update", "corrective", reason));
    expect(plan(closed)).toEqual(write("update", "corrective", reason));
    expect(plan(closed, recorded({ mode: "0600" }))).toEqual(write("update", "intentional", reason));
    expect(plan({ ...there, mode: 0o44 }, record).reason).toBe("mode is 0044, 0644 is declared");
  });

  test("whose record is lost or older only gets its record", () => {
    expect(plan(there)).toEqual(write("update", "corrective", "its record was lost; its first line is ours"));
    const older = write("update", "intentional", "its record is older");
    expect(plan(there, recorded({ content: "old" }))).toEqual(older);
    expect(plan(there, recorded({ mode: "0600" }))).toEqual(older);
  });

  test("whose life is declared otherwise has that recorded", () => {
    expect(plan(there, { ...record, onDelete: "retain" })).toEqual(
      write("update", "intentional", "onDelete is destroy, retain was recorded"),
    );
  });
});

describe("what stands at an environment file's path", () => {
  const reason = "/srv/i686.env is a file of another";

  test("is refused with the command that adopts it, until a person says so", () => {
    const blocked = refused(reason, "rootloom adopt environment/i686, or move it away");
    expect(plan(foreign, record)).toEqual(write("adopt", "intentional", reason, blocked));
    expect(plan(foreign, undefined, around({}, true))).toEqual(write("adopt", "intentional", reason));
  });

  test("and cannot be adopted is refused, whatever a person says", () => {
    const blocked = refused("/srv/i686.env is a directory", "move /srv/i686.env away");
    const directory = { ...foreign, what: "a directory", adoptable: false };
    const expected = write("adopt", "intentional", "/srv/i686.env is a directory", blocked);
    expect(plan(directory, undefined, around({}, true))).toEqual(expected);
    expect(plan(directory)).toEqual(expected);
  });
});

describe("an environment file whose declaration was removed", () => {
  const remove = (observed: ObservedEnvironment, more: Partial<OwnedRecord> = {}): Draft =>
    environmentPlanner.planRemoval({ ...record, ...more }, observed);
  const forget = (reason: string, more: Partial<OwnedRecord> = {}) => ({
    ...{ operation: "forget", arguments: { record: { ...record, ...more } }, action: "forget" },
    ...{ cause: "intentional", reason },
  });
  const deleted = {
    ...{ operation: "environment.delete", arguments: { record }, action: "delete" },
    ...{ cause: "intentional", reason: "its declaration was removed" },
  };

  test("is deleted while it is as we wrote it", () => {
    expect(remove(there)).toEqual(deleted);
  });

  test("is only forgotten when it is gone, another's, or was edited", () => {
    expect(remove(absent)).toEqual(forget("/srv/i686.env is gone already"));
    const kept = forget("/srv/i686.env is not as we wrote it; it is kept");
    expect(remove(foreign)).toEqual(kept);
    expect(remove({ ...there, sha256: "edited" })).toEqual(kept);
  });

  test("is kept when it was declared so, and not even forgotten while it is protected", () => {
    const retained = { onDelete: "retain" } as const;
    expect(remove(there, retained)).toEqual(forget("its declaration was removed; the file is kept", retained));
    expect(remove(there, { onDelete: "retain", protect: true })).toMatchObject({
      operation: "forget",
      blocked: { condition: "Refused", message: "cannot remove environment/i686: it is protected" },
    });
  });

  test("is refused, not taken for gone or edited, where nobody may look", () => {
    const blocked = { condition: "Refused", message: "it is a system path", hint: "choose another" };
    expect(remove(unseen)).toEqual({ ...deleted, blocked });
    const { refusal, hint } = unseen;
    expect(remove({ ...foreign, sha256: "edited", refusal, hint })).toEqual({ ...deleted, blocked });
  });
});
