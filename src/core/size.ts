/** `48.2 MiB`, `912 B`. */
export function sizeText(size_bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = size_bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return unit === 0 ? `${value} B` : `${value.toFixed(1)} ${units[unit]}`;
}
