import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { OverlayEntry, OverlayResource } from "../../../src/core/resource.ts";
import { overlayExecutors, overlayObserver, overlayPlanner } from "../../../src/resources/overlay/index.ts";
import { Killed, openWorkshop, type Workshop } from "./workshop.ts";

const overlay = { observer: overlayObserver, planner: overlayPlanner, executors: overlayExecutors };
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
const [user, group] = [process.getuid!(), process.getgid!()];

let shop: Workshop;
afterEach(() => shop.close());
let root: string;

beforeEach(() => {
  shop = openWorkshop();
  root = join(shop.directory, "volume/root");
  mkdirSync(join(root, "usr/bin"), { recursive: true });
  mkdirSync(join(root, "etc"));
  symlinkSync("usr/bin", join(root, "bin"));
  writeFileSync(join(root, "etc/passwd"), `root:x:0:0::/:/bin/sh\nbuilder:x:${user}:${group}::/:/bin/sh\n`);
  writeFileSync(join(root, "etc/group"), `root:x:0:\nbuilder:x:${group}:\n`);
});

const file = (path: string, text: string, more: Partial<OverlayEntry> = {}): OverlayEntry => {
  const content = join(shop.directory, "cache", sha256(text));
  writeFileSync(content, text);
  const facts = { size: text.length, sha256: sha256(text), target: "", major: 0, minor: 0 };
  return {
    path,
    type: "file",
    mode: 0o644,
    owner: "builder",
    group: "builder",
    ...facts,
    content,
    explicit: true,
    ...more,
  };
};
const directory = (path: string, more: Partial<OverlayEntry> = {}): OverlayEntry => ({
  ...file(path, ""),
  type: "directory",
  mode: 0o755,
  sha256: "",
  content: "",
  explicit: false,
  ...more,
});
const link = (path: string, target: string): OverlayEntry => ({
  ...file(path, ""),
  type: "symlink",
  mode: 0o777,
  sha256: "",
  content: "",
  target,
});

function resource(
  entries: readonly OverlayEntry[],
  more: { deletions?: string[]; name?: string; order?: number; report?: boolean } = {},
): OverlayResource {
  const { deletions = [], name = "common", order = 10, report = false } = more;
  const sorted = [...entries].sort((a, b) => (a.path < b.path ? -1 : 1));
  return {
    id: `overlay/${name}@debian`,
    kind: "overlay",
    name: `${name}@debian`,
    identity: `overlay:${root}:${name}`,
    dependsOn: ["tree/debian"],
    origin: { document: `Overlay/${name}`, file: "overlay.yaml", line: 1, column: 1 },
    protect: false,
    onDelete: "destroy",
    tree: "tree/debian",
    treePath: root,
    volumePath: join(shop.directory, "volume"),
    driftPolicy: report ? "report" : "correct",
    overlay: {
      name,
      order,
      entries: sorted,
      deletions,
      sourceDate_s: 1000,
      digest: sha256(JSON.stringify([sorted, deletions])),
      secret: false,
    },
  };
}

const read = (path: string) => readFileSync(join(root, path), "utf8");
const write = (path: string, text: string) => writeFileSync(join(root, path), text);

describe("a root that was made anew in the place of another", () => {
  it("is taken for a new one though it got the old one's inode number: nothing in it counts as laid", async () => {
    const desired = resource([directory("etc"), file("etc/motd", "hello\n")]);
    await shop.apply(overlay, desired);
    const list = join(shop.directory, "volume/.rootloom/trees/debian.laid.json");
    renameSync(root, join(shop.directory, "old"));
    mkdirSync(join(root, "etc"), { recursive: true });
    write("etc/motd", "hello\n");
    const { inode } = shop.host.files.stat(root)!;
    const laid = JSON.parse(readFileSync(list, "utf8"));
    writeFileSync(list, JSON.stringify({ ...laid, identity: { ...laid.identity, inode } }));
    await shop.remove(overlay, desired.id);
    expect(read("etc/motd")).toBe("hello\n");
  });
});

