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

  test("that is made as a clone says of what, and which root is in it", () => {
    const origin = { volume: { id: "volume/base" }, tree: { id: "tree/base" }, means: "zfs clone" };
    const clone = { ...resource, cloneOf: origin } as unknown as VolumeResource;
    expect(plan(absent, undefined, clone).reason).toBe("new: a zfs clone of volume/base, with tree/base in it");
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

  test("is not created past an obstacle that no step of the plan takes away", () => {
    const obstacle = { why: "a dataset of that name is there", hint: "rename it", passing: false };
    const nested: VolumeResource = { ...resource, dependsOn: ["volume/a", "volume/pool"] };
    const blocked = {
      condition: "Refused",
      message: "cannot create volume debian: a dataset of that name is there",
      hint: "rename it",
    };
    const made = context([], { "volume/pool": "create" });
    expect(plan({ ...absent, obstacle }, undefined, nested, made).blocked).toEqual(blocked);
    const passing = { ...obstacle, passing: true };
    expect(plan({ ...absent, obstacle: passing }, undefined, nested, made)).not.toHaveProperty("blocked");
    const changed = context([], { "volume/pool": "update" });
    expect(plan({ ...absent, obstacle: passing }, undefined, nested, changed).blocked).toEqual(blocked);
  });

  test("recorded elsewhere is not made a second time", () => {
    const elsewhere = { ...record, identity: "path:/srv/old", details: { path: "/srv/old" } };
    expect(plan(absent, elsewhere)).toEqual({
      ...{ operation: "volume.create", arguments: { resource }, action: "create", cause: "corrective" },
      reason: "the volume disappeared: nothing is at /srv/debian",
      blocked: {
        condition: "Refused",
        message: "cannot create volume debian: it is recorded at /srv/old, not at /srv/debian",
        hint: "move it there, or `rootloom forget volume/debian` and remove nothing",
      },
    });
    const device = { ...elsewhere, details: { path: "/srv/old", device: "tank/old" } };
    expect(plan(absent, device).blocked?.message).toBe(
      "cannot create volume debian: it is recorded at tank/old, not at /srv/debian",
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
    expect(plan({ ...absent, wanted: undefined }).blocked).toEqual({
      condition: "Refused",
      message: "cannot create volume debian: this host has no user or group root:root",
      hint: "create them, or use numbers",
    });
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
    expect(plan(foreign, undefined, resource, context(["volume/debian"]))).not.toHaveProperty("blocked");
    expect(plan({ ...foreign, about: ["used by /srv/x"] }).details).toEqual(["used by /srv/x"]);
    expect(plan(foreign)).not.toHaveProperty("details");
  });

  test("that is no directory cannot be adopted", () => {
    const file: ObservedVolume = { ...foreign, unadoptable: "it is no directory", what: "a file" };
    expect(plan(file).blocked?.message).toBe("cannot use volume debian: /srv/debian is a file");
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
    expect(plan({ ...ours, mode: 0o777 }, record)).not.toHaveProperty("hides");
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

describe("a volume of ours on a device", () => {
  const MiB = 1024 ** 2;
  const image: VolumeResource = {
    ...{ ...resource, backend: "loop", device: "/srv/x.img", identity: "path:/srv/x.img" },
    ...{ size_bytes: 64 * MiB, filesystem: "ext4", label: "builds", mountOptions: ["noatime"] },
  };
  const mounted: ObservedVolume = {
    ...{ ...ours, place: "/srv/x.img", filesystem: "ext4", label: "builds", size_bytes: 64 * MiB },
    mount: { state: "mounted", why: "", differences: [] },
  };
  const known: OwnedRecord = {
    ...{ ...record, identity: "path:/srv/x.img" },
    inputs: { mode: "0755", owner: "0:0", size: String(64 * MiB), label: "builds", mountOptions: "noatime" },
  };
  const update = (cause: string, reason: string) => ({
    ...{ operation: "volume.update", arguments: { resource: image }, action: "update", cause, reason },
  });
  const planned = (observed: Partial<ObservedVolume>, owned: OwnedRecord | undefined = known) =>
    plan({ ...mounted, ...observed }, owned, image);

  test("that is as declared is kept", () => {
    expect(planned({}).operation).toBe("keep");
  });

  test("is mounted again as a correction, before anything else is said of it", () => {
    const mount = { state: "absent", why: "", differences: [] } as const;
    expect(planned({ mount, mode: 0, label: "x" })).toEqual({
      ...update("corrective", "it is not mounted at /srv/debian"),
      hides: true,
    });
  });

  test("names every difference, and is intentional when the commit brought one of them", () => {
    const mount = { state: "mounted", why: "", differences: ["noatime is declared and not in force"] } as const;
    const observed: Partial<ObservedVolume> = {
      ...{ mount, top: "unmarked", size_bytes: 32 * MiB, label: "", mode: 0o700, owner: 7 },
    };
    const reason = [
      ...["noatime is declared and not in force", "the top at /srv/debian does not carry its marker"],
      ...["size is 32.0 MiB, 64.0 MiB is declared", "it has no label, builds is declared"],
      ...["mode is 0700, 0755 is declared", "owner is 7:0, root:root is declared"],
    ].join("; ");
    expect(planned(observed)).toEqual(update("corrective", reason));
    for (const input of ["size", "label", "mode", "owner", "mountOptions"]) {
      const older = { ...known, inputs: { ...known.inputs, [input]: "another" } };
      expect(planned(observed, older)).toEqual(update("intentional", reason));
    }
    expect(plan({ ...mounted, ...observed }, undefined, image)).toEqual(update("corrective", reason));
  });

  test("whose options the kernel lists nowhere has them from its record", () => {
    const without = ({ mountOptions: _, ...inputs }: OwnedRecord["inputs"]) => ({ ...known, inputs });
    expect(planned({}, without(known.inputs))).toEqual(
      update("intentional", "mount options are noatime, none were recorded"),
    );
    const bare = { ...image, mountOptions: [] };
    expect(plan(mounted, known, bare).reason).toBe("mount options are none, noatime were recorded");
    expect(planned({}, { ...without(known.inputs), protect: true }).reason).toBe("protect is false, true was recorded");
  });

  const refused = (message: string, hint: string) => ({
    ...update("corrective", message),
    blocked: { condition: "Refused", message, hint },
  });

  test("with another filesystem than declared is left to a person", () => {
    const hint = "declare what it holds, or make a new volume and move the data there";
    expect(planned({ filesystem: "xfs" })).toEqual(
      refused("cannot use volume debian: /srv/x.img holds xfs, ext4 is declared", hint),
    );
    expect(planned({ filesystem: "" })).toEqual(
      refused("cannot use volume debian: /srv/x.img holds no known filesystem, ext4 is declared", hint),
    );
    expect(plan({ ...mounted, filesystem: "xfs" }, known, { ...image, filesystem: undefined }).operation).toBe("keep");
  });

  test("is never shrunk, unless its size is a quota; what rounding left is no difference", () => {
    const message = "cannot shrink volume debian: size is 128.0 MiB, 64.0 MiB is declared";
    const hint = "declare its size, or make a smaller volume and move the data there";
    expect(planned({ size_bytes: 128 * MiB })).toEqual(refused(message, hint));
    expect(planned({ size_bytes: 128 * MiB, shrinks: true })).toEqual(
      update("corrective", "size is 128.0 MiB, 64.0 MiB is declared"),
    );
    expect(planned({ size_bytes: 68 * MiB, granularity_bytes: 4 * MiB }).blocked?.condition).toBe("Refused");
    expect(planned({ size_bytes: 68 * MiB - 1, granularity_bytes: 4 * MiB }).operation).toBe("keep");
    expect(plan({ ...mounted, size_bytes: 1 }, known, { ...image, size_bytes: undefined }).blocked).toBeUndefined();
  });

  const mountedOver = (state: "covers" | "foreign" | "stacked", why: string) => ({
    mount: { state, why, differences: [] },
  });
  const look = "look with: findmnt /srv/debian, then unmount by hand what is not wanted";

  test("is not mounted over what lies or is mounted at its path", () => {
    const unseen = (why: string, hint: string) => ({
      ...refused(`cannot mount volume debian: /srv/debian ${why}`, hint),
      hides: true,
    });
    expect(planned(mountedOver("covers", "holds 3 entries"))).toEqual(
      unseen("holds 3 entries", "move what is in /srv/debian away"),
    );
    expect(planned(mountedOver("foreign", "is a tmpfs"))).toEqual(unseen("is a tmpfs", look));
    expect(planned(mountedOver("stacked", "has 2 mounts"))).toEqual(unseen("has 2 mounts", look));
  });

  test("is only deleted while one can see what is in it", () => {
    const going = { ...known, onDelete: "destroy" } as const;
    const removal = (observed: Partial<ObservedVolume>) =>
      volumePlanner.planRemoval(going, { ...mounted, ...observed });
    const deleted = {
      ...{ operation: "volume.delete", arguments: { record: going }, action: "delete", cause: "intentional" },
      ...{ reason: "its declaration was removed", destroys: "all data of /srv/x.img" },
    };
    const blocked = (why: string, hint: string) => ({
      ...deleted,
      blocked: { condition: "Refused", message: `cannot delete volume/debian: ${why}`, hint },
    });
    expect(removal({})).toEqual(deleted);
    expect(removal({})).not.toHaveProperty("blocked");
    const unseen = blocked(
      "it is not mounted at /srv/debian, so that nobody can see whether roots in it are to be kept",
      "declare it again and apply, which mounts it; or `rootloom forget volume/debian`",
    );
    expect(removal({ mount: { state: "absent", why: "", differences: [] } })).toEqual(unseen);
    expect(removal(mountedOver("covers", "holds 3 entries"))).toEqual(unseen);
    expect(removal(mountedOver("foreign", "is a tmpfs"))).toEqual(blocked("/srv/debian is a tmpfs", look));
    expect(removal(mountedOver("stacked", "has 2 mounts"))).toEqual(blocked("/srv/debian has 2 mounts", look));
    expect(removal({ state: "foreign", what: "another's" })).toEqual(
      blocked("/srv/x.img is another's", "rootloom forget volume/debian"),
    );
    expect(removal({ state: "absent", refusal: "it is a system path", hint: "choose another" })).toEqual(
      blocked("it is a system path", "choose another"),
    );
    expect(removal({ retained: ["a", "b"] })).toEqual(
      blocked(
        "tree/a, tree/b in it is to be kept",
        "rootloom forget volume/debian, or move the root out of /srv/debian",
      ),
    );
    expect(removal({ state: "absent" })).toMatchObject({ operation: "forget", reason: "/srv/x.img is gone already" });
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
