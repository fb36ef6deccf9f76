import { describe, expect, it } from "vitest";
import type { OwnedRecord, PublishResource } from "../../../src/core/resource.ts";
import type { Action, Blocked, Draft } from "../../../src/core/step.ts";
import type { ObservedPublish } from "../../../src/resources/publish/observe.ts";
import { publishInputs, publishPlanner } from "../../../src/resources/publish/plan.ts";

const place = { type: "directory", path: "/srv/www/a" } as const;
const resource: PublishResource = {
  ...{ id: "publish/a", kind: "publish", name: "a", identity: "path:/srv/www/a", dependsOn: ["artifact/a"] },
  ...{ origin: { document: "Image/a", file: "a.yaml", line: 1, column: 1 }, protect: false, onDelete: "retain" },
  ...{ artifact: "artifact/a", images: "/state/artifacts/a", place, keep: 3 },
  ...{ checked: false, secret: false, timeout_s: 3600, recheck_s: 60 },
};
const GENERATION = "3f2a91c07be4d512";
const record: OwnedRecord = {
  ...{ id: "publish/a", kind: "publish", name: "a", identity: resource.identity, dependsOn: ["artifact/a"] },
  inputs: { generation: GENERATION, place: "/srv/www/a", keep: "3", sign: "", secret: "false" },
  ...{ details: {}, protect: false, onDelete: "retain" },
  ...{ revision: "c1", runId: "r1", appliedAt: "" },
};
const there: ObservedPublish = {
  ...{ problem: undefined, generation: GENERATION, why: "", upload: ["a_VERSION.efi (12.0 MiB)"], state: "ours" },
  ...{ whose: "", version: `20261121074500-${GENERATION}`, published: GENERATION, differences: [] },
};
const upload = (action: Action, cause: string, reason: string) => ({
  ...{ operation: "publish.upload", arguments: { resource }, action, cause, reason },
});
const nothing: ObservedPublish = { ...there, state: "absent", version: "", published: "" };

function plan(
  observed: Partial<ObservedPublish>,
  owned: OwnedRecord | undefined = record,
  more: { readonly resource?: Partial<PublishResource>; readonly image?: Action } = {},
): Draft {
  const context = { actionOf: () => more.image ?? "keep", adoptions: new Set<never>() } as const;
  return publishPlanner.plan({ ...resource, ...more.resource }, { ...there, ...observed }, owned, context);
}