describe("what appears while an overlay is laid", () => {
  it("is not laid over unseen: the next pass looks at it, and keeps it", async () => {
    const desired = resource([directory("etc"), file("etc/motd", "hello\n"), file("etc/new", "ours\n")]);
    const clock = {
      ...shop.host.clock,
      sleep: async () => {
        write("etc/new", "somebody's\n");
      },
    };
    const patient = shop.observing.host;
    Object.assign(shop.observing, { host: { ...shop.host, clock } });
    await expect(shop.apply(overlay, desired)).rejects.toMatchObject({ retry: "transient" });
    expect(read("etc/new")).toBe("somebody's\n");
    Object.assign(shop.observing, { host: patient });
    await shop.apply(overlay, desired);
    expect(read("etc/new")).toBe("ours\n");
    await shop.remove(overlay, desired.id);
    expect(read("etc/new")).toBe("somebody's\n");
  });
});

describe("the host's limits", () => {
  const forbid = () => Object.assign(shop.observing, { limits: { ...shop.observing.limits, paths: ["/srv/none"] } });

  it("keep an overlay from being laid, looked at or taken out where they do not allow its root any more", async () => {
    const desired = resource([directory("etc"), file("etc/motd", "hello\n")]);
    await shop.apply(overlay, desired);
    write("etc/motd", "a secret of the host\n");
    forbid();
    const { draft } = await shop.apply(overlay, desired);
    expect(draft.blocked).toMatchObject({ condition: "Refused", message: expect.stringContaining("limits") });
    expect(JSON.stringify(draft)).not.toContain("secret of the host");
    expect((await shop.remove(overlay, desired.id)).draft.blocked?.condition).toBe("Refused");
    expect(read("etc/motd")).toBe("a secret of the host\n");
  });

  it("are asked again by the step itself: its root may be a link by now", async () => {
    const desired = resource([directory("etc"), file("etc/motd", "hello\n")]);
    const draft = await shop.plan(overlay, desired);
    renameSync(join(shop.directory, "volume"), join(shop.directory, "moved"));
    symlinkSync("/etc", join(shop.directory, "volume"));
    const planner = {
      ...overlayPlanner,
      plan: () => draft,
      planRemoval: () => ({ ...draft, operation: "overlay.remove" }),
    };
    await expect(shop.apply({ ...overlay, planner } as never, desired)).rejects.toThrow(/cannot use/);
    expect(readFileSync(join(shop.directory, "moved/root/etc/passwd"), "utf8")).toContain("builder");
  });
});

