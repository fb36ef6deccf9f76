import { afterEach, describe, expect, it } from "vitest";
import { toTreePath } from "../../src/core/entry.ts";
import { RootloomError } from "../../src/core/error.ts";
import type { Attributes, Files } from "../../src/host/ports.ts";

export interface FilesUnderTest {
  readonly files: Files;
  /** An empty directory, absolute, without a symlink in it. */
  readonly directory: string;
  readonly close: () => void;
}

export const OURS: Attributes = { owner: process.getuid?.() ?? 0, group: process.getgid?.() ?? 0, mode: 0o644 };
const FOLDER: Attributes = { ...OURS, mode: 0o755 };

/** What the file port promises, on whichever side it stands: run against the fake and against the real one. */
export function filesContract(name: string, makeFiles: () => FilesUnderTest): void {
  let open: FilesUnderTest[] = [];
  const start = (): { readonly files: Files; readonly at: (path: string) => string } => {
    const made = makeFiles();
    open.push(made);
    return { files: made.files, at: (path) => (path === "" ? made.directory : `${made.directory}/${path}`) };
  };
  describe(name, () => {
    afterEach(() => {
      for (const made of open) made.close();
      open = [];
    });
    readingContract(start);
    writingContract(start);
    removingContract(start);
    treeContract(start);
    treeChangesContract(start);
    scanContract(start);
  });
}

type Start = () => { readonly files: Files; readonly at: (path: string) => string };

function readingContract(start: Start): void {
  describe("reading", () => {
    it("answers undefined where nothing is, and below a file", () => {
      const { files, at } = start();
      files.writeFile(at("file"), "x", OURS);
      for (const path of ["missing", "missing/below", "file/below"]) {
        expect(files.stat(at(path))).toBeUndefined();
        expect(files.list(at(path))).toBeUndefined();
        expect(files.readText(at(path))).toBeUndefined();
        expect(files.readBytes(at(path))).toBeUndefined();
        expect(files.readLink(at(path))).toBeUndefined();
        expect(files.realPath(at(path))).toBeUndefined();
        expect(files.openReader(at(path))).toBeUndefined();
      }
    });

    it("looks at a symlink itself, and reads through it", () => {
      const { files, at } = start();
      files.writeFile(at("file"), "content", OURS);
      files.writeLink(at("link"), "file");
      expect(files.stat(at("link"))).toMatchObject({ type: "symlink", size: 4 });
      expect(files.readLink(at("link"))).toBe("file");
      expect(files.readText(at("link"))).toBe("content");
      expect(files.realPath(at("link"))).toBe(at("file"));
    });

    it("resolves symlinks to directories, relative, absolute and upward", () => {
      const { files, at } = start();
      files.makeDirectories(at("a/b"));
      files.writeFile(at("a/b/file"), "x", OURS);
      files.writeLink(at("absolute"), at("a"));
      files.writeLink(at("a/up"), "../a/b");
      expect(files.realPath(at("absolute/up/file"))).toBe(at("a/b/file"));
      expect(files.readText(at("absolute/up/../b/file"))).toBe("x");
    });

    it("refuses to read a directory, and a circle of symlinks", () => {
      const { files, at } = start();
      files.makeDirectory(at("folder"), FOLDER);
      files.writeLink(at("one"), "two");
      files.writeLink(at("two"), "one");
      expect(() => files.readText(at("folder"))).toThrow(RootloomError);
      expect(() => files.readText(at("one"))).toThrow(RootloomError);
      expect(() => files.openReader(at("folder"))).toThrow(RootloomError);
    });

    it("lists names in order, those that are not ASCII too", () => {
      const { files, at } = start();
      for (const name of ["b", "a b", "Ä", ".hidden", "a\nb"]) files.writeFile(at(name), "", OURS);
      expect(files.list(at(""))).toEqual([".hidden", "a\nb", "a b", "b", "Ä"]);
    });

    it("reads a part of a file from a position, and nothing behind its end", () => {
      const { files, at } = start();
      files.writeFile(at("file"), "0123456789", OURS);
      const reader = files.openReader(at("file"));
      const into = Buffer.alloc(4);
      expect(reader?.read(into, 8)).toBe(2);
      expect(into.toString("latin1", 0, 2)).toBe("89");
      expect(reader?.read(into, 10)).toBe(0);
      expect(reader?.stat()).toMatchObject({ type: "file", size: 10 });
      reader?.close();
    });

    it("says owner, mode, time, size and links of a file", () => {
      const { files, at } = start();
      files.writeFile(at("file"), "12345", { ...OURS, mode: 0o4751, modified_s: 1_000_000 });
      expect(files.stat(at("file"))).toMatchObject({
        type: "file",
        mode: 0o4751,
        owner: OURS.owner,
        group: OURS.group,
        size: 5,
        modified_s: 1_000_000,
        links: 1,
        major: 0,
        minor: 0,
      });
      expect(files.stat(at(""))?.device).toBe(files.stat(at("file"))?.device);
    });
  });
}

