import type { HostPolicy } from "../core/resource.ts";
import type { ExpandedDocument } from "../documents/expand.ts";
import { parseInterval, parseSize } from "../documents/units.ts";

/** The Host document's policy; without one, the defaults. `defaults` is what the machine has to give. */
export function compilePolicy(
  documents: readonly ExpandedDocument[],
  defaults: { readonly jobs: number; readonly memory_bytes: number },
): HostPolicy {
  const host = documents.find((document) => document.kind === "Host");
  const spec = host?.kind === "Host" ? host.spec : {};
  return {
    jobs: spec.budget?.jobs ?? defaults.jobs,
    memory_bytes: parseSize(spec.budget?.memory) ?? defaults.memory_bytes,
    maxDeletions: spec.prune?.maxDeletions ?? 3,
    driftPolicy: spec.drift?.policy ?? "correct",
    generations: spec.retention?.generations ?? 3,
    runs: spec.retention?.runs ?? 50,
    offline: spec.offline ?? false,
    interval_s: parseInterval(spec.interval) ?? 60,
  };
}
