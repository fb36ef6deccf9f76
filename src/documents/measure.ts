/** How many values a document holds, aliases written out; counting ends above `limit`. */
export function countValues(value: unknown, limit: number): number {
  let count = 1;
  if (typeof value !== "object" || value === null) return count;
  for (const member of Object.values(value)) {
    count += countValues(member, limit - count);
    if (count > limit) break;
  }
  return count;
}
