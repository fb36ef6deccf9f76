import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { BootstrapSource } from "../../../src/core/resource.ts";
import { bootstrap, debootstrapArguments, mmdebstrapArguments } from "../../../src/resources/tree/bootstrap.ts";
import { emulated, findEmulation } from "../../../src/resources/tree/emulation.ts";
import type { ApplyContext } from "../../../src/resources/types.ts";
import { Machine } from "../machine.ts";

const source: BootstrapSource = {
  type: "debootstrap",
  suite: "bookworm",
  variant: "minbase",
  include: ["curl", "vim"],
  exclude: ["nano"],
  architecture: "amd64",
  mirror: "http://mirror.invalid/debian",
  components: ["main", "contrib"],
  keyring: { path: "keys/a.gpg", sha256: "0", content: "/cache/a" },
};

let machine: Machine;
const path = process.env.PATH;
beforeEach(() => {
  machine = new Machine();
});
afterEach(() => {
  process.env.PATH = path;
  machine.close();
});

/** Puts a tool of the test's own before the real ones; it notes its arguments. */
function standIn(tool: string, script: string): string {
  const folder = join(machine.top, "tools");
  const notes = join(machine.top, `${tool}.arguments`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, tool), `#!/bin/sh\nset -e\nprintf '%s\\n' "$@" >'${notes}'\n${script}\n`);
  chmodSync(join(folder, tool), 0o755);
  process.env.PATH = `${folder}:${path}`;
  return notes;
}

describe("the command line", () => {
  test("of debootstrap has all that is declared, and refuses an archive that nobody signed", () => {
    expect(debootstrapArguments(source, "/target")).toEqual([
      "--variant=minbase",
      "--include=curl,vim",
      "--exclude=nano",
      "--arch=amd64",
      "--components=main,contrib",
      "--force-check-gpg",
      "--keyring=/cache/a",
      "bookworm",
      "/target",
      "http://mirror.invalid/debian",
    ]);
  });

  test("of debootstrap calls the standard set no variant, and leaves out what is not declared", () => {
    const plain: BootstrapSource = {
      ...{ type: "debootstrap", suite: "trixie", variant: "standard", include: [], components: [] },
      ...{ architecture: undefined, mirror: undefined },
    };
    expect(debootstrapArguments(plain, "/target")).toEqual(["--force-check-gpg", "trixie", "/target"]);
  });

  test("of mmdebstrap has the keyring of the commit", () => {
    const words = mmdebstrapArguments({ ...source, type: "mmdebstrap" }, "/target.tar");
    expect(words.slice(-4)).toEqual(["--keyring=/cache/a", "bookworm", "/target.tar", "http://mirror.invalid/debian"]);
  });
});

describe("debootstrap", () => {
  const script = `
    for word; do case "$word" in /*) root=$word;; esac; done
    mkdir -p "$root/usr/bin" "$root/proc"
    echo tool >"$root/usr/bin/tool"; chown 7:8 "$root/usr/bin/tool"; mknod "$root/null" c 1 3
    mount -t proc proc "$root/proc"`;

  test("fills a directory whose tarball is kept, without what it mounted; the next root with its key takes that", async () => {
    standIn("debootstrap", script);
    const context = machine.applyContext();
    const made = await bootstrap("a", source, "debootstrap:1", context);
    const members = await machine.host.processes.run({
      file: "tar",
      arguments: ["--list", "--verbose", "--numeric-owner", `--file=${made.path}`],
    });
    expect(made.path).toBe(join(machine.cache, "sources/debootstrap-1.tar"));
    expect(members.stdout).toMatch(/-rw-r--r-- 7\/8 +5 .* \.\/usr\/bin\/tool$/m);
    expect(members.stdout).toMatch(/^crw.* 1,3 .* \.\/null$/m);
    expect(members.stdout).not.toMatch(/proc\/self/);
    expect(existsSync(join(machine.cache, "sources/debootstrap-1.json"))).toBe(true);
    expect(machine.host.files.list(join(machine.cache, "sources"))).toEqual([
      "debootstrap-1.json",
      "debootstrap-1.tar",
    ]);
  });

  test("that fails leaves nothing that counts, and its work is swept by the next", async () => {
    standIn("debootstrap", 'echo "E: no such suite" >&2; exit 1');
    await expect(bootstrap("a", source, "debootstrap:1", machine.applyContext())).rejects.toThrow(
      /exit 1: E: no such suite/,
    );
    expect(existsSync(join(machine.cache, "sources/debootstrap-1.tar"))).toBe(false);
    standIn("debootstrap", script);
    machine.run++;
    await bootstrap("a", source, "debootstrap:1", machine.applyContext());
    expect(machine.host.files.list(join(machine.cache, "sources"))).toEqual([
      "debootstrap-1.json",
      "debootstrap-1.tar",
    ]);
  });

  test("is not begun offline, nor where it is not installed", async () => {
    const notes = standIn("debootstrap", script);
    machine.network = { offline: true, caFile: undefined };
    await expect(bootstrap("a", source, "debootstrap:1", machine.applyContext())).rejects.toMatchObject({
      message: "cannot fill tree a: debootstrap bookworm was not made before, and the host is offline",
      retry: "waiting",
    });
    expect(existsSync(notes)).toBe(false);
    machine.network = { offline: false, caFile: undefined };
    const without = { ...machine.applyContext() };
    const processes = { ...machine.host.processes, find: () => undefined };
    await expect(
      bootstrap("a", source, "debootstrap:1", { ...without, host: { ...machine.host, processes } }),
    ).rejects.toMatchObject({ hint: "apt-get install debootstrap", condition: "ToolMissing" });
  });
});

