import { describe, expect, test } from "vitest";
import type { OwnedRecord, ResourceId, VolumeResource } from "../../../src/core/resource.ts";
import type { Action, PlanContext } from "../../../src/core/step.ts";
import type { ObservedVolume } from "../../../src/resources/volume/observe.ts";
import { volumePlanner } from "../../../src/resources/volume/plan.ts";

const resource: VolumeResource = {
  id: "volume/debian",
  kind: "volume",
  name: "debian",
  identity: "path:/srv/debian",
  dependsOn: [],
  origin: { document: "Volume/debian", file: "desired/volumes/debian.yaml", line: 1, column: 1 },
  protect: false,
  onDelete: "retain",
  backend: "directory",
  path: "/srv/debian",
  device: "",
  size_bytes: undefined,
  filesystem: undefined,
  label: undefined,
  mountOptions: [],
  ownership: { owner: "root", group: "root" },
  mode: 0o755,
};

const ours: ObservedVolume = {
  state: "ours",
  path: "/srv/debian",
  refusal: "",
  hint: "",
  place: "/srv/debian",
  what: "",
  about: [],
  unadoptable: "",
  identity: "uuid-1 12",
  filesystem: "",
  label: "",
  size_bytes: undefined,
  granularity_bytes: 1,
  shrinks: false,
  mount: { state: "none", why: "", differences: [] },
  top: "ours",
  mode: 0o755,
  owner: 0,
  group: 0,
  wanted: { owner: 0, group: 0 },
  obstacle: undefined,
  moved: false,
  retained: [],
};
const absent: ObservedVolume = { ...ours, state: "absent", mode: 0 };
const foreign: ObservedVolume = { ...ours, state: "foreign", what: "a directory with 3 entries, not made by Rootloom" };

const record: OwnedRecord = {
  id: "volume/debian",
  kind: "volume",
  name: "debian",
  identity: "path:/srv/debian",
  inputs: { mode: "0755", owner: "0:0" },
  details: { path: "/srv/debian", backend: "directory", filesystem: "uuid-1", inode: 12 },
  protect: false,
  onDelete: "retain",
  dependsOn: [],
  revision: "c0ffee",
  runId: "20261121-aaaaaaaa",
  appliedAt: "2026-11-21T08:00:00.000Z",
};

function context(adoptions: readonly ResourceId[] = [], actions: Record<string, Action> = {}): PlanContext {
  return { actionOf: (id) => actions[id], adoptions: new Set(adoptions) };
}

const plan = (observed: ObservedVolume, owned?: OwnedRecord, wanted = resource, around = context()) =>
  volumePlanner.plan(wanted, observed, owned, around);

describe("a declared volume", () => {
  test("that is nowhere is created", () => {
    expect(plan(absent)).toEqual({
      operation: "volume.create",
      arguments: { resource },
      action: "create",
      cause: "intentional",
      reason: "new",
    });
  });

  test("that was recorded and disappeared is created again, as a correction", () => {
    expect(plan(absent, record)).toMatchObject({
      operation: "volume.create",
      cause: "corrective",
      reason: "the volume disappeared: nothing is at /srv/debian",
    });
    expect(plan(absent, record).blocked).toBeUndefined();
  });

  test("that is as declared and recorded is kept", () => {
    expect(plan(ours, record)).toEqual({
      operation: "keep",
      arguments: {},
      action: "keep",
      cause: "intentional",
      reason: "as declared",
    });
  });

  test("is not created where the recorded filesystem is not mounted", () => {
    expect(plan({ ...absent, moved: true }, record).blocked).toEqual({
      condition: "Refused",
      message: "cannot create volume debian: /srv/debian is on another filesystem than recorded",
      hint: "mount the filesystem that holds the volume",
    });
  });

  test("is not created below a missing parent, unless another step of the plan makes it", () => {
    const obstacle = { why: "its parent directory /srv is not there", hint: "make it", passing: true };
    expect(plan({ ...absent, obstacle }).blocked?.condition).toBe("Refused");
    const nested: VolumeResource = { ...resource, dependsOn: ["volume/pool"] };
    const made = context([], { "volume/pool": "create" });
    expect(plan({ ...absent, obstacle }, undefined, nested, made).blocked).toBeUndefined();
  });

  test("recorded elsewhere is not made a second time", () => {
    const elsewhere = { ...record, identity: "path:/srv/old", details: { path: "/srv/old" } };
    expect(plan(absent, elsewhere).blocked?.message).toBe(
      "cannot create volume debian: it is recorded at /srv/old, not at /srv/debian",
    );
  });

  test("of a backend that is not built is refused with what to do", () => {
    const observed = { ...absent, refusal: "backend lvm is not built yet", hint: "use `backend: directory`" };
    expect(plan(observed).blocked).toEqual({
      condition: "Refused",
      message: "cannot create volume debian: backend lvm is not built yet",
      hint: "use `backend: directory`",
    });
  });

  test("with an owner that the host does not know is refused", () => {
    expect(plan({ ...absent, wanted: undefined }).blocked?.message).toBe(
      "cannot create volume debian: this host has no user or group root:root",
    );
  });
});

