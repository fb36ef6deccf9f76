import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RootloomError } from "../../src/core/error.ts";
import { createFiles } from "../../src/host/real/files.ts";

const files = createFiles({ mountNamespace: "/proc/self/ns/mnt" });
const { uid, gid } = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
const isRoot = uid === 0;
const own = (mode: number) => ({ owner: uid, group: gid, mode });
const bytes = (text: string) => ({ bytes: Buffer.from(text) });

let top: string;
let outside: string;
beforeEach(() => {
  const directory = mkdtempSync(join(tmpdir(), "rootloom-files-"));
  top = join(directory, "tree");
  outside = join(directory, "outside");
  mkdirSync(top);
  mkdirSync(outside);
});
afterEach(() => rmSync(join(top, ".."), { recursive: true }));

/** Message of what is thrown, without the temporary directory's name. */
function refusal(body: () => unknown): string {
  try {
    body();
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(RootloomError);
    return (thrown as Error).message.replaceAll(join(top, ".."), "");
  }
  return "nothing was thrown";
}

describe("files of the host", () => {
  it("reads undefined where nothing is, and where a parent is a file", () => {
    writeFileSync(join(top, "file"), "");
    for (const path of [join(top, "missing"), join(top, "file/below")]) {
      expect([files.stat(path), files.list(path), files.readText(path), files.readBytes(path)]).toEqual(
        Array(4).fill(undefined),
      );
      expect([files.readLink(path), files.realPath(path), files.openReader(path)]).toEqual(Array(3).fill(undefined));
    }
  });

  it("writes a file whole with exact mode whatever the umask, leaving nothing beside it", () => {
    files.writeFile(join(top, "file"), "old", own(0o600));
    files.writeFile(join(top, "file"), "new", { ...own(0o4775), modified_s: 12 });
    expect(files.readText(join(top, "file"))).toBe("new");
    expect(files.stat(join(top, "file"))).toMatchObject({ mode: 0o4775, modified_s: 12, size: 3, type: "file" });
    expect(readdirSync(top)).toEqual(["file"]);
  });

  it("replaces a link by a file without touching what it led to", () => {
    writeFileSync(join(outside, "kept"), "kept");
    symlinkSync(join(outside, "kept"), join(top, "file"));
    files.writeFile(join(top, "file"), "new", own(0o644));
    expect(lstatSync(join(top, "file")).isFile()).toBe(true);
    expect(readFileSync(join(outside, "kept"), "utf8")).toBe("kept");
  });

  it("replaces a link by a link, never nests one in a directory that it leads to, and refuses anything else", () => {
    symlinkSync(outside, join(top, "current"));
    files.writeLink(join(top, "current"), "elsewhere");
    expect(files.readLink(join(top, "current"))).toBe("elsewhere");
    expect(readdirSync(outside)).toEqual([]);
    mkdirSync(join(top, "directory"));
    writeFileSync(join(top, "file"), "");
    expect(refusal(() => files.writeLink(join(top, "directory"), "x"))).toContain("a directory stands there");
    expect(refusal(() => files.writeLink(join(top, "file"), "x"))).toContain("something stands there already");
  });

  it("renames, and never over a directory, not even an empty one", () => {
    mkdirSync(join(top, "a"));
    mkdirSync(join(top, "empty"));
    writeFileSync(join(top, "file"), "");
    expect(refusal(() => files.rename(join(top, "a"), join(top, "empty")))).toContain("stands there already");
    expect(refusal(() => files.rename(join(top, "file"), join(top, "empty")))).toContain("a directory stands there");
    files.rename(join(top, "a"), join(top, "b"));
    expect(readdirSync(top)).toEqual(["b", "empty", "file"]);
  });

  it("sets attributes of a path itself and refuses a link", () => {
    symlinkSync(join(outside), join(top, "link"));
    const before = lstatSync(outside).mode;
    expect(refusal(() => files.setAttributes(join(top, "link"), own(0o700)))).toContain("symlink");
    expect(lstatSync(outside).mode).toBe(before);
  });

  it("makes directories with their parents, and leaves existing ones as they are", () => {
    mkdirSync(join(top, "a"), { mode: 0o700 });
    files.makeDirectories(join(top, "a/b/c"));
    const modes = ["a", "a/b", "a/b/c"].map((name) => files.stat(join(top, name))?.mode);
    expect(modes).toEqual([0o700, 0o755, 0o755]);
    expect(refusal(() => files.makeDirectory(join(top, "a/b"), own(0o755)))).toContain("stands there already");
  });

  it("copies a file to a new name only", () => {
    writeFileSync(join(top, "from"), "content", { mode: 0o640 });
    expect(["copy", "reflink"]).toContain(files.copyFile(join(top, "from"), join(top, "to")));
    expect(files.readText(join(top, "to"))).toBe("content");
    writeFileSync(join(top, "from"), "changed");
    expect(refusal(() => files.copyFile(join(top, "from"), join(top, "to")))).toContain("stands there already");
    expect(files.readText(join(top, "to"))).toBe("content");
    expect(readdirSync(top)).toEqual(["from", "to"]);
  });

  it("changes the stamp with content, times, and a file put in another's place", () => {
    const stamp = () => files.stat(join(top, "file"))?.stamp;
    files.writeFile(join(top, "file"), "one", { ...own(0o644), modified_s: 5 });
    const first = stamp();
    expect(stamp()).toBe(first);
    files.writeFile(join(top, "file"), "two", { ...own(0o644), modified_s: 5 });
    expect(stamp()).not.toBe(first);
  });

  it("does not wait for the other end of a fifo", () => {
    const tree = files.openTree(top);
    tree.makeNode("fifo", { type: "fifo", major: 0, minor: 0 }, own(0o644));
    tree.close();
    expect(refusal(() => files.readText(join(top, "fifo")))).toContain("it is a fifo, not a regular file");
  });
});