describe("a foreign architecture", () => {
  const arm: BootstrapSource = { ...source, type: "debootstrap", architecture: "riscv64" };
  const prepare = (of: BootstrapSource, emulation = false, more: Partial<ApplyContext> = {}) => {
    const context = machine.applyContext();
    return findEmulation("a", of, { ...context, limits: { ...context.limits, emulation }, ...more });
  };

  test("needs qemu-user in the kernel's registry: what to do is told, and nothing is done unasked", async () => {
    standIn("uname", "echo x86_64");
    const registry = "/proc/sys/fs/binfmt_misc";
    await expect(prepare(arm)).rejects.toMatchObject({
      message:
        "cannot fill tree a: this amd64 host cannot run programs of riscv64: qemu-riscv64 is not registered with the kernel",
      hint: `mount -t binfmt_misc none ${registry}; cat /usr/lib/binfmt.d/qemu-riscv64.conf > ${registry}/register; or allow it for the time of a bootstrap: \`emulation: true\` in /etc/rootloom/limits.yaml`,
      retry: "waiting",
    });
    expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(`${machine.top}`);
  });

  test("for which qemu-user is not installed, or of which it knows nothing, is told so", async () => {
    standIn("uname", "echo x86_64");
    const host = {
      ...machine.host,
      processes: { ...machine.host.processes, find: (tool: string) => (tool.startsWith("qemu-") ? undefined : tool) },
    };
    await expect(prepare(arm, true, { host })).rejects.toMatchObject({
      hint: "apt-get install qemu-user-static; then: rootloom apply",
    });
    await expect(prepare({ ...arm, architecture: "amiga" })).rejects.toMatchObject({ hint: "correct `architecture`" });
  });

  test("is registered for the time of the bootstrapper where the host's limits allow it", async () => {
    standIn("uname", "echo x86_64");
    const registration = await prepare({ ...arm, architecture: "arm64" }, true);
    expect(registration).toBe("/usr/lib/binfmt.d/qemu-aarch64.conf");
    const registry = "/proc/sys/fs/binfmt_misc/qemu-aarch64";
    const { stdout } = await machine.host.processes.run(
      emulated(registration, { file: "head", arguments: ["-n", "1", registry] }),
    );
    expect(stdout).toBe("enabled\n");
    expect(existsSync(registry)).toBe(false);
  });

  test("is none where the processor runs it by itself, or nothing of the root is run", async () => {
    standIn("uname", "echo x86_64");
    const none = [
      { ...arm, architecture: "i386" },
      { ...arm, architecture: undefined },
      { ...arm, variant: "extract" },
    ];
    for (const each of none) expect(await prepare(each, true)).toBeUndefined();
    standIn("uname", "echo riscv64");
    expect(await prepare(arm, true)).toBeUndefined();
  });
});
