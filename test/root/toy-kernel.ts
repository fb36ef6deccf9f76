import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { project, type Ran, type Site } from "../kit.ts";

/**
 * A kernel's source in miniature: its make takes the same words and leaves the same files, and its Kconfig gives up a
 * symbol whose condition does not hold. What it makes says from what it was made. `version` is its whole program.
 */
export const toyFiles = (version = "one"): Readonly<Record<string, string>> => ({
  Kconfig: [
    'config PARENT\n\tbool "parent"\n',
    'config CHILD\n\tbool "child"\n\tdepends on PARENT\n',
    'source "arch/$(SRCARCH)/Kconfig"\n',
  ].join("\n"),
  "arch/x86/Kconfig":
    'config BLK_DEV_INITRD\n\tbool "initramfs"\n\nconfig RD_GZIP\n\tbool "gzip"\n\tdepends on BLK_DEV_INITRD\n\nconfig DEVTMPFS\n\tbool "devtmpfs"\n',
  "scripts/kconfig/Makefile": "",
  // Modules, as depmod knows them: one exports what another needs.
  "helper.c": 'const char name[] __attribute__((section("__ksymtab_strings"))) = "help";\nint help;\n',
  "top.c": "extern int help;\nint *needed = &help;\n",
  "other.c": "int other;\n",
  "main.c": `const char *version = "${version}";\n`,
  Makefile: `
SHELL = /bin/sh
olddefconfig:
	@grep -q '^CONFIG_PARENT=y' $(O)/.config || sed -i '/^CONFIG_CHILD=/d' $(O)/.config
savedefconfig:
	@grep '=' $(O)/.config | sort > $(O)/defconfig
modules:
	@mkdir -p $(O)/lib
	@for each in helper top other; do $(CC) -c -o $(O)/lib/$$each.ko $$each.c; done
modules_install:
	@test "$(DEPMOD)" = true
	@mkdir -p $(INSTALL_MOD_PATH)/lib/modules/0.1.0/kernel/lib
	@cp $(O)/lib/*.ko $(INSTALL_MOD_PATH)/lib/modules/0.1.0/kernel/lib
	@if test -n "$(INSTALL_MOD_STRIP)"; then strip --strip-debug $(INSTALL_MOD_PATH)/lib/modules/0.1.0/kernel/lib/*; fi
	@ln -s /mnt/build $(INSTALL_MOD_PATH)/lib/modules/0.1.0/build
	@printf 'kernel/lib/helper.ko\\nkernel/lib/top.ko\\nkernel/lib/other.ko\\n' > $(INSTALL_MOD_PATH)/lib/modules/0.1.0/modules.order
	@echo kernel/fs/within.ko > $(INSTALL_MOD_PATH)/lib/modules/0.1.0/modules.builtin
bzImage: $(O)/arch/x86/boot/bzImage
$(O)/main.o: main.c $(O)/.config
	@echo compiled
	@$(CC) -c -o $@ main.c
$(O)/arch/x86/boot/bzImage: $(O)/main.o
	@mkdir -p $(O)/arch/x86/boot $(O)/include/config
	@id -u > $(O)/who
	@tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' ' > $(O)/networks
	@if touch /mnt/source/Makefile 2>/dev/null; then echo 'error: the source can be written'; exit 1; fi
	@echo "$(ARCH) $(CROSS_COMPILE) $$KBUILD_BUILD_USER $$KBUILD_BUILD_TIMESTAMP" > $@
	@cat main.c $(O)/.config >> $@
	@image=$$(sed -n 's/^CONFIG_INITRAMFS_SOURCE="\\(.*\\)"$$/\\1/p' $(O)/.config); test -z "$$image" || cat $$image >> $@
	@echo symbols > $(O)/System.map
	@echo 0.1.0 > $(O)/include/config/kernel.release
`,
});

export function writeToy(directory: string, files: Readonly<Record<string, string>>): string {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true, mode: 0o755 });
    writeFileSync(join(directory, name), text);
  }
  return directory;
}

const ALLOWED = `set -e
mkdir -p "$SITE/etc/upper/rootloom" "$SITE/etc/work"
echo 'hostCommands: true' > "$SITE/etc/upper/rootloom/limits.yaml"
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$SITE/etc/upper,workdir=$SITE/etc/work" /etc
exec "$@"`;

/** Runs the program on a host whose limits allow commands: its /etc is an overlay, in a namespace of its own. */
export function runAllowed(site: Site, ...words: readonly string[]): Ran {
  const { status, stdout, stderr } = start(site, [join(project, "src/rootloom")], words, {});
  return { exitCode: status ?? -1, stdout, stderr };
}

/** The same as a process that dies at each matching point of its journal once, until one lives to its end. */
export function dieUntilBuilt(site: Site, deaths: string, only: string, ...words: readonly string[]): void {
  const victim = [process.execPath, "--no-warnings", join(project, "test/kills/victim.ts")];
  for (let life = 0; life < 40; life++) {
    const ran = start(site, victim, words, { KILLS_FILE: deaths, KILLS_ONLY: only });
    if (ran.signal === "SIGKILL") continue;
    if (ran.status === 0) return;
    throw new Error(`${words.join(" ")}: ${ran.status}: ${ran.stdout}${ran.stderr}`);
  }
  throw new Error(`${words.join(" ")} never ends`);
}

function start(
  site: Site,
  program: readonly string[],
  words: readonly string[],
  more: Readonly<Record<string, string>>,
) {
  const flags = ["--desired", join(site.directory, "desired"), "--mount-namespace", "/proc/self/ns/mnt"];
  const inside = ["sh", "-c", ALLOWED, "sh", ...program, ...flags, ...words];
  const places = { SITE: site.directory, ROOTLOOM_STATE: site.state, ROOTLOOM_CACHE: site.cache, NO_COLOR: "1" };
  return spawnSync("unshare", ["--mount", "--propagation", "private", "--", ...inside], {
    env: { ...process.env, ...places, ...more },
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
}