describe("a tree held open", () => {
  it("resolves absolute links and dots as if chrooted at its top", () => {
    mkdirSync(join(top, "usr/lib"), { recursive: true });
    symlinkSync("/usr/lib", join(top, "lib"));
    symlinkSync("../../../../../usr", join(top, "up"));
    const tree = files.openTree(top);
    expect(tree.resolve("lib/name")).toBe("usr/lib/name");
    expect(tree.resolve("up/lib/name")).toBe("usr/lib/name");
    expect(tree.resolve("lib")).toBe("lib");
    expect(tree.resolve("missing/name")).toBeUndefined();
    tree.writeFile("lib/name", bytes("x"), own(0o644));
    tree.close();
    expect(readFileSync(join(top, "usr/lib/name"), "utf8")).toBe("x");
  });

  it("never leaves through a link to outside", () => {
    writeFileSync(join(outside, "secret"), "secret");
    symlinkSync(outside, join(top, "way"));
    symlinkSync(join(outside, "secret"), join(top, "file"));
    const tree = files.openTree(top);
    expect(tree.stat("way/secret")).toBeUndefined();
    expect(refusal(() => tree.read("file"))).toContain("symlink");
    expect(refusal(() => tree.writeFile("way/new", bytes("x"), own(0o644)))).toContain("no such file or directory");
    expect(refusal(() => tree.removeFile("way/secret"))).toContain("no such file or directory");
    tree.close();
    expect(readdirSync(outside)).toEqual(["secret"]);
  });

  it("writes nothing outside while a directory and a link to outside change places", async () => {
    mkdirSync(join(top, "a"));
    const flip = `const fs = require("node:fs"); process.chdir(process.argv[1]);
      for (const end = Date.now() + 1000; Date.now() < end; ) {
        fs.renameSync("a", "kept"); fs.symlinkSync(process.argv[2], "a"); fs.unlinkSync("a"); fs.renameSync("kept", "a");
      }`;
    const child = spawn(process.execPath, ["-e", flip, top, outside], { stdio: "inherit" });
    const ended = once(child, "exit");
    let isRunning = true;
    void ended.then(() => {
      isRunning = false;
    });
    const tree = files.openTree(top);
    let written = 0;
    let refused = 0;
    for (let count = 0; isRunning; count += 1) {
      try {
        tree.writeFile(`a/${count % 7}`, bytes("x"), own(0o644));
        tree.setAttributes("a", own(0o755));
        tree.removeFile(`a/${count % 7}`);
        written += 1;
      } catch {
        refused += 1;
      }
      if (count % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    tree.close();
    expect(await ended).toEqual([0, null]);
    expect({ outside: readdirSync(outside), written: written > 0, refused: refused > 0 }).toEqual({
      outside: [],
      written: true,
      refused: true,
    });
  });

  it("keeps names that are no UTF-8", () => {
    const tree = files.openTree(top);
    tree.writeFile("\xff\xfe", bytes("x"), own(0o644));
    tree.writeLink("link", "\xff", own(0o777));
    expect(tree.list("")).toEqual(["link", "\xff\xfe"]);
    expect(tree.readLink("link")).toBe("\xff");
    expect(Buffer.from(tree.read("\xff\xfe")).toString()).toBe("x");
    tree.close();
    expect(readdirSync(top, "buffer").map((name) => name.toString("hex"))).toEqual(["6c696e6b", "fffe"]);
  });

  it("replaces files and links but never a directory, and leaves no temporary file behind", () => {
    mkdirSync(join(top, "directory"));
    const tree = files.openTree(top);
    expect(refusal(() => tree.writeFile("directory", bytes(""), own(0o644)))).toContain("a directory stands there");
    expect(refusal(() => tree.writeLink("directory", "x", own(0o777)))).toContain("a directory stands there");
    expect(refusal(() => tree.removeFile("directory"))).toContain("a directory stands there");
    expect(refusal(() => tree.writeFile("new", { file: join(top, "missing") }, own(0o644)))).toContain("no such file");
    tree.close();
    expect(readdirSync(top)).toEqual(["directory"]);
  });

  it("removes a directory only when it is empty", () => {
    mkdirSync(join(top, "full/inner"), { recursive: true });
    const tree = files.openTree(top);
    expect(refusal(() => tree.removeDirectory("full"))).toContain("not empty");
    tree.removeDirectory("full/inner");
    tree.removeDirectory("full");
    tree.close();
    expect(readdirSync(top)).toEqual([]);
  });

  it("refuses work after it was closed", () => {
    const tree = files.openTree(top);
    tree.close();
    expect(refusal(() => tree.list(""))).toContain("the tree was closed");
  });

  it.runIf(isRoot)("makes devices with their numbers, and sets owners of links and not of what they lead to", () => {
    const tree = files.openTree(top);
    tree.makeNode("null", { type: "character", major: 1, minor: 3 }, { owner: 1, group: 2, mode: 0o666 });
    tree.makeNode("large", { type: "block", major: 4095, minor: 1_048_575 }, own(0o600));
    tree.writeFile("file", bytes(""), own(0o644));
    tree.writeLink("link", "file", { owner: 5, group: 6, mode: 0o777 });
    tree.setAttributes("link", { owner: 7, group: 8, mode: 0o600 });
    expect(tree.stat("null")).toMatchObject({ type: "character", mode: 0o666, owner: 1, group: 2, major: 1, minor: 3 });
    expect(tree.stat("large")).toMatchObject({ type: "block", major: 4095, minor: 1_048_575 });
    expect(tree.stat("link")).toMatchObject({ owner: 7, group: 8 });
    expect(tree.stat("file")).toMatchObject({ owner: 0, group: 0, mode: 0o644 });
    tree.close();
  });

  it.runIf(isRoot)("keeps the set-user-id bit when the owner changes with it", () => {
    const tree = files.openTree(top);
    tree.writeFile("tool", bytes(""), { owner: 1, group: 2, mode: 0o6755 });
    tree.setAttributes("tool", { owner: 3, group: 4, mode: 0o6755 });
    expect(tree.stat("tool")).toMatchObject({ owner: 3, group: 4, mode: 0o6755 });
    tree.close();
  });
});

describe("walking a tree", () => {
  it("reports directories before their contents and names in the order of their bytes", () => {
    for (const path of ["a", "a.d", "a/z", "B", "a/y"]) mkdirSync(join(top, path), { recursive: true });
    writeFileSync(join(top, "é"), "");
    const paths = [...files.scan(top)].map(({ path }) => path);
    expect(paths).toEqual(["B", "a", "a/y", "a/z", "a.d", "\xc3\xa9"]);
  });

  it("does not enter what it is told to leave out, nor links", () => {
    mkdirSync(join(top, "a/b"), { recursive: true });
    symlinkSync("a", join(top, "link"));
    const entries = [...files.scan(top, { enter: (path) => path !== "a" })];
    expect(entries.map(({ path, type, target }) => [path, type, target])).toEqual([
      ["a", "directory", ""],
      ["link", "symlink", "a"],
    ]);
  });

  it("tells hard links by inode and count", () => {
    writeFileSync(join(top, "one"), "x");
    linkSync(join(top, "one"), join(top, "two"));
    const [one, two] = [...files.scan(top)];
    expect([one?.links, one?.inode]).toEqual([2, two?.inode]);
  });

  it("ends with a transient error that names the directory that vanished", () => {
    mkdirSync(join(top, "gone"));
    const walk = files.scan(top)[Symbol.iterator]();
    walk.next();
    rmSync(join(top, "gone"), { recursive: true });
    expect(() => walk.next()).toThrow(
      expect.objectContaining({ retry: "transient", message: expect.stringContaining("/tree/gone") }),
    );
  });

  it("closes what it opened when the walk is left early", () => {
    mkdirSync(join(top, "a/b/c"), { recursive: true });
    const open = () => readdirSync("/proc/self/fd").length;
    const before = open();
    for (const entry of files.scan(top)) if (entry.path === "a/b") break;
    expect(open()).toBe(before);
  });
});

describe("removing a tree", () => {
  it("removes everything below, links and not what they lead to", () => {
    writeFileSync(join(outside, "kept"), "");
    mkdirSync(join(top, "a/b"), { recursive: true });
    symlinkSync(outside, join(top, "a/way"));
    const tree = files.openTree(top);
    tree.writeFile("a/\xff", bytes(""), own(0o644));
    tree.close();
    files.removeTree(top, lstatSync(top).ino);
    expect(files.stat(top)).toBeUndefined();
    expect(readdirSync(outside)).toEqual(["kept"]);
  });

  it("refuses a tree that another was put in the place of", () => {
    mkdirSync(join(top, "a"));
    expect(refusal(() => files.removeTree(top, lstatSync(top).ino + 1))).toBe(
      "cannot remove /tree: it is not the directory that was seen before",
    );
    expect(readdirSync(top)).toEqual(["a"]);
  });

  it("refuses a link to a directory", () => {
    symlinkSync(outside, join(top, "link"));
    writeFileSync(join(outside, "kept"), "");
    expect(refusal(() => files.removeTree(join(top, "link"), lstatSync(outside).ino))).toContain("cannot remove");
    expect(readdirSync(outside)).toEqual(["kept"]);
  });
});
