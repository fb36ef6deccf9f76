import { relativePathFault } from "./paths.ts";
import type { ImageSpec } from "./types.ts";
import type { Report } from "./value-checks.ts";

/** The modules and firmware files of an image. */
export function checkPicked({ modules, firmware }: ImageSpec, report: Report): void {
  if (modules?.kernel !== undefined && modules.root !== undefined)
    report(["modules"], "cannot take modules twice: of a built kernel, and of a root", "write one of kernel and root");
  for (const [index, name] of (modules?.only ?? []).entries()) {
    if (/^[A-Za-z0-9_*-]+$/.test(name)) continue;
    const hint = "write its name alone, such as virtio_net: no path, and no .ko";
    report(["modules", "only", index], `cannot pick \`${name.slice(0, 100)}\`: it is no name of a module`, hint);
  }
  if (firmware?.root !== undefined && firmware.volume !== undefined)
    report(["firmware"], "cannot take firmware twice: of a root, and of a volume", "write one of root and volume");
  const places: readonly (readonly [readonly (string | number)[], string | undefined])[] = [
    [["firmware", "volume", "path"], firmware?.volume?.path],
    ...(firmware?.files ?? []).map((pattern, index) => [["firmware", "files", index], pattern] as const),
  ];
  for (const [path, text] of places) {
    const fault = text === undefined ? undefined : relativePathFault(text);
    if (fault === undefined) continue;
    report([...path], `cannot pick \`${text}\`: ${fault}`, "write a path below the folder, such as rtl_nic/*");
  }
}
