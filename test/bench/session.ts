/** What a site's passes and packs need, in whatever process they run. */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { readConfiguration } from "../../src/configuration.ts";
import type { Compression } from "../../src/core/resource.ts";
import { createHost } from "../../src/host/real/host.ts";
import { loadDesired } from "../../src/pass/desired.ts";
import { runPass } from "../../src/pass/pass.ts";
import { passRequest } from "../../src/pass/request.ts";
import type { Session } from "../../src/pass/types.ts";
import { packInput } from "../../src/resources/artifact/inputs.ts";
import type { Measured } from "./figure.ts";

/** The session of a site that stands, as a process has it that works on it. */
export function openSession(directory: string): Session {
  const [state, cache] = [join(directory, "state"), join(directory, "cache")];
  const flags = { desired: join(directory, "desired"), state, cache, mountNamespace: "/proc/self/ns/mnt" };
  const host = createHost({ mountNamespace: flags.mountNamespace });
  return { host, configuration: readConfiguration({ files: host.files, flags, environment: {}, directory }) };
}

/** The packer alone, with a cache that knows neither hashes nor segments. */
export async function packCold(session: Session, work: string, compression: Compression): Promise<Measured> {
  const { graph } = await loadDesired(session);
  const resource = graph.resources.find((each) => each.kind === "artifact");
  if (resource?.kind !== "artifact") throw new Error("no artifact is declared");
  const [cache, image, manifest] = [join(work, "cold"), join(work, "cold.image"), join(work, "cold.manifest")];
  rmSync(cache, { recursive: true, force: true });
  mkdirSync(cache);
  const input = packInput(session.host.files, { ...resource, compression }, cache);
  const start = performance.now();
  const { size_bytes } = await session.host.jobs.run("pack", { ...input, image, manifest });
  return { seconds: (performance.now() - start) / 1000, bytes: size_bytes };
}

/** @throws Error where the pass had anything to do. */
export async function passNothing(session: Session): Promise<void> {
  const result = await runOnePass(session);
  const busy = result.plan.steps.filter((step) => step.operation !== "keep");
  if (busy.length > 0 || result.documentProblems.length > 0)
    throw new Error(
      `there was something to do: ${JSON.stringify(busy.map(({ id, reason, blocked }) => [id, reason, blocked]))}`,
    );
}

export function runOnePass(session: Session): ReturnType<typeof runPass> {
  return runPass(session, passRequest({ trigger: "command" }));
}