describe("the plan of a publication", () => {
  it("is all keep where the current generation is offered as it was published", () => {
    expect(plan({})).toMatchObject({ operation: "keep", reason: `published as version ${there.version}` });
  });

  it("says what will be uploaded the first time", () => {
    expect(publishPlanner.plan(resource, nothing, undefined, { actionOf: () => "keep", adoptions: new Set() })).toEqual(
      {
        ...{ operation: "publish.upload", arguments: { resource }, action: "create", cause: "intentional" },
        ...{ reason: "it is declared and was never published", details: ["a_VERSION.efi (12.0 MiB)"] },
      },
    );
  });

  it.each<[string, () => Draft, "intentional" | "corrective", string]>([
    [
      "another generation is current",
      () => plan({ generation: "81b0cc5e0a9d4417" }),
      "intentional",
      `generation 81b0cc5e0a9d4417 is current, ${GENERATION} was published`,
    ],
    ["another number is kept", () => plan({}, record, { resource: { keep: 5 } }), "intentional", "keep changed"],
    [
      "it goes to another place",
      () => plan(nothing, record, { resource: { place: { type: "directory", path: "/srv/b" } } }),
      "intentional",
      "place changed",
    ],
    [
      "it is signed by a key",
      () => plan({}, record, { resource: { sign: { tool: "gpg", key: "/etc/k" } } }),
      "intentional",
      "sign changed",
    ],
    [
      "its policy is another",
      () => plan({}, { ...record, protect: true }),
      "intentional",
      "protect is false, true was recorded",
    ],
    [
      "both what is kept and who may read it change",
      () => plan({}, record, { resource: { keep: 5, secret: true } }),
      "intentional",
      "keep, secret changed",
    ],
    [
      "one file differs there",
      () => plan({ differences: ["a_V.efi differs: sha256 12"] }),
      "corrective",
      "what is published differs: a_V.efi differs: sha256 12",
    ],
    [
      "several files differ there",
      () => plan({ differences: ["a_V.efi differs: sha256 12", "x", "y"] }),
      "corrective",
      "what is published differs: a_V.efi differs: sha256 12 and 2 more",
    ],
    ["all is gone there", () => plan(nothing), "corrective", "nothing is published in /srv/www/a any more"],
    [
      "another generation is offered",
      () => plan({ published: "81b0cc5e0a9d4417" }),
      "corrective",
      "generation 81b0cc5e0a9d4417 is offered there",
    ],
    [
      "its record was lost",
      () => publishPlanner.plan(resource, there, undefined, { actionOf: () => "keep", adoptions: new Set() }),
      "corrective",
      "published, but not recorded",
    ],
  ])("uploads when %s", (_what, drafted, cause, reason) => {
    const draft = drafted();
    expect(draft).toMatchObject({ operation: "publish.upload", cause, reason });
    expect(draft.blocked).toBeUndefined();
  });

  it("says what will be uploaded, and what differs there", () => {
    expect(plan({ differences: ["a_V.efi is missing"] })).toEqual({
      ...upload("update", "corrective", "what is published differs: a_V.efi is missing"),
      details: ["a_VERSION.efi (12.0 MiB)", "a_V.efi is missing"],
    });
  });

  it.each(["create", "update", "replace"] as const)("follows its image when this pass is to %s that", (image) => {
    const changes = "artifact/a changes in this pass";
    expect(plan({ generation: "" }, record, { image })).toEqual({
      ...upload("update", "intentional", changes),
      follows: "artifact/a",
    });
    expect(plan({ ...nothing, generation: "" }, record, { image }).action).toBe("create");
  });

  it.each<[string, Partial<ObservedPublish>, Blocked]>([
    [
      "waits for a generation that may be published",
      { generation: "", why: "it is not packed yet" },
      { condition: "Waiting", message: "cannot publish a: it is not packed yet", hint: "see artifact/a" },
    ],
    [
      "refuses another's directory",
      { state: "foreign", whose: "not made by Rootloom" },
      {
        condition: "Refused",
        message: "cannot publish a to /srv/www/a: it is not made by Rootloom",
        hint: "name a directory that is empty, or not there yet",
      },
    ],
    [
      "says what stands in the way",
      { problem: { message: "m", hint: "h", condition: "Refused" } },
      { condition: "Refused", message: "m", hint: "h" },
    ],
  ])("%s", (_what, observed, blocked) => {
    expect(plan(observed)).toEqual({ ...upload("update", "intentional", blocked.message), blocked });
    expect(plan({ ...nothing, ...observed }).action).toBe("create");
  });

  it("leaves what was published when it is declared no more", () => {
    expect(publishPlanner.planRemoval(record, nothing)).toMatchObject({
      ...{ operation: "forget", reason: "no longer declared; what was published stays" },
    });
  });
});

describe("what decides how a generation is published", () => {
  it("is the generation, the place, what is kept there, who signs it and who may read it", () => {
    expect(publishInputs(resource, GENERATION)).toEqual(record.inputs);
    const sign = { tool: "minisign", key: "/etc/key" } as const;
    expect(publishInputs({ ...resource, sign, secret: true }, GENERATION)).toMatchObject({
      ...{ sign: "minisign:/etc/key", secret: "true" },
    });
  });

  it("names the machine that it goes to, and not how that is reached", () => {
    const far = { type: "ssh", host: "mirror", port: 2222, user: "www", path: "/srv/a" } as const;
    const reached = { ...far, identityFile: "/etc/id", knownHosts: "/etc/known" };
    expect(publishInputs({ ...resource, place: reached }, GENERATION).place).toBe("www@mirror:2222:/srv/a");
  });
});
