import { RootloomError } from "../core/error.ts";
import type { KernelArchitecture } from "../core/resource.ts";
import type { Files } from "../host/ports.ts";
import { machineOf } from "./pe.ts";

const STUB_BYTES_MAX = 16 << 20;
/** Where systemd's package has its stubs, and where distributions that have stubs of other architectures put them. */
const FOLDERS = ["/usr/lib/systemd/boot/efi", "/usr/aarch64-linux-gnu/lib/systemd/boot/efi"];

/** How stubs are called by architecture, and what their header says of the machine (PE format, Machine Types). */
const STUBS: Readonly<Partial<Record<KernelArchitecture, { readonly file: string; readonly machine: number }>>> = {
  x86_64: { file: "linuxx64.efi.stub", machine: 0x8664 },
  arm64: { file: "linuxaa64.efi.stub", machine: 0xaa64 },
};

export interface Stub {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/**
 * systemd's EFI stub for an architecture: the one that is declared, or where distributions have it.
 * @throws RootloomError where there is none, or it is of another architecture.
 */
export function findStub(
  files: Pick<Files, "stat" | "realPath" | "readBytes">,
  declared: string,
  architecture: KernelArchitecture,
  image: string,
): Stub {
  const facts = STUBS[architecture];
  if (facts === undefined)
    throw new RootloomError(`cannot make ${image} a uki: systemd has no EFI stub for ${architecture}`, {
      hint: "name a kernel for x86_64 or arm64, or take `boot.form: entry`",
    });
  const places = declared === "" ? FOLDERS.map((folder) => `${folder}/${facts.file}`) : [declared];
  for (const path of places) {
    const stat = files.stat(files.realPath(path) ?? path);
    if (stat?.type !== "file" || stat.size > STUB_BYTES_MAX) continue;
    const bytes = files.readBytes(path) ?? new Uint8Array();
    if (machineOf(bytes) === facts.machine) return { path, bytes };
    throw new RootloomError(`cannot make ${image} a uki: the EFI stub ${path} is not for ${architecture}`, {
      hint: `name systemd's ${facts.file}: \`boot.stub\``,
    });
  }
  const debian = architecture === "x86_64" ? "systemd-boot-efi" : "systemd-boot-efi:arm64";
  throw new RootloomError(`cannot make ${image} a uki: there is no EFI stub at ${places.join(" or ")}`, {
    hint: `apt-get install ${debian}, or name ${facts.file} of that package: \`boot.stub\``,
  });
}
