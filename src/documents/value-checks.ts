/** Checks that several kinds share. */
import { absolutePathFault } from "./paths.ts";
import type { LinkSpec } from "./types.ts";
import { parseDate, parseMode, parseOwner, parseSize } from "./units.ts";

export type Path = readonly (string | number)[];
/** Reports a problem at a path below the document's spec. */
export type Report = (path: Path, message: string, hint: string) => void;

/** Owner and mode, wherever they stand. */
export function checkAttributes(
  at: { readonly owner?: string; readonly mode?: string },
  path: Path,
  report: Report,
): void {
  if (at.owner !== undefined && parseOwner(at.owner) === undefined) {
    report(
      [...path, "owner"],
      `cannot read the owner \`${at.owner}\``,
      'write "user:group", such as "root:root" or "0:0"',
    );
  }
  if (at.mode !== undefined && parseMode(at.mode) === undefined) {
    report([...path, "mode"], `cannot read the mode \`${at.mode}\``, 'write octal digits in quotes, such as "0755"');
  }
}

export function checkSize(size: string | number | undefined, path: Path, report: Report): void {
  if (size === undefined || parseSize(size) !== undefined) return;
  report(path, `cannot read the size \`${size}\``, 'write a size such as "10GiB" or "512M"');
}

export function checkDate(date: string | number | undefined, path: Path, report: Report): void {
  if (date === undefined || parseDate(date) !== undefined) return;
  const hint = "write seconds since 1970, or a date such as 2024-06-01";
  report(path, `cannot read the date \`${date}\``, hint);
}

export function checkLinks(links: readonly LinkSpec[] | undefined, report: Report): void {
  for (const [index, link] of (links ?? []).entries()) {
    const fault = absolutePathFault(link.path);
    if (fault !== undefined) {
      report(["links", index, "path"], `cannot use the link \`${link.path}\`: ${fault}`, "write an absolute path");
    }
    if (/[\u0000-\u001f\u007f]/.test(link.to)) {
      report(["links", index, "to"], "cannot use the link's text: it holds a control character", "write a path");
    }
  }
}
