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
    'config BLK_DEV_INITRD\n\tbool "initramfs"\n\nconfig RD_GZIP\n\tbool "gzip"\n\tdepends on BLK_DEV_INITRD\n',
  "scripts/kconfig/Makefile": "",
  "main.c": `const char *version = "${version}";\n`,
  Makefile: `
SHELL = /bin/sh
olddefconfig:
	@grep -q '^CONFIG_PARENT=y' $(O)/.config || sed -i '/^CONFIG_CHILD=/d' $(O)/.config
savedefconfig:
	@grep '=' $(O)/.config | sort > $(O)/defconfig
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

/** Runs the program on a host whose limits allow commands: its /etc is an overlay, in a namespace of its own. */
export function runAllowed(site: Site, ...words: readonly string[]): Ran {
  const script = `set -e
mkdir -p "$SITE/etc/upper/rootloom" "$SITE/etc/work"
echo 'hostCommands: true' > "$SITE/etc/upper/rootloom/limits.yaml"
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$SITE/etc/upper,workdir=$SITE/etc/work" /etc
exec "$PROGRAM" --desired "$SITE/desired" --mount-namespace /proc/self/ns/mnt "$@"`;
  const ran = spawnSync("unshare", ["--mount", "--propagation", "private", "--", "sh", "-c", script, "sh", ...words], {
    env: {
      ...process.env,
      SITE: site.directory,
      PROGRAM: join(project, "src/rootloom"),
      ROOTLOOM_STATE: site.state,
      ROOTLOOM_CACHE: site.cache,
      NO_COLOR: "1",
    },
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  return { exitCode: ran.status ?? -1, stdout: ran.stdout, stderr: ran.stderr };
}