describe("an overlay laid into a live root", () => {
  it("lays files, directories and links, and the second pass is all keep", async () => {
    const desired = resource([
      directory("etc"),
      file("etc/motd", "hello\n", { mode: 0o600 }),
      directory("srv/data", { explicit: true, mode: 0o750 }),
      directory("srv"),
      link("etc/issue", "motd"),
    ]);
    const { draft, outcome } = await shop.apply(overlay, desired);
    expect(draft.action).toBe("create");
    expect(outcome?.result).toBe("laid: 4 paths");
    expect(read("etc/motd")).toBe("hello\n");
    expect(lstatSync(join(root, "etc/motd"))).toMatchObject({
      mode: 0o100600,
      uid: user,
      gid: group,
      mtimeMs: 1_000_000,
    });
    expect(lstatSync(join(root, "srv/data")).mode & 0o7777).toBe(0o750);
    expect(readlinkSync(join(root, "etc/issue"))).toBe("motd");
    expect((await shop.plan(overlay, desired)).operation).toBe("keep");
  });

  it("follows the root's directory links, and leaves them links", async () => {
    const desired = resource([directory("bin"), file("bin/tool", "#!/bin/sh\n", { mode: 0o755 })]);
    await shop.apply(overlay, desired);
    expect(read("usr/bin/tool")).toBe("#!/bin/sh\n");
    expect(lstatSync(join(root, "bin")).isSymbolicLink()).toBe(true);
    expect((await shop.plan(overlay, desired)).operation).toBe("keep");
  });

  it("never leaves the root by a link of it", async () => {
    const outside = join(shop.directory, "outside");
    mkdirSync(outside);
    symlinkSync(outside, join(root, "trap"));
    const applied = await shop
      .apply(overlay, resource([directory("trap"), file("trap/x", "x")]))
      .catch(() => undefined);
    expect(applied?.outcome).toBeUndefined();
    expect(readdirSync(outside)).toEqual([]);
  });

  it("keeps the original of a file that was there, names it, and puts it back when the overlay goes", async () => {
    write("etc/motd", "mine\n");
    chmodSync(join(root, "etc/motd"), 0o640);
    const desired = resource([directory("etc"), file("etc/motd", "ours\n")]);
    const { outcome } = await shop.apply(overlay, desired);
    expect(read("etc/motd")).toBe("ours\n");
    expect(outcome?.notes?.[0]).toMatch(
      /^etc\/motd was there before; the original is kept as .*\/originals\/debian\/[0-9a-f]{16}-motd$/,
    );
    await shop.remove(overlay, desired.id);
    expect(read("etc/motd")).toBe("mine\n");
    expect(lstatSync(join(root, "etc/motd")).mode & 0o7777).toBe(0o640);
    expect(shop.records.size).toBe(0);
  });

  it("corrects a local edit of content and of mode, showing the diff, and touches nothing else", async () => {
    const desired = resource([directory("etc"), file("etc/motd", "one\ntwo\n"), file("etc/hosts", "h\n")]);
    await shop.apply(overlay, desired);
    write("etc/motd", "one\n2\n");
    chmodSync(join(root, "etc/hosts"), 0o666);
    write("etc/other", "local\n");
    const { draft } = await shop.apply(overlay, desired);
    expect(draft).toMatchObject({
      operation: "overlay.lay",
      cause: "corrective",
      arguments: { lay: ["etc/hosts", "etc/motd"], remove: [] },
      details: [
        "~ etc/hosts (edited: mode is 0666, 0644 is declared)",
        "~ etc/motd (edited: content differs)",
        "    @@ -1 +1 @@",
        "     one",
        "    -2",
        "    +two",
      ],
    });
    expect(read("etc/motd")).toBe("one\ntwo\n");
    expect(lstatSync(join(root, "etc/hosts")).mode & 0o7777).toBe(0o644);
    expect(read("etc/other")).toBe("local\n");
  });

  it("only reports a local edit where the policy says report", async () => {
    const desired = resource([directory("etc"), file("etc/motd", "ours\n")], { report: true });
    await shop.apply(overlay, desired);
    write("etc/motd", "mine\n");
    const { draft } = await shop.apply(overlay, desired);
    expect(draft.blocked?.condition).toBe("ReportOnly");
    expect(read("etc/motd")).toBe("mine\n");
  });

  it("removes a file that left the overlay when it is unchanged, and keeps one that was edited, with a note", async () => {
    const motd = file("etc/motd", "m\n");
    await shop.apply(
      overlay,
      resource([directory("etc"), motd, directory("opt"), file("opt/a", "a\n"), file("opt/b", "b\n")]),
    );
    write("opt/b", "edited\n");
    const { outcome } = await shop.apply(overlay, resource([directory("etc"), motd]));
    expect(existsSync(join(root, "opt/a"))).toBe(false);
    expect(read("opt/b")).toBe("edited\n");
    expect(outcome?.notes).toEqual(["opt/b was changed since it was laid and is kept", "opt is kept: it is not empty"]);
    expect((await shop.plan(overlay, resource([directory("etc"), motd]))).operation).toBe("keep");
  });

  it("leaves a file that stood there exactly as declared before us when the overlay goes", async () => {
    const desired = resource([directory("etc"), file("etc/motd", "same\n")]);
    write("etc/motd", "same\n");
    await shop.apply(overlay, desired);
    await shop.remove(overlay, desired.id);
    expect(read("etc/motd")).toBe("same\n");
  });

  it("refuses a file over a directory, and a directory over a file, and lays nothing", async () => {
    mkdirSync(join(root, "etc/motd"));
    write("srv", "a file\n");
    for (const entry of [file("etc/motd", "x\n"), directory("srv")]) {
      const { draft, outcome } = await shop.apply(overlay, resource([directory("etc"), file("etc/new", "n\n"), entry]));
      expect(draft.blocked?.condition).toBe("Refused");
      expect(outcome).toBeUndefined();
    }
    expect(existsSync(join(root, "etc/new"))).toBe(false);
    expect(read("srv")).toBe("a file\n");
  });

  it("lays a file over a directory that its deletions list, and loses nothing", async () => {
    mkdirSync(join(root, "etc/motd"));
    write("etc/motd/inside", "kept\n");
    const desired = resource([directory("etc"), file("etc/motd", "x\n")], { deletions: ["etc/motd"] });
    const { draft } = await shop.apply(overlay, desired);
    expect(draft.blocked).toBeUndefined();
    expect(read("etc/motd")).toBe("x\n");
    expect((await shop.plan(overlay, desired)).operation).toBe("keep");
    await shop.remove(overlay, desired.id);
    expect(read("etc/motd/inside")).toBe("kept\n");
  });

  it("applies a deletion, applies it again when the path comes back, and undoes it with the overlay", async () => {
    write("etc/issue", "first\n");
    const desired = resource([directory("etc"), file("etc/motd", "m\n")], { deletions: ["etc/issue"] });
    await shop.apply(overlay, desired);
    expect(existsSync(join(root, "etc/issue"))).toBe(false);
    write("etc/issue", "second\n");
    const { draft } = await shop.apply(overlay, desired);
    expect(draft).toMatchObject({ cause: "corrective", arguments: { lay: [], remove: ["etc/issue"] } });
    await shop.remove(overlay, desired.id);
    expect(read("etc/issue")).toBe("first\n");
  });

  it("refuses an owner that the root does not know", async () => {
    const { draft } = await shop.apply(overlay, resource([file("motd", "m\n", { owner: "nobody-here" })]));
    expect(draft.blocked).toEqual({
      condition: "Refused",
      message: 'cannot own motd: root debian has no user "nobody-here"',
      hint: "create the user in the root, or write its number in the overlay's rule",
    });
  });

  it("refuses to lay into its own folder", async () => {
    const { draft } = await shop.apply(overlay, resource([directory(".rootloom"), file(".rootloom/x", "x")]));
    expect(draft.blocked?.condition).toBe("Refused");
  });

  it("never lays damaged cached content", async () => {
    const entry = file("motd", "good\n");
    writeFileSync(entry.content, "evil\n");
    await expect(shop.apply(overlay, resource([entry]))).rejects.toThrow(
      "cannot lay motd: its cached content is damaged",
    );
    expect(existsSync(join(root, "motd"))).toBe(false);
  });

  it("lets a later overlay have a path of an earlier one, and gives it back", async () => {
    const low = resource([directory("etc"), file("etc/motd", "low\n")]);
    const high = resource([directory("etc"), file("etc/motd", "high\n")], { name: "secret", order: 30 });
    await shop.apply(overlay, low);
    await shop.apply(overlay, high);
    expect(read("etc/motd")).toBe("high\n");
    expect((await shop.plan(overlay, low)).operation).toBe("keep");
    await shop.remove(overlay, high.id);
    await shop.apply(overlay, low);
    expect(read("etc/motd")).toBe("low\n");
  });

  it("lays into a replaced root as into a new one", async () => {
    const desired = resource([directory("etc"), file("etc/motd", "m\n")]);
    await shop.apply(overlay, desired);
    renameSync(root, join(shop.directory, "volume/old"));
    mkdirSync(join(root, "etc"), { recursive: true });
    writeFileSync(join(root, "etc/passwd"), `builder:x:${user}:${group}::/:/bin/sh\n`);
    writeFileSync(join(root, "etc/group"), `builder:x:${group}:\n`);
    write("etc/motd", "vendor\n");
    const { outcome } = await shop.apply(overlay, desired, { actions: { "tree/debian": "replace" } });
    expect(read("etc/motd")).toBe("m\n");
    expect(outcome?.notes?.length).toBe(1);
  });

  it("survives names with spaces, newlines and bytes that are no UTF-8", async () => {
    const names = ["a b", "new\nline", "\xe9\xff"];
    const desired = resource(names.map((name) => file(name, "x\n")));
    await shop.apply(overlay, desired);
    const seen = readdirSync(Buffer.from(root), { encoding: "buffer" }).map((name) => name.toString("latin1"));
    for (const name of names) expect(seen).toContain(name);
    expect((await shop.plan(overlay, desired)).operation).toBe("keep");
  });
});