function writingContract(start: Start): void {
  describe("writing", () => {
    it("replaces a file by a new one with exact attributes, and leaves nothing beside", () => {
      const { files, at } = start();
      files.writeFile(at("file"), "old", { ...OURS, mode: 0o600 });
      const before = files.stat(at("file"));
      files.writeFile(at("file"), "new!", { ...OURS, mode: 0o755 });
      const after = files.stat(at("file"));
      expect(files.readText(at("file"))).toBe("new!");
      expect(after?.mode).toBe(0o755);
      expect(after?.inode).not.toBe(before?.inode);
      expect(after?.stamp).not.toBe(before?.stamp);
      expect(files.list(at(""))).toEqual(["file"]);
    });

    it("replaces a symlink itself, not what it leads to", () => {
      const { files, at } = start();
      files.writeFile(at("target"), "kept", OURS);
      files.writeLink(at("link"), "target");
      files.writeFile(at("link"), "written", OURS);
      expect(files.readText(at("target"))).toBe("kept");
      expect(files.stat(at("link"))?.type).toBe("file");
    });

    it("refuses to write a file over a directory or into a missing one", () => {
      const { files, at } = start();
      files.makeDirectory(at("folder"), FOLDER);
      expect(() => files.writeFile(at("folder"), "x", OURS)).toThrow(RootloomError);
      expect(() => files.writeFile(at("missing/file"), "x", OURS)).toThrow(RootloomError);
      expect(files.list(at(""))).toEqual(["folder"]);
    });

    it("swaps a link, and refuses to put one over a file or a directory", () => {
      const { files, at } = start();
      files.makeDirectory(at("folder"), FOLDER);
      files.writeFile(at("file"), "x", OURS);
      files.writeLink(at("link"), "folder");
      files.writeLink(at("link"), "elsewhere");
      expect(files.readLink(at("link"))).toBe("elsewhere");
      expect(() => files.writeLink(at("file"), "x")).toThrow(RootloomError);
      expect(() => files.writeLink(at("folder"), "x")).toThrow(RootloomError);
      expect(files.list(at("folder"))).toEqual([]);
    });

    it("makes one directory with an exact mode where nothing stands", () => {
      const { files, at } = start();
      files.makeDirectory(at("folder"), { ...OURS, mode: 0o1777 });
      expect(files.stat(at("folder"))).toMatchObject({ type: "directory", mode: 0o1777, links: 2 });
      expect(() => files.makeDirectory(at("folder"), FOLDER)).toThrow(RootloomError);
      expect(() => files.makeDirectory(at("missing/below"), FOLDER)).toThrow(RootloomError);
    });

    it("makes missing directories and leaves those that are there as they are", () => {
      const { files, at } = start();
      files.makeDirectory(at("a"), { ...OURS, mode: 0o711 });
      files.makeDirectories(at("a/b/c"), 0o750);
      expect(files.stat(at("a"))?.mode).toBe(0o711);
      expect(files.stat(at("a/b"))?.mode).toBe(0o750);
      expect(files.stat(at("a/b/c"))?.mode).toBe(0o750);
      files.writeFile(at("file"), "x", OURS);
      expect(() => files.makeDirectories(at("file/below"))).toThrow(RootloomError);
    });

    it("changes attributes, but not through a symlink", () => {
      const { files, at } = start();
      files.writeFile(at("file"), "x", OURS);
      files.setAttributes(at("file"), { ...OURS, mode: 0o600, modified_s: 5 });
      expect(files.stat(at("file"))).toMatchObject({ mode: 0o600, modified_s: 5 });
      files.writeLink(at("link"), "file");
      expect(() => files.setAttributes(at("link"), OURS)).toThrow(RootloomError);
      expect(files.stat(at("file"))?.mode).toBe(0o600);
    });

    it("writes in pieces and counts them", () => {
      const { files, at } = start();
      const writer = files.openWriter(at("file"), 0o640);
      writer.write(Buffer.from("one "));
      writer.write(Buffer.from("two"));
      expect(writer.bytes).toBe(7);
      writer.sync();
      writer.close();
      expect(files.readText(at("file"))).toBe("one two");
      expect(files.stat(at("file"))?.mode).toBe(0o640);
    });

    it("writes on another thread, behind what was written before", async () => {
      const { files, at } = start();
      const writer = files.openWriter(at("file"), 0o640);
      writer.write(Buffer.from("one "));
      const piece = Buffer.alloc(3_000_000, "two ");
      await writer.writeLater(piece);
      expect(writer.bytes).toBe(3_000_004);
      writer.write(Buffer.from("three"));
      writer.sync();
      writer.close();
      expect(files.readText(at("file"))).toBe(`one ${piece.toString()}three`);
    });

    it("begins a file with the first bytes of another, and goes on behind them", async () => {
      const { files, at } = start();
      const whole = "0123456789abcdef".repeat(10_000);
      files.writeFile(at("from"), whole, OURS);
      const writer = files.openWriter(at("file"), 0o600);
      expect(["reflink", "copy"]).toContain(writer.startWith(at("from"), 100_001));
      writer.write(Buffer.from("and more"));
      expect(writer.bytes).toBe(100_009);
      await writer.syncLater();
      writer.close();
      expect(files.readText(at("file"))).toBe(`${whole.slice(0, 100_001)}and more`);
      expect(files.readText(at("from"))).toBe(whole);
    });

    it("copies a file to a new name, and refuses one that is taken", () => {
      const { files, at } = start();
      files.writeFile(at("from"), "content", OURS);
      expect(["reflink", "copy"]).toContain(files.copyFile(at("from"), at("to")));
      expect(files.readText(at("to"))).toBe("content");
      expect(files.stat(at("to"))?.inode).not.toBe(files.stat(at("from"))?.inode);
      files.writeFile(at("taken"), "mine", OURS);
      expect(() => files.copyFile(at("from"), at("taken"))).toThrow(RootloomError);
      expect(files.readText(at("taken"))).toBe("mine");
      expect(files.list(at(""))).toEqual(["from", "taken", "to"]);
    });

    it("names the same filesystem for all that lies on it, and its free space", () => {
      const { files, at } = start();
      files.writeFile(at("file"), "x", OURS);
      expect(files.filesystemIdentity(at("file"))).toBe(files.filesystemIdentity(at("")));
      expect(files.filesystemIdentity(at(""))).toMatch(/^(uuid|device):/);
      expect(files.freeSpace_bytes(at(""))).toBeGreaterThan(0);
      expect(() => files.freeSpace_bytes(at("missing"))).toThrow(RootloomError);
      files.syncDirectory(at(""));
      files.syncFilesystem(at(""));
    });
  });
}

