import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Ajv } from "ajv";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseAllDocuments } from "yaml";
import { parseArguments } from "../../src/cli/program.ts";
import { commands } from "../../src/cli/table.ts";
import { DOCUMENT_KINDS } from "../../src/documents/types.ts";
import { parseLimits } from "../../src/resources/limits.ts";
import { fingerprint, project, type Ran } from "../kit.ts";
import { git, write } from "../source/repository.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "rootloom-beginnings-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

function run(...words: readonly string[]): Ran {
  const environment = { PATH: process.env.PATH ?? "", HOME: directory, NO_COLOR: "1" };
  const flags = ["--mount-namespace", "/proc/self/ns/mnt"];
  const ran = spawnSync(join(project, "src/rootloom"), [...flags, ...words], {
    cwd: directory,
    env: environment,
    encoding: "utf8",
  });
  return { exitCode: ran.status ?? -1, stdout: ran.stdout, stderr: ran.stderr };
}

function commitAll(): void {
  git(directory, "init", "--quiet");
  git(directory, "add", "--all", "desired");
  git(directory, "commit", "--quiet", "--message", "first");
}

describe("import", () => {
  /** As the older scripts keep it: dotfiles, links, keys that only root may read, nodes and empty directories. */
  function makeConfiguration(): void {
    write(directory, {
      "config/build-env/ZFS": "# the root's dataset\ntank/roots/gentoo\ndistfiles=tank/distfiles\n",
      "config/build-env/make.conf": 'CFLAGS="-O2 -pipe"\n',
      "config/build-env/package.use/zz-local": "sys-apps/busybox static\n",
      "config/build-env/TODO": "later\n",
      "config/common/init*": "#!/bin/sh\nexec /sbin/init\n",
      "config/common/root/.bashrc": "alias ll='ls -l'\n",
      "config/common/etc/localtime@": "../usr/share/zoneinfo/Europe/Berlin",
      "config/overlays/hardware/ThinkPad T430/etc/conf.d/net": "config_eth0=dhcp\n",
      "config/overlays/hardware/qemu/etc/fstab": "",
      "config/overlays/secret-sauce/home/etc/ssh/ssh_host_key": "key\n",
      "config/overlays/secret-sauce/home/root/.ssh/authorized_keys": "ssh-ed25519 AAAA\n",
      "config/kernel/tiny.kconfig":
        "CONFIG_BLK_DEV_INITRD=y\nCONFIG_BINFMT_ELF=y\nCONFIG_DEVTMPFS=y\nCONFIG_RD_GZIP=y\n",
    });
    chmodSync(join(directory, "config/overlays/secret-sauce/home/etc/ssh/ssh_host_key"), 0o600);
    chmodSync(join(directory, "config/overlays/secret-sauce/home/root/.ssh"), 0o700);
    mkdirSync(join(directory, "config/common/mnt/usb"), { recursive: true });
    execFileSync("mkfifo", ["--mode=0600", join(directory, "config/common/initctl")]);
  }

  it("of a realistic tree gives one that validates and plans, with a note for all that was not carried", () => {
    makeConfiguration();
    const before = fingerprint(join(directory, "config"));
    const ran = run("import", "config");
    expect(ran.exitCode, ran.stderr).toBe(0);
    expect(fingerprint(join(directory, "config"))).toBe(before);
    for (const note of [
      "build-env/TODO: not carried",
      "ThinkPad T430: called ThinkPad-T430",
      "owners are not carried",
    ]) {
      expect(ran.stdout).toContain(note);
    }
    commitAll();
    const valid = run("validate");
    expect(valid.exitCode, valid.stdout + valid.stderr).toBe(0);
    const plan = run("plan", "--json");
    expect([1, 2]).toContain(plan.exitCode);
    const ids = (JSON.parse(plan.stdout).steps as { id: string }[]).map(({ id }) => id);
    expect(ids).toEqual(expect.arrayContaining(["volume/gentoo", "tree/gentoo", "artifact/ThinkPad-T430"]));

    const file = (path: string) => readFileSync(join(directory, "desired", path), "utf8");
    expect(file("overlays/common/root/.bashrc")).toBe("alias ll='ls -l'\n");
    expect(file("overlays/common/overlay.yaml")).toMatch(/path: mnt\/usb[\s\S]*path: initctl/);
    expect(file("overlays/secret-sauce/home/overlay.yaml")).toMatch(
      /path: etc\/ssh\/ssh_host_key\n +mode: "0600"[\s\S]*path: root\/\.ssh\n +mode: "0700"/,
    );
    expect(execFileSync("git", ["-C", directory, "ls-files", "--stage", "desired/overlays/common"]).toString()).toMatch(
      /^120000 .*etc\/localtime\n100755 .*init\n/m,
    );
  });

  it("never writes over anything, and says which file is in the way", () => {
    makeConfiguration();
    write(directory, { "desired/roots/gentoo.yaml": "mine\n" });
    const ran = run("import", "config");
    expect([ran.exitCode, ran.stderr]).toEqual([1, expect.stringContaining("roots/gentoo.yaml would be overwritten")]);
    expect(readdirSync(join(directory, "desired"), { recursive: true }).sort()).toEqual(["roots", "roots/gentoo.yaml"]);
    expect(run("import", "nowhere").exitCode).toBe(1);
  });
});

