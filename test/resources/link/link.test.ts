import { lstatSync, mkdirSync, readdirSync, readlinkSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { LinkResource } from "../../../src/core/resource.ts";
import type { Draft, PlanContext } from "../../../src/core/step.ts";
import { linkExecutors, linkObserver, linkPlanner } from "../../../src/resources/link/index.ts";
import { Machine } from "../machine.ts";

let machine: Machine;
let link: LinkResource;
const around: PlanContext = { actionOf: () => undefined, adoptions: new Set() };

beforeEach(() => {
  machine = new Machine();
  const path = join(machine.state, "tools-i686");
  link = {
    id: "link/tools",
    kind: "link",
    name: "tools",
    identity: `path:${path}`,
    dependsOn: [],
    origin: { document: "ArchTarget/i686", file: "desired/targets/i686.yaml", line: 4, column: 5 },
    protect: false,
    onDelete: "destroy",
    path,
    target: "/media/baby-i686/tools",
  };
});
afterEach(() => machine.close());

async function plan(context: PlanContext = around): Promise<Draft> {
  const owned = machine.records.get(link.id);
  return linkPlanner.plan(link, await linkObserver.observe(link, owned, machine.observeContext()), owned, context);
}

async function planRemoval(): Promise<Draft> {
  const record = machine.records.get(link.id)!;
  return linkPlanner.planRemoval(record, await linkObserver.observeRemoved(record, machine.observeContext()));
}

async function apply(draft: Draft) {
  const executors: Record<string, unknown> = linkExecutors;
  return machine.apply(link, draft, executors[draft.operation] as never);
}

describe("a declared link", () => {
  test("that is nowhere is made with exactly its target, and the next plan keeps it", async () => {
    const draft = await plan();
    expect(draft).toEqual({
      operation: "link.write",
      arguments: { resource: link },
      action: "create",
      cause: "intentional",
      reason: "new",
    });
    await apply(draft);
    expect(readlinkSync(link.path)).toBe("/media/baby-i686/tools");
    expect((await plan()).operation).toBe("keep");
  });

  test("to a directory is written twice without nesting", async () => {
    const directory = join(machine.top, "directory");
    mkdirSync(directory);
    link = { ...link, target: directory };
    await apply(await plan());
    machine.records.set(link.id, { ...machine.records.get(link.id)!, details: { path: link.path, target: "/old" } });
    await apply(await plan());
    expect(readdirSync(directory)).toEqual([]);
    expect(readlinkSync(link.path)).toBe(directory);
  });

  test("that a hand pointed elsewhere is corrected", async () => {
    await apply(await plan());
    unlinkSync(link.path);
    symlinkSync("/elsewhere", link.path);
    const draft = await plan();
    expect(draft).toMatchObject({
      cause: "corrective",
      reason: "it leads to /elsewhere, /media/baby-i686/tools is declared",
    });
    await apply(draft);
    expect(readlinkSync(link.path)).toBe("/media/baby-i686/tools");
  });

  test("whose target a commit changed is updated on purpose", async () => {
    await apply(await plan());
    link = { ...link, target: "/new" };
    expect(await plan()).toMatchObject({ action: "update", cause: "intentional" });
  });

  test("that disappeared is made again, as a correction", async () => {
    await apply(await plan());
    unlinkSync(link.path);
    expect(await plan()).toMatchObject({ action: "create", cause: "corrective" });
  });

  test("that moved to another path leaves none at the old one", async () => {
    await apply(await plan());
    const old = link.path;
    link = { ...link, path: `${old}-new`, identity: `path:${old}-new` };
    await apply(await plan());
    expect(lstatSync(old, { throwIfNoEntry: false })).toBeUndefined();
    expect((await plan()).operation).toBe("keep");
  });

  test("outside the limits is refused", async () => {
    link = { ...link, path: "/etc/tools" };
    expect((await plan()).blocked?.condition).toBe("Refused");
  });
});

describe("what stands in the way", () => {
  test.each([
    ["a file", () => writeFileSync(link.path, "x"), "a file stands there"],
    ["a directory", () => mkdirSync(link.path), "a directory stands there"],
    ["another link", () => symlinkSync("/theirs", link.path), "it leads to /theirs, and we did not make it"],
  ])("%s is refused", async (_name, make, why) => {
    make();
    const draft = await plan();
    expect(draft.blocked).toMatchObject({
      condition: "Refused",
      message: `cannot write link ${link.path}: ${why}`,
    });
    await expect(apply({ ...draft, action: "update" })).rejects.toThrow("that we did not make stands there");
  });

  test("another link is replaced once it was adopted", async () => {
    symlinkSync("/theirs", link.path);
    await apply(await plan({ ...around, adoptions: new Set(["link/tools"]) }));
    expect(readlinkSync(link.path)).toBe(link.target);
  });
});

describe("a removed declaration", () => {
  test("removes the link while it has the recorded target", async () => {
    await apply(await plan());
    const draft = await planRemoval();
    expect(draft).toMatchObject({ operation: "link.delete", action: "delete" });
    await apply(draft);
    expect(lstatSync(link.path, { throwIfNoEntry: false })).toBeUndefined();
  });

  test("leaves a link that leads elsewhere by now, at plan and at apply", async () => {
    await apply(await plan());
    const draft = await planRemoval();
    unlinkSync(link.path);
    symlinkSync("/theirs", link.path);
    expect((await planRemoval()).operation).toBe("forget");
    expect((await apply(draft)).result).toBe("found changed or gone, and left");
    expect(readlinkSync(link.path)).toBe("/theirs");
  });
});
