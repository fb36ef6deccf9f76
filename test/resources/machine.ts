import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { OwnedRecord, Resource } from "../../src/core/resource.ts";
import type { Draft, Operation, StepOf } from "../../src/core/step.ts";
import type { Host } from "../../src/host/ports.ts";
import { createHost } from "../../src/host/real/host.ts";
import { NO_LIMITS } from "../../src/resources/limits.ts";
import type { ApplyContext, Executor, Limits, Network, ObserveContext, Outcome } from "../../src/resources/types.ts";

/**
 * A directory with a state and a cache, and the real host, whose mounts are those of this process's namespace.
 */
export class Machine {
  readonly top = mkdtempSync("/tmp/rootloom-kinds-");
  readonly state = join(this.top, "state");
  readonly cache = join(this.top, "cache");
  readonly instance = "0123456789abcdef0123456789abcdef";
  readonly records = new Map<string, OwnedRecord>();
  readonly effects: string[] = [];
  /** Throws in place of the effect of this name, or after it: a kill there. */
  killBefore = "";
  killAfter = "";
  /** The same for whatever points it says yes to: `before NAME`, `after NAME`. */
  killAt: (point: string) => boolean = () => false;
  run = 1;
  network: Network = { offline: false, caFile: undefined };
  readonly host: Host = createHost({ mountNamespace: "/proc/self/ns/mnt" });
  /** Of the limits file; volumes of a test may stand in `allowed`. */
  limits: Limits = { ...NO_LIMITS, paths: [join(this.top, "allowed")] };

  constructor() {
    mkdirSync(this.state);
    mkdirSync(this.cache);
  }

  close(): void {
    rmSync(this.top, { recursive: true });
  }

  observeContext(): ObserveContext {
    return {
      ...this.#places(),
      host: this.host,
      signal: undefined,
      owned: (id) => this.records.get(id),
    };
  }

  applyContext(): ApplyContext {
    return {
      ...this.#places(),
      host: this.host,
      network: this.network,
      signal: new AbortController().signal,
      runId: `20261121T080000Z-${String(this.run).padStart(8, "0")}`,
      revision: "c0ffee",
      owned: (id) => this.records.get(id),
      effect: async (name, _details, run) => {
        this.effects.push(name);
        if (name === this.killBefore || this.killAt(`before ${name}`)) throw new Error(`killed before ${name}`);
        const result = await run();
        if (name === this.killAfter || this.killAt(`after ${name}`)) throw new Error(`killed after ${name}`);
        return result;
      },
      progress: () => undefined,
      log: () => undefined,
    };
  }

  /** Applies a draft with its executor, keeps the record, and gives the outcome. */
  async apply<O extends Operation>(
    resource: Pick<Resource, "id" | "kind" | "name" | "dependsOn">,
    draft: Draft,
    executor: Executor<O>,
  ): Promise<Outcome> {
    this.run++;
    const { id, kind, name, dependsOn } = resource;
    const step = { ...draft, id, kind, name, dependsOn, digest: "" } as unknown as StepOf<O>;
    const outcome = await executor(step, this.applyContext());
    if (outcome.record === undefined) this.records.delete(id);
    else this.records.set(id, outcome.record);
    return outcome;
  }

  #places() {
    const { instance, state, cache, limits } = this;
    return { instance, state, cache, limits };
  }
}

export function sha256(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}