describe("init", () => {
  it("gives a tree that validates and plans, and proposes limits that can be read", () => {
    const ran = run("init");
    expect(ran.exitCode, ran.stderr).toBe(0);
    commitAll();
    expect(run("validate").exitCode).toBe(0);
    expect(run("plan").exitCode).toBe(2);
    const limits = parseLimits(run("init", "--limits").stdout, "limits.yaml");
    expect(limits).toMatchObject({ paths: [join(directory, "state")], hostCommands: false });
  });

  it("never writes over anything, however often it is run", () => {
    expect(run("init", "host/desired").exitCode).toBe(0);
    const before = fingerprint(join(directory, "host"));
    const again = run("init", "host/desired");
    expect([again.exitCode, again.stderr]).toEqual([1, expect.stringContaining("would be overwritten")]);
    expect(fingerprint(join(directory, "host"))).toBe(before);
    expect(existsSync(join(directory, "state"))).toBe(false);
  });
});

describe("schema", () => {
  it("of each kind accepts every document of the examples, and refuses a misspelt field", () => {
    expect(run("schema", "--out", "schemas").exitCode).toBe(0);
    const ajv = new Ajv({ allErrors: true, strict: true, allowUnionTypes: true });
    const seen = new Set<string>();
    for (const document of exampleDocuments()) {
      const { kind, spec = {} } = document;
      seen.add(kind);
      const schema = JSON.parse(readFileSync(join(directory, `schemas/${kind}.json`), "utf8"));
      const validate = ajv.compile(schema);
      expect(validate(document), `${kind}: ${ajv.errorsText(validate.errors)}`).toBe(true);
      expect(validate({ ...document, spec: { ...spec, sorce: 1 } })).toBe(false);
    }
    expect([...seen].sort()).toEqual(DOCUMENT_KINDS.filter((kind) => seen.has(kind)).sort());
    expect(seen.size).toBeGreaterThanOrEqual(6);
    expect(readdirSync(join(directory, "schemas")).sort()).toEqual(DOCUMENT_KINDS.map((kind) => `${kind}.json`).sort());
  });

  it("of one kind is printed as it is written, whatever the case of its name; an unknown kind is answered with the nearest", () => {
    run("schema", "--out", "schemas", "Root");
    expect(run("schema", "root").stdout).toBe(readFileSync(join(directory, "schemas/Root.json"), "utf8"));
    const unknown = run("schema", "Rot");
    expect([unknown.exitCode, unknown.stderr]).toEqual([1, expect.stringContaining("Root")]);
  });

  function exampleDocuments(): readonly { readonly kind: string; readonly spec?: object }[] {
    const folders = [join(project, "desired"), join(project, "test/examples")];
    const files = folders.flatMap((folder) =>
      readdirSync(folder, { recursive: true, encoding: "utf8" })
        .filter((name) => name.endsWith(".yaml"))
        .map((name) => join(folder, name)),
    );
    return files.flatMap((file) => parseAllDocuments(readFileSync(file, "utf8")).map((each) => each.toJS()));
  }
});

describe("the help of each command", () => {
  it.each(Object.keys(commands))("%s: shows examples that really parse", async (name) => {
    const shown: string[] = [];
    const streams = { out: (text: string) => void shown.push(text), error: (text: string) => void shown.push(text) };
    expect(await parseArguments([name, "--help"], streams, "0")).toEqual({ type: "shown", exitCode: 0 });
    const definition = await commands[name]?.();
    expect(definition?.examples.length).toBeGreaterThan(0);
    for (const [line] of definition?.examples ?? []) {
      expect(shown.join("")).toContain(line);
      for (const words of commandLines(line)) {
        const parsed = await parseArguments(words, streams, "0");
        expect(parsed, line).toMatchObject({ type: "run" });
      }
    }
  });

  /** The words of each call of the program in a line of shell; redirections are the shell's. */
  function commandLines(line: string): readonly (readonly string[])[] {
    return line.split(/ && | \| /).flatMap((part) => {
      const words = [...part.replace(/ > \S+$/, "").matchAll(/'([^']*)'|(\S+)/g)].map(
        ([, quoted, bare]) => quoted ?? bare,
      );
      const [program, ...rest] = words.filter((word) => word !== undefined);
      return program === "rootloom" ? [rest] : [];
    });
  }
});
