import { EntryList } from "../../src/pack/entry-list.ts";
import { EntryListBuilder } from "../../src/pack/entry-list-builder.ts";
import type { EntryTable } from "../../src/pack/entry-table.ts";
import type { PackEntry } from "../../src/pack/types.ts";

/**
 * What a later scan makes of a table: an entry that stays as it is is taken from the same place of the table, any other from one of
 * its own. `becomes` returns the entry itself, another one, or nothing where it goes.
 */
export function editedList(
  table: EntryTable,
  becomes: (entry: PackEntry, index: number) => PackEntry | undefined,
): EntryList {
  const [whole, builder] = [EntryList.of(table), new EntryListBuilder()];
  for (const [index, entry] of [...table].entries()) {
    const found = becomes(entry, index);
    if (found === entry) builder.add(whole, index, index + 1);
    else if (found) builder.add(EntryList.of([found]), 0, 1);
  }
  return builder.finish();
}
