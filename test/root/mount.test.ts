import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { MountResource } from "../../src/core/resource.ts";
import { createFiles } from "../../src/host/real/files.ts";
import { mountExecutors, mountObserver, mountPlanner } from "../../src/resources/mount/index.ts";
import { runInRoot } from "../../src/resources/mount/private.ts";
import { unmountAll } from "../../src/resources/mount/unmount.ts";
import { openWorkshop, type Workshop } from "../resources/overlay/workshop.ts";

const mount = { observer: mountObserver, planner: mountPlanner, executors: mountExecutors };

/** A process that only holds a mount namespace: what is mounted for the test ends with it. */
let holder: ChildProcess;
let shop: Workshop;
let root: string;

beforeEach(async () => {
  holder = spawn("unshare", ["--mount", "--propagation", "private", "--", "sh", "-c", "echo ready; exec sleep 120"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await new Promise((resolve) => holder.stdout?.once("data", resolve));
  shop = openWorkshop(`/proc/${holder.pid}/ns/mnt`);
  root = join(shop.directory, "volume/root");
  mkdirSync(join(root, "cache"), { recursive: true });
  mkdirSync(join(root, "proc"));
  mkdirSync(join(shop.directory, "source"));
  mkdirSync(join(shop.directory, "other"));
  writeFileSync(join(shop.directory, "source/file"), "from the source\n");
});

afterEach(async () => {
  const ended = new Promise((resolve) => holder.once("exit", resolve));
  holder.kill("SIGKILL");
  await ended;
  createFiles({ mountNamespace: "/proc/self/ns/mnt" }).removeTree(shop.directory, statSync(shop.directory).ino);
});

function resource(more: Partial<MountResource> & { inside?: string } = {}): MountResource {
  const { inside = "/cache", ...rest } = more;
  const name = `debian:${inside}`;
  return {
    id: `mount/${name}`,
    kind: "mount",
    name,
    identity: `mount:${root}${inside}`,
    dependsOn: ["tree/debian"],
    origin: { document: "Root/debian", file: "roots/debian.yaml", line: 1, column: 1 },
    protect: false,
    onDelete: "retain",
    target: `${root}${inside}`,
    within: root,
    type: "bind",
    source: join(shop.directory, "source"),
    options: [],
    propagation: undefined,
    namespace: "host",
    tree: "tree/debian",
    ...rest,
  };
}
const proc = (): MountResource => resource({ inside: "/proc", type: "proc", source: "proc" });
const inside = (...command: string[]) =>
  execFileSync("nsenter", [`--mount=/proc/${holder.pid}/ns/mnt`, "--", ...command], { encoding: "utf8" });
const targets = () =>
  shop.host.files
    .mounts()
    .map((entry) => entry.target)
    .filter((target) => target.startsWith(shop.directory));

describe("a host mount", () => {
  it("is mounted once, in the namespace of the host's mounts, and then kept", async () => {
    await shop.apply(mount, resource());
    expect(targets()).toEqual([`${root}/cache`]);
    expect(inside("cat", `${root}/cache/file`)).toBe("from the source\n");
    expect(readdirSync(join(root, "cache"))).toEqual([]);
    expect((await shop.plan(mount, resource())).operation).toBe("keep");
    await shop.apply(mount, resource());
    expect(targets()).toEqual([`${root}/cache`]);
  });

  it("that somebody unmounted and mounted again just so is recorded as the one that it is now", async () => {
    const desired = resource();
    await shop.apply(mount, desired);
    const { mountId } = shop.records.get(desired.id)!.details;
    inside("umount", `${root}/cache`);
    // It takes the number that is free now.
    inside("mount", "-t", "tmpfs", "tmpfs", join(shop.directory, "other"));
    inside("mount", "--bind", desired.source, `${root}/cache`);
    inside("mount", "--make-private", `${root}/cache`);
    const { draft } = await shop.apply(mount, desired);
    expect(draft.reason).toBe("as declared, and another mount than its record tells of");
    expect(shop.records.get(desired.id)!.details.mountId).not.toBe(mountId);
    expect((await shop.plan(mount, desired)).operation).toBe("keep");
  });

  it("that is read-only really is", async () => {
    await shop.apply(mount, resource({ options: ["ro"] }));
    expect(() => inside("touch", `${root}/cache/new`)).toThrow();
    expect((await shop.plan(mount, resource({ options: ["ro"] }))).operation).toBe("keep");
  });

  it("is made read-only again, without unmounting, when somebody made it writable", async () => {
    const desired = resource({ options: ["ro"] });
    await shop.apply(mount, desired);
    const { mountId } = shop.records.get(desired.id)!.details;
    inside("mount", "-o", "remount,bind,rw", `${root}/cache`);
    const { draft } = await shop.apply(mount, desired);
    expect(draft).toMatchObject({ operation: "mount.remount", cause: "corrective" });
    expect(shop.records.get(desired.id)!.details.mountId).toBe(mountId);
    expect(() => inside("touch", `${root}/cache/new`)).toThrow();
  });

  it("keeps what its source's own mount takes away, and gets it back", async () => {
    inside("mount", "-t", "tmpfs", "-o", "nosuid,nodev,noexec", "tmpfs", join(shop.directory, "other"));
    const desired = resource({ source: join(shop.directory, "other"), options: ["ro"] });
    const flags = () => shop.host.files.mounts().find(({ target }) => target === `${root}/cache`)?.options;
    await shop.apply(mount, desired);
    expect(flags()).toEqual(expect.arrayContaining(["ro", "nosuid", "nodev", "noexec"]));
    expect((await shop.plan(mount, desired)).operation).toBe("keep");
    // With both names given, mount(8) adds nothing of what is in force.
    inside("mount", "-o", "remount,bind,ro,nodev", "--", desired.source, `${root}/cache`);
    const { draft } = await shop.apply(mount, desired);
    expect(draft.reason).toBe("nosuid is in force on its source only, noexec is in force on its source only");
    expect(flags()).toEqual(expect.arrayContaining(["ro", "nosuid", "nodev", "noexec"]));
    inside("umount", `${root}/cache`);
    const lifted = resource({ ...desired, options: ["ro", "exec"] });
    await shop.apply(mount, lifted);
    expect(flags()).not.toContain("noexec");
    expect(flags()).toContain("nosuid");
    expect((await shop.plan(mount, lifted)).operation).toBe("keep");
  });

  it("that somebody gave a flag which nobody declared loses it again", async () => {
    await shop.apply(mount, resource());
    inside("mount", "-o", "remount,bind,noexec", `${root}/cache`);
    const { draft } = await shop.apply(mount, resource());
    expect(draft).toMatchObject({ operation: "mount.remount", reason: "noexec is in force and not declared" });
    expect((await shop.plan(mount, resource())).operation).toBe("keep");
  });

  it("is not made from a volume that is not mounted, and nothing is written to the disk below it", async () => {
    const path = join(shop.directory, "source");
    const volume = { id: "volume/shared", path } as const;
    const folder = { path: "distfiles", ownership: undefined, mode: undefined };
    const wanted = resource({ source: `${path}/distfiles`, volume, folder });
    for (const namespace of ["host", "private"] as const) {
      await expect(shop.apply(mount, { ...wanted, namespace })).rejects.toMatchObject({
        message: expect.stringContaining("its volume shared is not mounted, or another's: a directory with 1 entry"),
        ...{ retry: "waiting", condition: "SourceMissing" },
      });
    }
    expect([targets(), readdirSync(path)]).toEqual([[], ["file"]]);
  });

  it("is mounted again when somebody unmounted it", async () => {
    await shop.apply(mount, resource());
    inside("umount", `${root}/cache`);
    const { draft } = await shop.apply(mount, resource());
    expect(draft).toMatchObject({ operation: "mount.mount", cause: "corrective" });
    expect(targets()).toEqual([`${root}/cache`]);
  });

  it("is exchanged when its source changes, and never stacked", async () => {
    await shop.apply(mount, resource());
    const changed = resource({ source: join(shop.directory, "other") });
    const { draft } = await shop.apply(mount, changed);
    expect(draft).toMatchObject({
      operation: "mount.remount",
      cause: "intentional",
      arguments: { unmountFirst: true },
    });
    expect(targets()).toEqual([`${root}/cache`]);
    expect((await shop.plan(mount, changed)).operation).toBe("keep");
  });

  it("of somebody else is refused and stays", async () => {
    inside("mount", "-t", "tmpfs", "tmpfs", `${root}/cache`);
    const { draft } = await shop.apply(mount, resource());
    expect(draft.blocked).toMatchObject({
      condition: "Refused",
      message: expect.stringContaining("another mount is there"),
    });
    expect(targets()).toEqual([`${root}/cache`]);
  });

  it("that was stacked by hand is refused and stays", async () => {
    await shop.apply(mount, resource());
    inside("mount", "-t", "tmpfs", "tmpfs", `${root}/cache`);
    const { draft } = await shop.apply(mount, resource());
    expect(draft.blocked?.message).toContain("2 mounts are stacked there");
    expect(targets().length).toBe(2);
  });

  it("of proc and tmpfs carries its options", async () => {
    const tmpfs = resource({ type: "tmpfs", source: "tmpfs", options: ["size=1M", "mode=1777", "nosuid"] });
    await shop.apply(mount, proc());
    await shop.apply(mount, tmpfs);
    expect((await shop.plan(mount, proc())).operation).toBe("keep");
    expect((await shop.plan(mount, tmpfs)).operation).toBe("keep");
    inside("mount", "-o", "remount,size=2M", `${root}/cache`);
    const { draft } = await shop.apply(mount, tmpfs);
    expect(draft.reason).toContain("size is 2097152, 1048576 is declared");
    expect((await shop.plan(mount, tmpfs)).operation).toBe("keep");
  });

  it("makes its missing directory inside the root", async () => {
    await shop.apply(mount, resource({ inside: "/var/cache/distfiles" }));
    expect(targets()).toEqual([`${root}/var/cache/distfiles`]);
  });

  it("follows a link on the way inside the root, and refuses a target that is a link out of it", async () => {
    mkdirSync(join(root, "run"));
    mkdirSync(join(root, "var"));
    symlinkSync("/run", join(root, "var/run"));
    symlinkSync(join(shop.directory, "other"), join(root, "out"));
    symlinkSync("../../other", join(root, "climb"));
    await shop.apply(mount, resource({ inside: "/var/run/x" }));
    expect(targets()).toEqual([`${root}/run/x`]);
    for (const trap of ["/out", "/climb"]) {
      const { draft } = await shop.apply(mount, resource({ inside: trap }));
      expect(draft.blocked?.message).toContain("the target is a link out of the root");
    }
    expect(targets()).toEqual([`${root}/run/x`]);
  });

  it("refuses a source that the host's limits do not allow", async () => {
    const { draft } = await shop.apply(mount, resource({ source: "/etc" }));
    expect(draft.blocked?.condition).toBe("Refused");
    expect(targets()).toEqual([]);
  });

  it("refuses a source that leads where the host's limits do not allow, by a link or by a process's own directories", async () => {
    symlinkSync("/etc", join(shop.directory, "linked"));
    for (const source of [
      join(shop.directory, "linked"),
      "/proc/1/root",
      "/proc/self/root/etc",
      "/dev/fd/../../../etc",
    ]) {
      for (const namespace of ["host", "private"] as const) {
        const { draft } = await shop.apply(mount, resource({ source, namespace }));
        expect(draft.blocked?.condition, source).toBe("Refused");
      }
    }
    expect(targets()).toEqual([]);
    expect((await shop.plan(mount, resource({ source: "/proc/sys" }))).blocked).toBeUndefined();
  });

  it("looks at the source again when it is mounted: a link may have taken its place", async () => {
    for (const namespace of ["host", "private"] as const) {
      const source = join(shop.directory, `${namespace}-source`);
      mkdirSync(source);
      const swapped = resource({ source, namespace });
      const planner = {
        ...mountPlanner,
        plan: (...given: Parameters<typeof mountPlanner.plan>) => {
          const draft = mountPlanner.plan(...given);
          rmdirSync(source);
          symlinkSync("/etc", source);
          return draft;
        },
      };
      await expect(shop.apply({ ...mount, planner }, swapped)).rejects.toThrow(/cannot use/);
    }
    expect(targets()).toEqual([]);
  });

  it("is unmounted when its declaration goes, and its directory stays", async () => {
    await shop.apply(mount, resource());
    await shop.remove(mount, resource().id);
    expect(targets()).toEqual([]);
    expect(shop.records.size).toBe(0);
  });

  it("with somebody else's mount in it is not unmounted", async () => {
    mkdirSync(join(shop.directory, "source/sub"));
    await shop.apply(mount, resource());
    inside("mount", "-t", "tmpfs", "tmpfs", `${root}/cache/sub`);
    await expect(shop.remove(mount, resource().id)).rejects.toMatchObject({ retry: "waiting" });
    expect(targets().length).toBe(2);
  });

  it("takes its declared child with it and lets the child come back", async () => {
    mkdirSync(join(shop.directory, "source/sub"));
    const parent = resource();
    const child = resource({
      inside: "/cache/sub",
      source: join(shop.directory, "other"),
      dependsOn: ["tree/debian", parent.id],
    });
    await shop.apply(mount, parent);
    mkdirSync(join(root, "cache/sub"));
    await shop.apply(mount, child);
    const moved = { ...parent, source: join(shop.directory, "source/sub") };
    mkdirSync(join(shop.directory, "source/sub/sub"));
    await shop.apply(mount, moved);
    expect(targets()).toEqual([`${root}/cache`]);
    await shop.apply(mount, child, { actions: { [parent.id]: "update" } });
    expect(targets()).toEqual([`${root}/cache`, `${root}/cache/sub`]);
  });

  it("that is busy is named with its users, and is never detached lazily", async () => {
    await shop.apply(mount, resource());
    const busy = spawn("nsenter", [
      `--mount=/proc/${holder.pid}/ns/mnt`,
      "--",
      "sh",
      "-c",
      `cd ${root}/cache && echo in && exec sleep 60`,
    ]);
    await new Promise((resolve) => busy.stdout.once("data", resolve));
    try {
      await expect(shop.remove(mount, resource().id)).rejects.toMatchObject({
        retry: "waiting",
        condition: "Busy",
        message: expect.stringContaining(`cannot unmount ${root}/cache: it is in use by`),
      });
      expect(targets()).toEqual([`${root}/cache`]);
    } finally {
      busy.kill("SIGKILL");
    }
  });
});

describe("rootloom unmount", () => {
  it("unmounts an rbind with all it brought, children first, and leaves the host's own mounts", async () => {
    const dev = resource({ inside: "/dev", type: "rbind", source: "/dev" });
    await shop.apply(mount, dev);
    const before = shop.host.files.mounts().length;
    expect(targets().length).toBeGreaterThan(0);
    expect(await unmountAll({ host: shop.host }, [`${root}/dev`])).toEqual([`${root}/dev`]);
    expect(targets()).toEqual([]);
    expect(shop.host.files.mounts().some((entry) => entry.target === "/dev")).toBe(true);
    expect(shop.host.files.mounts().length).toBeLessThan(before);
  });
});

describe("a private mount", () => {
  const isPrivate = (more: Parameters<typeof resource>[0] = {}) => resource({ namespace: "private", ...more });

  it("is proved once, stays mounted nowhere, and is then kept", async () => {
    const desired = isPrivate({ options: ["ro"] });
    const { outcome } = await shop.apply(mount, desired);
    expect(outcome?.result).toBe(`proved in a namespace of its own: ${root}/cache`);
    expect(targets()).toEqual([]);
    expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(shop.directory);
    expect((await shop.plan(mount, desired)).operation).toBe("keep");
  });

  it("below another private mount is proved with that one made first", async () => {
    mkdirSync(join(shop.directory, "source/below"));
    mkdirSync(join(root, "cache/below"));
    const parent = isPrivate();
    const tmpfs = { type: "tmpfs", source: "tmpfs", namespace: "private" } as const;
    const child = resource({ ...tmpfs, inside: "/cache/below", above: [parent] });
    const { outcome } = await shop.apply(mount, child);
    expect(outcome?.result).toBe(`proved in a namespace of its own: ${root}/cache/below`);
    // What only the bare directory below has is not enough.
    mkdirSync(join(root, "cache/underneath"));
    const hidden = resource({ ...tmpfs, inside: "/cache/underneath", above: [parent] });
    await expect(shop.apply(mount, hidden)).rejects.toThrow(/cannot run sh: exit 125/);
    expect(targets()).toEqual([]);
  });

  it("below a private tmpfs finds its directory made there, and nothing in the root itself", async () => {
    const parent = resource({ inside: "/run", type: "tmpfs", source: "tmpfs", namespace: "private" });
    await shop.apply(mount, parent);
    await shop.apply(mount, resource({ inside: "/run/deep/lock", namespace: "private", above: [parent] }));
    expect(readdirSync(join(root, "run"))).toEqual([]);
  });

  it("over what a private rbind above brought is proved by the one on top", async () => {
    const parent = resource({ inside: "/dev", type: "rbind", source: "/dev", namespace: "private" });
    const shm = { inside: "/dev/shm", type: "tmpfs", source: "tmpfs", namespace: "private", above: [parent] } as const;
    await shop.apply(mount, parent);
    await shop.apply(mount, resource(shm));
    expect((await shop.plan(mount, resource(shm))).operation).toBe("keep");
  });

  it("that cannot work fails its proof", async () => {
    const desired = isPrivate({ type: "tmpfs", source: "tmpfs", options: ["size=nonsense"] });
    await expect(shop.apply(mount, desired)).rejects.toThrow(/cannot/);
    expect(shop.records.size).toBe(0);
  });

  it("is there for a command that runs in the root, and gone after it", async () => {
    mkdirSync(join(root, "bin"));
    execFileSync("cp", ["/bin/busybox", join(root, "bin/busybox")]);
    const exitCode = await runInRoot(shop.observing, {
      treePath: root,
      mounts: [isPrivate(), { ...proc(), namespace: "private" }],
      command: ["/bin/busybox", "sh", "-c", '[ -r /cache/file ] && [ -d /proc/self ] && [ "$ONLY" = this ] && exit 7'],
      environment: { ONLY: "this" },
      interactive: false,
    });
    expect(exitCode).toBe(7);
    expect(targets()).toEqual([]);
  });
});
