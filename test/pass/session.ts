import type { FakeHost } from "../../src/host/fake/host.ts";
import { runPass } from "../../src/pass/pass.ts";
import { passRequest } from "../../src/pass/request.ts";
import type { PassRequest, PassResult, Session } from "../../src/pass/types.ts";
import { NO_LIMITS } from "../../src/resources/limits.ts";
import { CACHE, DESIRED, STATE } from "../host/fake/example.ts";

/** A session on the fake host's own checkout, as `test/host/fake/example.ts` lays it out. */
export function sessionOf(host: FakeHost): Session {
  const source = {
    desired: DESIRED,
    repository: undefined,
    ref: "HEAD",
    path: undefined,
    remote: undefined,
    worktree: false,
    cache: CACHE,
  };
  const configuration = { state: STATE, cache: CACHE, source, limits: NO_LIMITS, logLevel: "error" };
  return { host, configuration: { ...configuration, mountNamespace: "/proc/1/ns/mnt" } };
}

/** Runs one pass, letting virtual time go on as far as the pass waits. */
export function pass(host: FakeHost, mode: PassRequest["mode"], more: Partial<PassRequest> = {}): Promise<PassResult> {
  return host.runUntil(runPass(sessionOf(host), passRequest({ trigger: "command", mode, ...more })));
}
