import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { PackageWork } from "../../../src/core/resource.ts";
import { createHost } from "../../../src/host/real/host.ts";
import { apt } from "../../../src/resources/provision/packages/apt.ts";
import { ownCommands } from "../../../src/resources/provision/packages/command.ts";
import { portage } from "../../../src/resources/provision/packages/portage.ts";

let top: string;
beforeEach(() => {
  top = mkdtempSync("/tmp/rootloom-packages-");
});
afterEach(() => rmSync(top, { recursive: true }));

const host = createHost({ mountNamespace: "/proc/self/ns/mnt" });
const write = (path: string, text = ""): void => {
  mkdirSync(dirname(join(top, path)), { recursive: true });
  writeFileSync(join(top, path), text);
};
function work(
  adapter: PackageWork["adapter"],
  install: readonly string[],
  remove: readonly string[] = [],
): PackageWork {
  return { type: "packages", adapter, install, remove, refresh: true, recommends: false };
}
function difference(adapter: typeof apt, install: readonly string[], remove: readonly string[] = []) {
  const tree = host.files.openTree(top);
  try {
    return adapter.difference(work("apt", install, remove), tree);
  } finally {
    tree.close();
  }
}

describe("apt", () => {
  const paragraph = (name: string, state: string, more = ""): string =>
    `Package: ${name}\nStatus: install ok ${state}\nArchitecture: amd64\nVersion: 2:1.0-1\n${more}Description: x\n and more\n`;
  beforeEach(() =>
    write(
      "var/lib/dpkg/status",
      [
        paragraph("vim", "installed", "Provides: editor, vi (= 2)\n"),
        paragraph("half", "half-configured"),
        paragraph("gone", "config-files").replace("install ok", "deinstall ok"),
      ].join("\n"),
    ),
  );

  it.each([
    ["vim", true],
    ["vim=2:1.0-1", true],
    ["vim=2:1.1-1", false],
    ["vim:amd64", true],
    ["vim:arm64", false],
    ["vim/bookworm-backports", true],
    ["editor", true],
    ["vi", true],
    ["half", false],
    ["gone", false],
    ["nothing", false],
  ])("of what the database has, finds %s installed: %s", (name, is) => {
    expect(difference(apt, [name])).toEqual({ missing: is ? [] : [name], unwanted: [] });
  });

  it("finds what is to be removed only while it is installed", () => {
    expect(difference(apt, [], ["vim", "gone", "nothing"]).unwanted).toEqual(["vim"]);
  });

  it("in a root that has no database finds everything missing", () => {
    rmSync(join(top, "var"), { recursive: true });
    expect(difference(apt, ["vim"], ["vi"])).toEqual({ missing: ["vim"], unwanted: [] });
  });

  it("never asks, finishes what was interrupted, updates only to install, and cleans up only behind a removal", () => {
    const all = apt.commands(work("apt", ["vim", "git"]), { missing: ["git"], unwanted: ["nano"] });
    const heads = all.map((words) =>
      [words[0], words.find((word) => /^(update|install|purge|autoremove|--configure)$/.test(word))].join(" "),
    );
    expect(heads).toEqual([
      "dpkg --configure",
      "apt-get update",
      "apt-get install",
      "sh ",
      "apt-get purge",
      "apt-get autoremove",
    ]);
    expect(all[2]).toEqual(expect.arrayContaining(["-y", "--no-install-recommends", "--", "git"]));
    expect(apt.commands(work("apt", []), { missing: [], unwanted: [] })).toHaveLength(1);
    const own = apt.commands(
      { ...work("apt", ["git"]), refresh: false, recommends: true },
      { missing: ["git"], unwanted: [] },
    );
    expect(own.flat()).not.toContain("update");
    expect(own.flat()).not.toContain("--no-install-recommends");
  });
});

describe("portage", () => {
  beforeEach(() => {
    write("var/db/pkg/app-editors/vim-9.0.1-r2/SLOT");
    write("var/db/pkg/app-editors/vim-core-9.0.1/SLOT");
    write("var/db/pkg/dev-libs/-MERGING-openssl-3.0/SLOT");
  });

  it.each([
    ["app-editors/vim", true],
    ["vim", true],
    ["vim-core", true],
    [">=app-editors/vim-8", true],
    ["~app-editors/vim-9.0.1", true],
    ["=app-editors/vim-9*", true],
    ["app-editors/vim:0[-X]", true],
    ["dev-libs/openssl", false],
    ["app-editors/vi", false],
    ["sys-apps/vim", false],
    ["@world", true],
  ])("of what the database has, finds %s installed: %s", (atom, is) => {
    expect(difference(portage, [atom])).toEqual({ missing: is ? [] : [atom], unwanted: [] });
  });

  it("never asks, adds to the world set without building again, and cleans up only behind a removal", () => {
    const commands = portage.commands(work("portage", ["a/b", "@set"]), { missing: [], unwanted: ["c/d"] });
    expect(commands.map((words) => words.join(" "))).toEqual([
      "emerge --ask=n --color=n --noreplace a/b @set",
      "emerge --ask=n --color=n --unmerge c/d",
      "emerge --ask=n --color=n --depclean",
    ]);
    expect(portage.commands(work("portage", []), { missing: [], unwanted: [] })).toEqual([]);
  });
});

describe("the user's own commands", () => {
  it("get names as arguments, and run only where there is something to do", () => {
    const own = { ...work("command", ["a b"]), commands: { list: "l", install: "i", remove: "r" } };
    expect(ownCommands(own, { missing: ["a b"], unwanted: [] })).toEqual([
      ["/bin/sh", "-e", "-c", "i", "packages", "a b"],
    ]);
    expect(ownCommands(own, { missing: [], unwanted: ["c"] })).toEqual([["/bin/sh", "-e", "-c", "r", "packages", "c"]]);
  });
});
