import { readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { readSections } from "../../../src/boot/pe.ts";
import { fixtures, makeSite, type Site, sha256Of } from "../../kit.ts";
import { whyNotMount } from "../private-namespace.ts";
import { document, type PlanJson, small } from "../small-site.ts";
import { runAllowed, toyFiles, writeToy } from "../toy-kernel.ts";

let site: Site;
beforeEach(() => expect(whyNotMount()).toBeUndefined());
afterEach(() => site.remove());

/** What the header of a kernel says, before what the toy's make writes. */
const HEADER = `{ printf 'MZ'; head -c 508 /dev/zero; printf '\\125\\252'; head -c 2 /dev/zero; printf 'HdrS\\017\\002'; head -c 6 /dev/zero
printf '\\000\\016'; head -c 38 /dev/zero; printf '\\001\\000'; head -c 3528 /dev/zero; printf '0.1.0 (x@y)\\000'; }
`;
const SYMBOLS = ["BLK_DEV_INITRD", "RD_GZIP", "BINFMT_ELF", "DEVTMPFS", "EFI", "EFI_STUB"];

function bootableToy(version: string): Readonly<Record<string, string>> {
  const toy = toyFiles(version);
  const line = '@echo "$(ARCH) $(CROSS_COMPILE)';
  const makefile = toy.Makefile ?? "";
  expect(makefile).toContain(line);
  const written = makefile.replace(/ > \$@$/m, " >> $@");
  return {
    ...toy,
    Kconfig: SYMBOLS.map((symbol) => `config ${symbol}\n\tbool "x"\n`).join(""),
    header: HEADER,
    Makefile: written.replace(line, `@sh header > $@\n\t${line}`),
  };
}

const image = (form: string): string =>
  document("Image", "a", {
    ...{ root: "small", overlays: ["hardware/one"], kernel: "toy" },
    boot: { form, ...(form === "uki" ? { stub: join(fixtures, "systemd-boot-efi/linuxx64.efi.stub") } : {}) },
  });

const apply = (): void => {
  const ran = runAllowed(site, "apply");
  expect(ran.exitCode, ran.stdout + ran.stderr).toBe(0);
};
const kernel = (): string => join(site.state, "kernels/toy/current/kernel");
const inBoot = (...names: readonly string[]): string => join(site.state, "artifacts/a/current/boot", ...names);

it("an image with a kernel that is built is packed behind its build, as an EFI program and as an entry, and again when it changes", () => {
  site = makeSite(small);
  const source = writeToy(join(site.directory, "linux"), bootableToy("one"));
  const config = SYMBOLS.map((symbol) => `CONFIG_${symbol}=y\n`).join("");
  site.commit({
    "desired/images/a.yaml": image("uki"),
    "desired/kernels/toy.yaml": document("KernelConfig", "toy", {
      ...{ config: "toy.kconfig", source: { directory: source } },
    }),
    "desired/kernels/toy.kconfig": config,
  });
  apply();
  const [name = ""] = readdirSync(inBoot("EFI/Linux"));
  const program = readFileSync(inBoot("EFI/Linux", name));
  const { offset = 0, size_bytes = 0 } = readSections(program).get(".linux") ?? {};
  expect(program.subarray(offset, offset + size_bytes).equals(readFileSync(kernel()))).toBe(true);
  site.commit({ "desired/images/a.yaml": image("entry") });
  writeFileSync(join(source, "main.c"), 'const char *version = "two";\n');
  const plan = JSON.parse(runAllowed(site, "plan", "--json").stdout) as PlanJson;
  const changes = plan.steps.filter(({ action }) => action !== "keep").map(({ id }) => id);
  expect(changes).toEqual(["kernel/toy", "artifact/a"]);
  apply();
  expect(readFileSync(kernel(), "latin1")).toContain('"two"');
  const generation = readlinkSync(join(site.state, "artifacts/a/current"));
  expect(sha256Of(inBoot(`a-x86_64-${generation}`, "vmlinuz"))).toBe(sha256Of(kernel()));
  site.commit({ "desired/kernels/toy.kconfig": config.replace("CONFIG_RD_GZIP=y", "# CONFIG_RD_GZIP is not set") });
  const refused = runAllowed(site, "apply");
  expect(refused.exitCode).toBe(1);
  expect(refused.stdout + refused.stderr).toContain("CONFIG_RD_GZIP: y is wanted");
  expect(readlinkSync(join(site.state, "artifacts/a/current"))).toBe(generation);
}, 120_000);