describe("something foreign in a volume's place", () => {
  test("is refused with the command that adopts it, and what it is", () => {
    expect(plan(foreign)).toEqual({
      operation: "volume.adopt",
      arguments: { resource },
      action: "adopt",
      cause: "intentional",
      reason: "/srv/debian is a directory with 3 entries, not made by Rootloom",
      blocked: {
        condition: "Refused",
        message: "cannot use volume debian: /srv/debian is a directory with 3 entries, not made by Rootloom",
        hint: "rootloom adopt volume/debian, or move it away",
      },
    });
  });

  test("is adopted when a person said so", () => {
    expect(plan(foreign, undefined, resource, context(["volume/debian"])).blocked).toBeUndefined();
  });

  test("that is no directory cannot be adopted", () => {
    const file: ObservedVolume = { ...foreign, unadoptable: "it is no directory", what: "a file" };
    expect(plan(file, undefined, resource, context(["volume/debian"])).blocked?.hint).toBe("move /srv/debian away");
  });
});

describe("a volume of ours that differs", () => {
  test("in mode by a hand on the host is corrected", () => {
    expect(plan({ ...ours, mode: 0o777 }, record)).toMatchObject({
      operation: "volume.update",
      action: "update",
      cause: "corrective",
      reason: "mode is 0777, 0755 is declared",
    });
  });

  test("in mode by a commit is updated on purpose", () => {
    expect(plan(ours, record, { ...resource, mode: 0o700 })).toMatchObject({
      operation: "volume.update",
      cause: "intentional",
      reason: "mode is 0755, 0700 is declared",
    });
  });

  test("in owner is corrected", () => {
    expect(plan({ ...ours, owner: 7 }, record).reason).toBe("owner is 7:0, root:root is declared");
  });

  test("in its record only gets the record back", () => {
    expect(plan(ours)).toMatchObject({
      operation: "volume.update",
      cause: "corrective",
      reason: "its record was lost; its marker is ours",
    });
  });

  test("in protection has that recorded", () => {
    expect(plan(ours, record, { ...resource, protect: true })).toMatchObject({
      operation: "volume.update",
      cause: "intentional",
      reason: "protect is true, false was recorded",
    });
  });
});

describe("a volume whose declaration was removed", () => {
  const remove = (changes: Partial<OwnedRecord>, observed: Partial<ObservedVolume> = {}) =>
    volumePlanner.planRemoval({ ...record, ...changes }, { ...ours, ...observed });

  test("is forgotten, with its data kept, when it was recorded with retain", () => {
    expect(remove({})).toEqual({
      operation: "forget",
      arguments: { record },
      action: "forget",
      cause: "intentional",
      reason: "its declaration was removed; its data is kept",
    });
  });

  test("is deleted when it was recorded with destroy, and says what is lost", () => {
    expect(remove({ onDelete: "destroy" })).toEqual({
      operation: "volume.delete",
      arguments: { record: { ...record, onDelete: "destroy" } },
      action: "delete",
      cause: "intentional",
      reason: "its declaration was removed",
      destroys: "all data below /srv/debian",
    });
  });

  test("is neither deleted nor forgotten while its record is protected", () => {
    expect(remove({ onDelete: "destroy", protect: true })).toMatchObject({
      operation: "forget",
      blocked: { condition: "Refused", message: "cannot remove volume/debian: it is protected" },
    });
  });

  test("is not deleted when something foreign took its place", () => {
    expect(remove({ onDelete: "destroy" }, foreign).blocked?.condition).toBe("Refused");
  });

  test("is not deleted with a root in it that is to be kept", () => {
    expect(remove({ onDelete: "destroy" }, { retained: ["debian"] }).blocked?.message).toBe(
      "cannot delete volume/debian: tree/debian in it is to be kept",
    );
  });

  test("is only forgotten when it is gone already", () => {
    expect(remove({ onDelete: "destroy" }, absent).operation).toBe("forget");
  });
});
