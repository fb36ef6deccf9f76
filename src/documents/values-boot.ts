import { absolutePathFault } from "./paths.ts";
import type { ImageSpec } from "./types.ts";
import { parseInterval } from "./units.ts";
import { checkSize, type Report } from "./value-checks.ts";

/** The kernel of an image, and the check that boots it. */
export function checkBoot({ check, format = "initramfs", kernelImage }: ImageSpec, report: Report): void {
  if (kernelImage !== undefined) checkKernelImage(kernelImage, report);
  const boot = check?.boot;
  if (boot === undefined) return;
  const at = ["check", "boot"];
  if (format !== "initramfs") {
    const hint = "take the check away, or take format initramfs";
    report(at, `cannot boot an image of format ${format}: the kernel starts from an initramfs`, hint);
  }
  if (kernelImage === undefined) {
    const hint =
      "name one: `kernelImage: { path: /srv/vmlinuz }`, or `kernelImage: { root: NAME }` for the one in its /boot";
    report(at, "cannot boot the image: it has no kernel", hint);
  }
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
  for (const field of ["expect", "cmdline"] as const) {
    if (!/[\u0000-\u001f\u007f]/.test(boot[field] ?? "")) continue;
    report([...at, field], `cannot use \`${field}\`: it holds a control character`, "write one line of plain text");
  }
}

/** How long generations are kept, and which always. */
export function checkRetention({ retention }: ImageSpec, report: Report): void {
  const { age, keep = [] } = retention ?? {};
  if (age !== undefined && parseInterval(age) === undefined) {
    report(["retention", "age"], `cannot read the time \`${age}\``, 'write a time such as "30d" or "720h"');
  }
  for (const [index, name] of keep.entries()) {
    if (/^[0-9a-f]{16}$/.test(name)) continue;
    const hint = "write its 16 digits, as `rootloom explain image/NAME` shows them, in quotes";
    report(["retention", "keep", index], `cannot keep \`${name.slice(0, 100)}\`: it is no name of a generation`, hint);
  }
}

function checkKernelImage({ path, root }: NonNullable<ImageSpec["kernelImage"]>, report: Report): void {
  if (path === undefined) {
    if (root !== undefined) return;
    report(["kernelImage"], "cannot find the kernel: neither `path` nor `root` is given", "write one of them, or both");
    return;
  }
  const fault = absolutePathFault(path);
  if (fault === undefined) return;
  report(["kernelImage", "path"], `cannot use the kernel \`${path}\`: ${fault}`, "write an absolute path");
}