function removingContract(start: Start): void {
  describe("renaming and removing", () => {
    it("renames over a file, keeping the inode", () => {
      const { files, at } = start();
      files.writeFile(at("from"), "new", OURS);
      files.writeFile(at("to"), "old", OURS);
      const { inode } = files.stat(at("from")) ?? {};
      files.rename(at("from"), at("to"));
      expect(files.stat(at("to"))?.inode).toBe(inode);
      expect(files.list(at(""))).toEqual(["to"]);
    });

    it("refuses to rename onto a directory, even an empty one, and into itself", () => {
      const { files, at } = start();
      files.makeDirectory(at("from"), FOLDER);
      files.makeDirectory(at("to"), FOLDER);
      files.writeFile(at("file"), "x", OURS);
      expect(() => files.rename(at("from"), at("to"))).toThrow(RootloomError);
      expect(() => files.rename(at("file"), at("to"))).toThrow(RootloomError);
      expect(() => files.rename(at("from"), at("file"))).toThrow(RootloomError);
      expect(() => files.rename(at("from"), at("from/below"))).toThrow(RootloomError);
      expect(() => files.rename(at("missing"), at("new"))).toThrow(RootloomError);
      expect(files.list(at(""))).toEqual(["file", "from", "to"]);
    });

    it("moves a directory with all below it, and a symlink as such", () => {
      const { files, at } = start();
      files.makeDirectories(at("a/b"));
      files.makeDirectory(at("other"), FOLDER);
      files.writeFile(at("a/b/file"), "x", OURS);
      files.writeLink(at("link"), "a");
      files.rename(at("a"), at("other/a"));
      files.rename(at("link"), at("moved"));
      expect(files.readText(at("other/a/b/file"))).toBe("x");
      expect(files.readLink(at("moved"))).toBe("a");
      expect(files.realPath(at("other/a/.."))).toBe(at("other"));
    });

    it("removes files by removeFile and empty directories by removeDirectory only", () => {
      const { files, at } = start();
      files.makeDirectories(at("folder/below"));
      files.writeFile(at("file"), "x", OURS);
      expect(() => files.removeFile(at("folder"))).toThrow(RootloomError);
      expect(() => files.removeDirectory(at("folder"))).toThrow(RootloomError);
      expect(() => files.removeDirectory(at("file"))).toThrow(RootloomError);
      expect(() => files.removeFile(at("missing"))).toThrow(RootloomError);
      files.removeDirectory(at("folder/below"));
      files.removeDirectory(at("folder"));
      files.removeFile(at("file"));
      expect(files.list(at(""))).toEqual([]);
    });

    it("removes a whole tree, symlinks in it not followed", () => {
      const { files, at } = start();
      files.makeDirectories(at("tree/a/b"));
      files.makeDirectory(at("kept"), FOLDER);
      files.writeFile(at("kept/file"), "x", OURS);
      files.writeLink(at("tree/a/link"), "../../kept");
      files.writeFile(at("tree/a/b/file"), "x", OURS);
      files.removeTree(at("tree"), files.stat(at("tree"))?.inode ?? 0);
      expect(files.list(at(""))).toEqual(["kept"]);
      expect(files.list(at("kept"))).toEqual(["file"]);
    });

    it("removes all of a tree but one name at its top, where that is to be kept", () => {
      const { files, at } = start();
      for (const directory of ["tree/own/deep", "tree/a/own"]) files.makeDirectories(at(directory));
      for (const file of ["tree/own/deep/file", "tree/a/own/file", "tree/file"]) files.writeFile(at(file), "x", OURS);
      files.removeTree(at("tree"), files.stat(at("tree"))?.inode ?? 0, "own");
      expect(files.list(at("tree"))).toEqual(["own"]);
      expect(files.list(at("tree/own/deep"))).toEqual(["file"]);
    });

    it("refuses to remove a tree that is not the one that was seen, or a symlink to one", () => {
      const { files, at } = start();
      files.makeDirectories(at("tree/a"));
      files.writeLink(at("link"), "tree");
      const { inode = 0 } = files.stat(at("tree")) ?? {};
      expect(() => files.removeTree(at("tree"), inode + 1)).toThrow(/not the directory that was seen/);
      expect(() => files.removeTree(at("link"), inode)).toThrow(RootloomError);
      expect(() => files.removeTree(at("missing"), inode)).toThrow(RootloomError);
      expect(files.list(at("tree"))).toEqual(["a"]);
    });
  });
}

