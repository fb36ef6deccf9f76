/**
 * The small texts inside documents: sizes, modes, owners, dates, intervals. Each reader returns
 * undefined for a text that it cannot read, where the caller names the place, and for none.
 */
import type { Ownership } from "../core/resource.ts";

const SIZE_FACTORS: ReadonlyMap<string, number> = new Map([
  ["", 1],
  ["B", 1],
  ["K", 1024],
  ["KIB", 1024],
  ["M", 1024 ** 2],
  ["MIB", 1024 ** 2],
  ["G", 1024 ** 3],
  ["GIB", 1024 ** 3],
  ["T", 1024 ** 4],
  ["TIB", 1024 ** 4],
  ["KB", 1000],
  ["MB", 1000 ** 2],
  ["GB", 1000 ** 3],
  ["TB", 1000 ** 4],
]);

/** "10GiB", "512M" (powers of 1024), "10GB" (powers of 1000) or a number of bytes -> whole bytes above 0. */
export function parseSize(size: string | number | undefined): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$/.exec(String(size).trim());
  if (match === null) return undefined;
  const factor = SIZE_FACTORS.get((match[2] ?? "").toUpperCase());
  if (factor === undefined) return undefined;
  const size_bytes = Math.round(Number(match[1]) * factor);
  return size_bytes > 0 && Number.isSafeInteger(size_bytes) ? size_bytes : undefined;
}

/** "0755" -> 0o755; up to "7777". */
export function parseMode(mode: string | undefined): number | undefined {
  return mode !== undefined && /^0?[0-7]{3,4}$/.test(mode) ? Number.parseInt(mode, 8) : undefined;
}

/** "root:adm", "0:0" -> owner and group, digits as numbers. */
export function parseOwner(owner: string | undefined): Ownership | undefined {
  const match = /^([A-Za-z0-9_][A-Za-z0-9_.-]*\$?):([A-Za-z0-9_][A-Za-z0-9_.-]*\$?)$/.exec(owner ?? "");
  if (match === null) return undefined;
  const [user, group] = [readId(match[1] ?? ""), readId(match[2] ?? "")];
  return user === undefined || group === undefined ? undefined : { owner: user, group };
}

/** Seconds since the epoch, or an ISO 8601 date ("2024-06-01", "2024-06-01T12:00:00Z") -> whole seconds, at most 32 bits. */
export function parseDate(date: string | number | undefined): number | undefined {
  const seconds = typeof date === "number" ? date : readIsoDate(date ?? "");
  return seconds !== undefined && Number.isInteger(seconds) && seconds >= 0 && seconds <= 0xffff_ffff
    ? seconds
    : undefined;
}

/** "30s", "5m", "1h", "30d" -> whole seconds above 0. */
export function parseInterval(interval: string | undefined): number | undefined {
  const match = /^(\d{1,7})(s|m|h|d)$/.exec(interval ?? "");
  if (match === null) return undefined;
  const factors: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };
  const seconds = Number(match[1]) * (factors[match[2] ?? ""] ?? 0);
  return seconds > 0 ? seconds : undefined;
}

/** Ids are 32 bits; the highest one means "unchanged" to chown. */
function readId(text: string): string | number | undefined {
  if (!/^\d+$/.test(text)) return text;
  const id = Number(text);
  return id < 0xffff_ffff ? id : undefined;
}

function readIsoDate(date: string): number | undefined {
  if (/^\d{1,10}$/.test(date)) return Number(date);
  const match = /^(\d{4}-\d{2}-\d{2})(T\d{2}:\d{2}:\d{2}(Z|[+-]\d{2}:\d{2}))?$/.exec(date);
  if (match === null) return undefined;
  const milliseconds = Date.parse(match[2] === undefined ? `${date}T00:00:00Z` : date);
  if (Number.isNaN(milliseconds)) return undefined;
  // Date.parse takes 30 February for 1 March: the day must come back as it was written.
  const day = new Date(Date.parse(`${match[1]}T00:00:00Z`)).toISOString().slice(0, 10);
  return day === match[1] ? Math.floor(milliseconds / 1000) : undefined;
}
