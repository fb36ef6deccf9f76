import type { OwnedRecord } from "../../core/resource.ts";
import type { Blocked, Cause, Draft } from "../../core/step.ts";
import { detail, forget } from "../owned.ts";
import type { ObservedTree } from "./observe.ts";

/** What becomes of a root whose declaration is gone. Pure. */
export function planRemoval(record: OwnedRecord, observed: ObservedTree): Draft {
  const blocked = (why: string, hint: string): { blocked: Blocked } => ({
    blocked: { condition: "Refused", message: `cannot remove ${record.id}: ${why}`, hint },
  });
  if (record.protect)
    return {
      ...forget(record, "its declaration was removed"),
      ...blocked("it is protected", "declare it again, lift `protect: true` in a commit of its own, then remove it"),
    };
  if (detail(record, "sourceType") === "existing")
    return forget(record, "its declaration was removed; an existing root is never deleted");
  if (record.onDelete === "retain") return forget(record, "its declaration was removed; its data is kept");
  if (observed.state === "absent" && observed.refusal === "")
    return observed.remnants
      ? remove(record, "corrective", "an interrupted run left parts of it")
      : forget(record, `${observed.path} is gone already`);
  return {
    ...remove(record, "intentional", "its declaration was removed"),
    destroys: `the root filesystem at ${observed.path}`,
    ...(observed.refusal !== "" ? blocked(observed.refusal, observed.hint) : {}),
    ...(observed.state === "foreign"
      ? blocked(`${observed.path} is ${observed.what}`, `rootloom forget ${record.id}`)
      : {}),
  };
}

function remove(record: OwnedRecord, cause: Cause, reason: string): Draft {
  return { operation: "tree.delete", arguments: { record }, action: "delete", cause, reason };
}
