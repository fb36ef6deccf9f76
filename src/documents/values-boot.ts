import { absolutePathFault } from "./paths.ts";
import type { ImageSpec } from "./types.ts";
import type { BootCheckSpec } from "./types-image.ts";
import { parseInterval } from "./units.ts";
import { checkSize, type Path, type Report } from "./value-checks.ts";

/** The kernel of an image, and the check that boots it. */
export function checkBoot(spec: ImageSpec, report: Report): void {
  const { boot: form, check, kernelImage } = spec;
  if (kernelImage !== undefined) checkKernelImage(kernelImage, report);
  if (form !== undefined) checkForm(form, spec, report);
  if (check?.boot !== undefined) checkBootCheck(check.boot, spec, report);
}

function checkBootable({ format = "initramfs", kernelImage, kernel }: ImageSpec, at: Path, report: Report): void {
  if (format !== "initramfs") {
    const hint = `take \`${at.join(".")}\` away, or take format initramfs`;
    report(at, `cannot boot an image of format ${format}: the kernel starts from an initramfs`, hint);
  }
  if (kernelImage === undefined && kernel === undefined) {
    const hint =
      "name one: `kernelImage: { path: /srv/vmlinuz }`, `{ root: NAME }` for the one in its /boot, or `{ kernel: NAME }` for one that is built";
    report(at, "cannot boot the image: it has no kernel", hint);
  }
}

function checkForm(
  { form, cmdline, stub, sign }: NonNullable<ImageSpec["boot"]>,
  spec: ImageSpec,
  report: Report,
): void {
  checkBootable(spec, ["boot"], report);
  checkLine(cmdline, ["boot", "cmdline"], report);
  if (stub !== undefined && form !== "uki") {
    report(["boot", "stub"], `cannot use a stub: the form is ${form}`, "leave it out, or take `form: uki`");
  } else checkHostFile(stub, ["boot", "stub"], report);
  for (const [name, file] of Object.entries(sign ?? {})) checkHostFile(file, ["boot", "sign", name], report);
}

function checkBootCheck(boot: BootCheckSpec, spec: ImageSpec, report: Report): void {
  const at = ["check", "boot"];
  checkBootable(spec, at, report);
  checkGuest(boot, report);
  const isUki = spec.boot?.form === "uki";
  if (isUki && boot.cmdline !== undefined) {
    const hint = "write it in `boot.cmdline`, with console=ttyS0, so that the check hears the guest";
    report([...at, "cmdline"], "cannot add to the command line of a uki: it is part of the file", hint);
  }
  if (!isUki && boot.firmware !== undefined) {
    report([...at, "firmware"], "cannot use firmware: QEMU starts the kernel itself", "leave it out");
  }
  checkHostFile(boot.firmware, [...at, "firmware"], report);
}

/** What is declared of the virtual machine, and waited for in it. */
export function checkGuest(boot: Omit<BootCheckSpec, "firmware">, report: Report): void {
  const at = ["check", "boot"];
  if (boot.timeout !== undefined && parseInterval(boot.timeout) === undefined) {
    report([...at, "timeout"], `cannot read the time \`${boot.timeout}\``, 'write a time such as "90s" or "2m"');
  }
  checkSize(boot.memory, [...at, "memory"], report);
  if (boot.machine !== undefined && !/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(boot.machine)) {
    report(
      [...at, "machine"],
      `cannot use the machine \`${boot.machine}\``,
      "write a name such as q35, without options",
    );
  }
  checkLine(boot.expect, [...at, "expect"], report);
  checkLine(boot.cmdline, [...at, "cmdline"], report);
}

function checkLine(line: string | undefined, path: Path, report: Report): void {
  if (!/[\u0000-\u001f\u007f]/.test(line ?? "")) return;
  report(path, `cannot use \`${path.at(-1)}\`: it holds a control character`, "write one line of plain text");
}

function checkHostFile(file: string | undefined, path: Path, report: Report): void {
  const fault = file === undefined ? undefined : absolutePathFault(file);
  if (fault !== undefined) report(path, `cannot use \`${file}\`: ${fault}`, "write an absolute path of the host");
}

/** How long generations are kept, and which always. */
export function checkRetention({ retention }: Pick<ImageSpec, "retention">, report: Report): void {
  const { age, keep = [] } = retention ?? {};
  if (age !== undefined && parseInterval(age) === undefined) {
    report(["retention", "age"], `cannot read the time \`${age}\``, 'write a time such as "30d" or "720h"');
  }
  for (const [index, name] of keep.entries()) {
    if (/^[0-9a-f]{16}$/.test(name)) continue;
    const hint = "write its 16 digits, as `rootloom explain NAME` shows them, in quotes";
    report(["retention", "keep", index], `cannot keep \`${name.slice(0, 100)}\`: it is no name of a generation`, hint);
  }
}

function checkKernelImage({ path, root, kernel }: NonNullable<ImageSpec["kernelImage"]>, report: Report): void {
  if (kernel !== undefined && (path ?? root) !== undefined) {
    const hint = "write `kernel` alone, or take it away";
    report(["kernelImage", "kernel"], "cannot take two kernels: one that is built, and one that is there", hint);
  }
  if (path === undefined) {
    if ((root ?? kernel) !== undefined) return;
    const hint = "write `path`, `root` or both, or `kernel`";
    report(["kernelImage"], "cannot find the kernel: none of `path`, `root` and `kernel` is given", hint);
    return;
  }
  const fault = absolutePathFault(path);
  if (fault === undefined) return;
  report(["kernelImage", "path"], `cannot use the kernel \`${path}\`: ${fault}`, "write an absolute path");
}
