import { createHash } from "node:crypto";
import { asRootloomError, RootloomError } from "../../core/error.ts";
import type { OwnedRecord, PublishResource } from "../../core/resource.ts";
import { checkHostPath, checkPlace } from "../limits.ts";
import { detail } from "../owned.ts";
import { requirePrivateKey } from "../private-key.ts";
import type { ObserveContext, Observer, Places } from "../types.ts";
import { chooseGeneration, filesOf, type Published } from "./current.ts";
import { openFarEnd, placeText } from "./far-end.ts";
import type { Looked } from "./look.ts";
import { parseSums, SIGNATURES, versionsIn } from "./release.ts";

export interface ObservedPublish {
  /** Why nothing can be published now. */
  readonly problem:
    | { readonly message: string; readonly hint: string; readonly condition: "Refused" | "Waiting" }
    | undefined;
  /** The generation that should be offered there; empty where there is none that may. */
  readonly generation: string;
  /** Completes "cannot publish a: ...", where there is none. */
  readonly why: string;
  /** What it would be uploaded as: name and size, for people. */
  readonly upload: readonly string[];
  readonly state: Looked["state"];
  readonly whose: string;
  /** The newest version there, and its generation. */
  readonly version: string;
  readonly published: string;
  /** What differs there from what was published. */
  readonly differences: readonly string[];
}

const NOTHING: Omit<ObservedPublish, "problem"> = {
  generation: "",
  why: "",
  upload: [],
  state: "absent",
  whose: "",
  version: "",
  published: "",
  differences: [],
};

export const publishObserver: Observer<"publish"> = {
  observe,
  // What was published is others' by now: it stays, whatever is declared, and nobody need look at it.
  observeRemoved: async () => ({ ...NOTHING, problem: undefined }),
};

async function observe(
  resource: PublishResource,
  owned: OwnedRecord | undefined,
  context: ObserveContext,
): Promise<ObservedPublish> {
  const { host, instance } = context;
  const chosen = chooseGeneration(resource, host.files, instance);
  const base = {
    ...NOTHING,
    generation: chosen.report?.generation ?? "",
    why: chosen.why,
    upload: chosen.report === undefined ? [] : uploadOf(resource, chosen.report),
  };
  try {
    requireUsable(resource, context);
  } catch (thrown) {
    const { message, hint = "", retry } = asRootloomError(thrown);
    return { ...base, problem: { message, hint, condition: retry === "waiting" ? "Waiting" : "Refused" } };
  }
  const seen = await lookAt(resource, context);
  const [newest] = versionsIn(resource.name, parseSums(seen.sums));
  const differences = owned === undefined || seen.state !== "ours" ? [] : differencesOf(seen, owned);
  const { state, whose } = seen;
  const there = { state, whose, version: newest?.text ?? "", published: newest?.generation ?? "", differences };
  return { ...base, ...there, problem: undefined };
}

/**
 * That this host lets it be published there, with keys that are nobody else's.
 * @throws RootloomError where it does not; waiting where the host is offline.
 */
export function requireUsable(
  { place, sign }: PublishResource,
  { host, limits, state, network }: Pick<ObserveContext, "host" | "network"> & Pick<Places, "limits" | "state">,
): void {
  const { files } = host;
  if (sign !== undefined) requirePrivateKey(files, sign.key);
  if (place.type === "directory") {
    const refused = checkHostPath(files, place.path, limits, state);
    if (refused !== undefined) throw refused;
    return;
  }
  const refused = checkPlace("publishHost", place.host, limits);
  if (refused !== undefined) throw refused;
  requirePrivateKey(files, place.identityFile);
  if (files.realPath(place.knownHosts) === undefined)
    throw new RootloomError(`cannot publish to ${placeText(place)}: ${place.knownHosts} is not there`, {
      hint: `ssh-keyscan -p ${place.port} ${place.host}, compare the key with the one on that machine, and put it there`,
    });
  if (network?.offline === true)
    throw new RootloomError(`cannot publish to ${placeText(place)}: this host is offline`, {
      hint: "it is published when `offline` is taken away",
      retry: "waiting",
    });
}

/** Another machine, as a daemon saw it last: a pass each minute need not ask for it. A command of a person always looks. */
const seenBefore = new Map<string, { readonly at_ms: number; readonly seen: Looked }>();

async function lookAt(resource: PublishResource, context: ObserveContext): Promise<Looked> {
  const { host } = context;
  const end = openFarEnd(resource, context);
  if (resource.place.type === "directory") return end.look();
  const key = JSON.stringify([context.instance, resource.id, resource.place]);
  const before = seenBefore.get(key);
  const now_ms = host.clock.elapsed_ms();
  if (before !== undefined && now_ms - before.at_ms < resource.recheck_s * 1000) return before.seen;
  const seen = await end.look();
  seenBefore.set(key, { at_ms: now_ms, seen });
  return seen;
}

/** After an upload it is looked at anew. */
export function forgetSeen({ id, place }: PublishResource, instance: string): void {
  seenBefore.delete(JSON.stringify([instance, id, place]));
}

function uploadOf(resource: PublishResource, report: Published): readonly string[] {
  const files = filesOf(resource.name, { text: "VERSION" }, report);
  return files.map(({ name, size_bytes }) => `${name} (${(size_bytes / 1024 ** 2).toFixed(1)} MiB)`);
}

/** By its list, which the record knows by its digest, and by the digest of each file in it. */
function differencesOf({ release, files, sums }: Looked, owned: OwnedRecord): readonly string[] {
  if (release === "") return ["current names no release"];
  if (createHash("sha256").update(sums).digest("hex") !== detail(owned, "sums"))
    return [sums === "" ? "SHA256SUMS is missing" : "SHA256SUMS is not the one that was published"];
  const damaged = parseSums(sums).flatMap(({ name, sha256 }) => differenceOf(name, sha256, files));
  const signature = detail(owned, "signature");
  const name = Object.values(SIGNATURES).find((each) => each in files) ?? "the signature of SHA256SUMS";
  return signature === "" ? damaged : [...damaged, ...differenceOf(name, signature, files)];
}

function differenceOf(name: string, sha256: string, files: Looked["files"]): readonly string[] {
  const found = files[name];
  if (found === undefined) return [`${name} is missing`];
  return found.sha256 === sha256 ? [] : [`${name} differs: sha256 ${found.sha256.slice(0, 12)}`];
}