function treeContract(start: Start): void {
  describe("reading in a tree", () => {
    it("keeps absolute symlinks and upward paths inside, as if chrooted", () => {
      const { files, at } = start();
      files.makeDirectories(at("tree/usr/bin"));
      files.makeDirectories(at("outside"));
      files.writeFile(at("outside/file"), "outside", OURS);
      files.writeFile(at("tree/usr/bin/tool"), "tool", OURS);
      files.writeLink(at("tree/bin"), "/usr/bin");
      files.writeLink(at("tree/escape"), "../../outside");
      const tree = files.openTree(at("tree"));
      expect(Buffer.from(tree.read("bin/tool")).toString()).toBe("tool");
      expect(tree.resolve("bin/tool")).toBe("usr/bin/tool");
      expect(tree.resolve("bin")).toBe("bin");
      expect(tree.stat("escape/file")).toBeUndefined();
      expect(tree.resolve("escape/file")).toBeUndefined();
      expect(tree.stat("bin")?.type).toBe("symlink");
      tree.close();
    });

    it("tells what is there, and undefined where a parent is missing", () => {
      const { files, at } = start();
      files.makeDirectories(at("tree/etc"));
      files.writeFile(at("tree/etc/motd"), "hello", OURS);
      const tree = files.openTree(at("tree"));
      expect(tree.stat("")?.type).toBe("directory");
      expect(tree.stat("etc/motd")).toMatchObject({ type: "file", size: 5 });
      expect(tree.stat("etc/missing")).toBeUndefined();
      expect(tree.stat("missing/below")).toBeUndefined();
      expect(tree.resolve("missing/below")).toBeUndefined();
      expect(tree.resolve("etc/missing")).toBe("etc/missing");
      expect(tree.list("etc")).toEqual(["motd"]);
      expect(tree.list("")).toEqual(["etc"]);
      expect(tree.sha256("etc/motd")).toBe("2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
      expect(() => tree.read("etc/missing")).toThrow(RootloomError);
      expect(() => tree.read("etc")).toThrow(RootloomError);
      expect(() => tree.readLink("etc/motd")).toThrow(RootloomError);
      tree.close();
    });

    it("reads no file through a symlink as last component", () => {
      const { files, at } = start();
      files.makeDirectories(at("tree"));
      files.writeFile(at("tree/file"), "x", OURS);
      files.writeLink(at("tree/link"), "file");
      const tree = files.openTree(at("tree"));
      expect(() => tree.read("link")).toThrow(RootloomError);
      expect(() => files.openTreeReader(at("tree"), "link")).toThrow(RootloomError);
      expect(tree.readLink("link")).toBe("file");
      const reader = files.openTreeReader(at("tree"), "file");
      expect(reader?.stat().size).toBe(1);
      reader?.close();
      expect(files.openTreeReader(at("tree"), "missing")).toBeUndefined();
      tree.close();
    });

    it("refuses what is closed, what is no directory and what is missing", () => {
      const { files, at } = start();
      files.writeFile(at("file"), "x", OURS);
      expect(() => files.openTree(at("file"))).toThrow(RootloomError);
      expect(() => files.openTree(at("missing"))).toThrow(RootloomError);
      const tree = files.openTree(at(""));
      tree.close();
      tree.close();
      expect(() => tree.list("")).toThrow(RootloomError);
    });
  });
}

function treeChangesContract(start: Start): void {
  describe("changing a tree", () => {
    it("writes files of bytes and of a host file with exact attributes, through directory symlinks", () => {
      const { files, at } = start();
      files.makeDirectories(at("tree/usr/bin"));
      files.writeLink(at("tree/bin"), "usr/bin");
      files.writeFile(at("source"), "from a file", OURS);
      const tree = files.openTree(at("tree"));
      tree.writeFile("bin/a", { bytes: Buffer.from("bytes") }, { ...OURS, mode: 0o4755, modified_s: 42 });
      tree.writeFile("usr/b", { file: at("source") }, { ...OURS, mode: 0o600 });
      tree.close();
      expect(files.readText(at("tree/usr/bin/a"))).toBe("bytes");
      expect(files.stat(at("tree/usr/bin/a"))).toMatchObject({ mode: 0o4755, modified_s: 42 });
      expect(files.readText(at("tree/usr/b"))).toBe("from a file");
      expect(files.list(at("tree/usr/bin"))).toEqual(["a"]);
    });

    it("replaces files and links by files, links and nodes, never a directory", () => {
      const { files, at } = start();
      files.makeDirectories(at("tree/folder"));
      const tree = files.openTree(at("tree"));
      tree.writeFile("x", { bytes: Buffer.from("1") }, OURS);
      tree.writeLink("x", "folder", OURS);
      expect(tree.readLink("x")).toBe("folder");
      tree.makeNode("x", { type: "fifo", major: 0, minor: 0 }, { ...OURS, mode: 0o620 });
      expect(tree.stat("x")).toMatchObject({ type: "fifo", mode: 0o620 });
      tree.writeFile("x", { bytes: Buffer.from("2") }, OURS);
      expect(() => tree.writeFile("folder", { bytes: Buffer.from("2") }, OURS)).toThrow(RootloomError);
      expect(() => tree.writeLink("folder", "x", OURS)).toThrow(RootloomError);
      expect(() => tree.writeFile("", { bytes: Buffer.from("2") }, OURS)).toThrow(RootloomError);
      expect(() => tree.writeFile("missing/x", { bytes: Buffer.from("2") }, OURS)).toThrow(RootloomError);
      expect(tree.list("")).toEqual(["folder", "x"]);
      tree.close();
    });

    it("carries names that are not UTF-8 byte for byte", () => {
      const { files, at } = start();
      files.makeDirectory(at("tree"), FOLDER);
      const tree = files.openTree(at("tree"));
      const names = ["\xff\xfe", toTreePath("grün"), "a\nb"];
      for (const name of names) tree.writeFile(name, { bytes: Buffer.from(name, "latin1") }, OURS);
      tree.writeLink("link", "\xff target", OURS);
      expect(tree.list("")).toEqual([...names, "link"].sort());
      expect(Buffer.from(tree.read("\xff\xfe")).toString("latin1")).toBe("\xff\xfe");
      expect(tree.readLink("link")).toBe("\xff target");
      expect([...files.scan(at("tree"))].map(({ path }) => path)).toEqual([...names, "link"].sort());
      expect(files.list(at("tree"))).toContain("grün");
      tree.close();
    });

    it("makes and removes directories one at a time", () => {
      const { files, at } = start();
      const tree = files.openTree(at(""));
      tree.makeDirectory("a", { ...OURS, mode: 0o2750 });
      tree.makeDirectory("a/b", FOLDER);
      expect(tree.stat("a")?.mode).toBe(0o2750);
      expect(() => tree.makeDirectory("a", FOLDER)).toThrow(RootloomError);
      expect(() => tree.removeDirectory("a")).toThrow(RootloomError);
      expect(() => tree.removeFile("a/b")).toThrow(RootloomError);
      expect(() => tree.removeDirectory("")).toThrow(RootloomError);
      tree.removeDirectory("a/b");
      tree.removeDirectory("a");
      expect(tree.list("")).toEqual([]);
      tree.close();
    });

    it("changes attributes of a directory, a file and a symlink itself", () => {
      const { files, at } = start();
      const tree = files.openTree(at(""));
      tree.writeFile("file", { bytes: Buffer.from("") }, { ...OURS, modified_s: 7 });
      tree.writeLink("link", "file", { ...OURS, modified_s: 9 });
      tree.setAttributes("file", { ...OURS, mode: 0o6711, modified_s: 11 });
      tree.setAttributes("link", { ...OURS, mode: 0o600, modified_s: 13 });
      expect(tree.stat("file")).toMatchObject({ mode: 0o6711, modified_s: 11 });
      expect(tree.stat("link")).toMatchObject({ type: "symlink", mode: 0o777, modified_s: 13 });
      expect(() => tree.setAttributes("missing", OURS)).toThrow(RootloomError);
      tree.close();
    });

    it("follows the directory that it opened when that is renamed", () => {
      const { files, at } = start();
      files.makeDirectory(at("tree"), FOLDER);
      const tree = files.openTree(at("tree"));
      files.rename(at("tree"), at("moved"));
      tree.writeFile("file", { bytes: Buffer.from("x") }, OURS);
      expect(files.readText(at("moved/file"))).toBe("x");
      tree.close();
    });
  });
}

function scanContract(start: Start): void {
  describe("scanning", () => {
    it("reports directories before their contents, in the order of bytes, the top left out", () => {
      const { files, at } = start();
      files.makeDirectories(at("b/inner"));
      files.makeDirectories(at("a"));
      files.writeFile(at("a/file"), "12", OURS);
      files.writeFile(at("a.txt"), "", OURS);
      files.writeLink(at("b/link"), "inner");
      expect([...files.scan(at(""))].map(({ path, type, size, target }) => [path, type, size, target])).toEqual([
        ["a", "directory", expect.any(Number), ""],
        ["a/file", "file", 2, ""],
        ["a.txt", "file", 0, ""],
        ["b", "directory", expect.any(Number), ""],
        ["b/inner", "directory", expect.any(Number), ""],
        ["b/link", "symlink", 5, "inner"],
      ]);
    });

    it("leaves out the contents of what is not entered", () => {
      const { files, at } = start();
      files.makeDirectories(at("skipped/below"));
      files.makeDirectories(at("entered/below"));
      const entries = [...files.scan(at(""), { enter: (path) => path !== "skipped", attributes: true })];
      expect(entries.map(({ path }) => path)).toEqual(["entered", "entered/below", "skipped"]);
      expect(entries.every(({ mountPoint }) => !mountPoint)).toBe(true);
      expect(entries.every(({ extendedAttributes }) => extendedAttributes.length === 0)).toBe(true);
    });

    // Of what changes in one tick of the clock, only names, kinds and sizes can tell.
    it("looks the same until something is added, removed, renamed, moved or replaced", () => {
      const { files, at } = start();
      files.makeDirectories(at("tree/inner"));
      files.writeFile(at("tree/inner/file"), "12", OURS);
      const look = () => JSON.stringify(files.look(at("tree"), [{}]));
      const changes: readonly (() => void)[] = [
        () => files.writeFile(at("tree/inner/file"), "213", OURS),
        () => files.rename(at("tree/inner/file"), at("tree/inner/other")),
        () => files.rename(at("tree/inner/other"), at("tree/other")),
        () => files.makeDirectory(at("tree/new"), FOLDER),
        () => files.writeLink(at("tree/new/link"), "inner"),
        () => files.removeFile(at("tree/new/link")),
      ];
      for (const change of changes) {
        const before = look();
        expect(look()).toBe(before);
        change();
        expect(look()).not.toBe(before);
      }
    });

    it("looks neither at what it is to leave out nor below what it is not to enter, and tells the latest change", () => {
      const { files, at } = start();
      for (const path of ["closed", "open"]) files.makeDirectories(at(`tree/${path}`));
      files.writeFile(at("tree/open/out"), "1", OURS);
      files.writeFile(at("tree/closed/file"), "1", OURS);
      const options = { enter: (path: string) => path !== "closed", leaveOut: (path: string) => path === "open/out" };
      const before = files.look(at("tree"), [options]);
      files.setAttributes(at("tree/open/out"), { ...OURS, mode: 0o600 });
      files.setAttributes(at("tree/closed/file"), { ...OURS, mode: 0o600 });
      expect(files.look(at("tree"), [options])).toEqual(before);
      const latest_ms = Math.max(...[...files.scan(at("tree"))].map(({ changed_ms }) => changed_ms));
      const whole = files.look(at("tree"), [{}])[0];
      const parts = whole === undefined ? [] : [whole.upper, ...whole.parts];
      expect(Math.max(...parts.map(({ changed_ms }) => changed_ms))).toBe(latest_ms);
    });

    it("refuses what is missing or no directory", () => {
      const { files, at } = start();
      files.writeFile(at("file"), "", OURS);
      expect(() => files.look(at("missing"), [{}])).toThrow(RootloomError);
      expect(() => files.look(at("file"), [{}])).toThrow(RootloomError);
      expect(() => [...files.scan(at("missing"))]).toThrow(RootloomError);
      expect(() => [...files.scan(at("file"))]).toThrow(RootloomError);
    });
  });
}
