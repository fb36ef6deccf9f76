import { RootloomError } from "../core/error.ts";
import type { Files } from "../host/ports.ts";

/** Where distributions have OVMF for x86_64, without Secure Boot: Debian, Arch, Gentoo, Alpine. */
const PLACES = [
  "/usr/share/OVMF/OVMF_CODE_4M.fd",
  "/usr/share/OVMF/OVMF_CODE.fd",
  "/usr/share/edk2/x64/OVMF_CODE.4m.fd",
  "/usr/share/edk2-ovmf/OVMF_CODE.fd",
  "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd",
];

/**
 * The code of the firmware and its variables, which stand beside under the same name.
 * @throws RootloomError where either is not there.
 */
export function findFirmware(
  files: Pick<Files, "stat" | "realPath">,
  declared: string | undefined,
): { readonly code: string; readonly variables: string } {
  for (const code of declared === undefined ? PLACES : [declared]) {
    const variables = code.replace(/_CODE(?=[^/]*$)/, "_VARS");
    const areThere = variables !== code && [code, variables].every((path) => files.realPath(path) !== undefined);
    if (areThere) return { code, variables };
  }
  const where =
    declared === undefined ? "no OVMF is installed" : `${declared}, with its variables beside, is not there`;
  throw new RootloomError(`cannot boot an EFI program: ${where}`, {
    hint: "apt-get install ovmf, or name its code: `check.boot.firmware`",
  });
}