describe("a laying that is killed", () => {
  const points = [
    "overlay.move-out",
    "overlay.record-deletion",
    "overlay.remove-left",
    "overlay.keep-originals",
    "overlay.record",
    "overlay.lay",
    "overlay.finish",
  ];
  for (const point of points) {
    for (const when of ["before", "after"] as const) {
      it(`converges after a kill ${when} ${point}, and no original is lost`, async () => {
        write("etc/motd", "mine\n");
        write("etc/issue", "issue\n");
        await shop.apply(overlay, resource([directory("etc"), file("etc/left", "l\n")], { report: true }));
        const next = resource([directory("etc"), file("etc/motd", "ours\n")], {
          deletions: ["etc/issue"],
          report: true,
        });
        await expect(shop.apply(overlay, next, { kill: [point, when] })).rejects.toThrow(Killed);
        await shop.apply(overlay, next);
        expect((await shop.plan(overlay, next)).operation).toBe("keep");
        expect([read("etc/motd"), existsSync(join(root, "etc/left")), existsSync(join(root, "etc/issue"))]).toEqual([
          "ours\n",
          false,
          false,
        ]);
        await shop.remove(overlay, next.id);
        expect(read("etc/motd")).toBe("mine\n");
        const kept = readdirSync(join(shop.directory, "volume/.rootloom"), { recursive: true, encoding: "utf8" });
        expect(existsSync(join(root, "etc/issue")) || kept.some((name) => name.includes("-issue"))).toBe(true);
      });
    }
  }

  it("takes its own half-written files away", async () => {
    const desired = resource([directory("etc"), file("etc/motd", "ours\n")]);
    await expect(shop.apply(overlay, desired, { kill: ["overlay.lay", "before"] })).rejects.toThrow(Killed);
    write("etc/.rootloom-new-0123456789abcdef", "half");
    await shop.apply(overlay, desired);
    expect(readdirSync(join(root, "etc"))).toEqual(["group", "motd", "passwd"]);
  });

  it("gives a directory that it had made, and nothing more, its mode", async () => {
    const leading = { ...directory("opt"), explicit: false };
    const desired = resource([leading, file("opt/tool", "ours\n")]);
    await expect(shop.apply(overlay, desired, { kill: ["overlay.lay", "before"] })).rejects.toThrow(Killed);
    mkdirSync(join(root, "opt"), 0o700);
    await shop.apply(overlay, desired);
    expect(lstatSync(join(root, "opt")).mode & 0o7777).toBe(0o755);
    expect((await shop.plan(overlay, desired)).operation).toBe("keep");
  });

  it("removes nothing that somebody removed already", async () => {
    const desired = resource([directory("etc"), file("etc/motd", "ours\n")]);
    await shop.apply(overlay, desired);
    unlinkSync(join(root, "etc/motd"));
    await shop.remove(overlay, desired.id);
    expect(shop.records.size).toBe(0);
  });
});
