import type { Condition } from "./types.ts";

export interface ConditionChanges {
  readonly write: readonly Condition[];
  readonly remove: readonly { readonly object: string; readonly type: string }[];
}

/**
 * What must be written so that the store says `wanted`. The conditions of a named object are replaced as a
 * set; those of objects neither named nor gone stay. A condition that differs in its time only is not
 * written, and its transition time moves only when its status does.
 */
export function conditionChanges(
  stored: readonly Condition[],
  wanted: readonly Condition[],
  gone: readonly string[],
): ConditionChanges {
  const before = new Map(stored.map((condition) => [key(condition), condition]));
  const write: Condition[] = [];
  for (const condition of wanted) {
    const old = before.get(key(condition));
    if (old !== undefined && same(old, condition)) continue;
    const moved = old === undefined || old.status !== condition.status;
    write.push(moved ? condition : { ...condition, lastTransitionTime: old.lastTransitionTime });
  }
  const keys = new Set(wanted.map(key));
  const replaced = new Set([...wanted.map((condition) => condition.object), ...gone]);
  const remove = stored
    .filter((condition) => replaced.has(condition.object) && !keys.has(key(condition)))
    .map(({ object, type }) => ({ object, type }));
  return { write, remove };
}

function key(condition: Condition): string {
  return `${condition.object}\n${condition.type}`;
}

function same(a: Condition, b: Condition): boolean {
  return (
    a.status === b.status &&
    a.reason === b.reason &&
    a.message === b.message &&
    a.observedGeneration === b.observedGeneration
  );
}
