import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach } from "vitest";
import type { OwnedRecord } from "../../src/core/resource.ts";
import type { Host } from "../../src/host/ports.ts";
import { createHost } from "../../src/host/real/host.ts";

export const host: Host = createHost({ mountNamespace: "/proc/self/ns/mnt" });

const made: string[] = [];

/** A state directory of its own (not yet made), below one temporary directory that ends with the test. */
export function newStateDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "rootloom-state-"));
  made.push(directory);
  return join(directory, "state");
}

afterEach(() => {
  for (const directory of made.splice(0)) rmSync(directory, { recursive: true, force: true });
});

export function ownedRecord(id: OwnedRecord["id"], more: Partial<OwnedRecord> = {}): OwnedRecord {
  return {
    id,
    kind: "tree",
    name: id.slice(id.indexOf("/") + 1),
    identity: `path:/srv/${id}`,
    inputs: { source: "aa" },
    details: { path: `/srv/${id}` },
    protect: false,
    onDelete: "retain",
    dependsOn: [],
    revision: "c1",
    runId: "r1",
    appliedAt: "2026-11-21T00:00:00.000Z",
    ...more,
  };
}
