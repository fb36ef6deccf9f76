import { parseMounts } from "../../host/mountinfo.ts";
import { recordOf } from "../owned.ts";
import type { Executor } from "../types.ts";
import { facts, failed, unmount, wrong } from "./made.ts";
import { findRecorded, requireMountable } from "./observe.ts";
import { mountInputs } from "./plan.ts";
import { privateScript } from "./private.ts";
import { resolveTarget } from "./target.ts";

/** Makes a private mount once, below those above it, in a namespace that ends with it, and reads the kernel's list there. */
export const proveMount: Executor<"mount.prove"> = async (step, context) => {
  const { resource } = step.arguments;
  const above = resource.above ?? [];
  const { files, processes } = context.host;
  // It may have been a host mount until this commit.
  const old = findRecorded(files, context.owned(resource.id));
  if (old !== undefined) await unmount(resource, old, context);
  requireMountable(resource, context);
  const target = resolveTarget(files, resource).path;
  const { stdout } = await context.effect("mount.prove", { target }, () =>
    processes.run({
      file: "sh",
      arguments: ["-c", `${privateScript(context, [...above, resource])}\nexec cat /proc/self/mountinfo`],
      privateNamespace: true,
      signal: context.signal,
    }),
  );
  const mounts = parseMounts(stdout);
  // An rbind above may have brought one to the same place; ours covers it.
  const there = mounts.filter((it) => it.target === target).slice(above.some((it) => it.type === "rbind") ? -1 : 0);
  const [entry] = there;
  const why = entry === undefined ? "it is not in the kernel's list" : wrong(resource, there, mounts, context, true);
  if (why !== undefined) throw failed(resource, target, why);
  return {
    record: recordOf(resource, facts(context), {
      inputs: mountInputs(resource),
      details: { target, within: resource.within, namespace: "private" },
    }),
    result: `proved in a namespace of its own: ${target}`,
  };
};
